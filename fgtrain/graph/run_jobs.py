"""The jobs of one run: what it builds, prepares, encodes, trains, asks, measures, judges and tells."""

import json
from pathlib import Path
from typing import Any

from data_builders.records import Manifest
from fgtrain.errors import UserError
from fgtrain.jobs.build import built, sampled
from fgtrain.plan.built_sets import outdated
from fgtrain.plan.encoding import encoded_at, encoder_origin
from fgtrain.plan.lineage import needed
from fgtrain.recipe import START
from fgtrain.runs.prepared import prepared
from fgtrain.runs.reported import reported, results_of_run

from .checkpoint_jobs import CheckpointJobs
from .one_run import decisive, short
from .stage_jobs import MADE_BY, StageJobs


class RunJobs(StageJobs, CheckpointJobs):
    """Adds the jobs of one run to the graph: `prepare`, then `carry_out`, then `report`."""

    def prepare(self) -> None:
        """Build, one after the other what the recipe builds first, then its sets; then check and count."""
        before: tuple[str, ...] = ()
        for arguments in self.first:
            before = (self._build(arguments, before),)
        sets = [self._build(arguments, before) for arguments in self.then]
        sets += [self._sample(name) for name in sampled(self.recipe)]
        self.prepared = self.job(
            "prepare",
            "prepare",
            f"prepare {self.recipe.name}",
            ("prepare", self.recipe.name),
            arguments={"show": self.show},
            after=tuple(dict.fromkeys((*before, *sets))),
            done=lambda: prepared(self.recipe, self.plan),
        )

    def _build(self, arguments: dict[str, Any], after: tuple[str, ...]) -> str:
        identity = ("build", json.dumps(decisive(arguments), sort_keys=True, default=str))
        what = f"build-{arguments['what']}-{Path(arguments['out']).name}-{short(identity)}"
        title = f"build {arguments['what']} into {arguments['out']}"
        return self.job(what, "build", title, identity, arguments=arguments, after=after, done=lambda: built(arguments))

    def _sample(self, name: str) -> str:
        recipe, folder = self.recipe, self.recipe.data_folder(name)
        weights = (self.facts.weights_sha or {}).get("language_model") or recipe.model.model_dump_json()
        identity = ("sample_text", str(folder), weights, json.dumps(recipe.data[name].options, sort_keys=True))
        title = f"sample {name}"

        def done() -> bool:
            return (folder / "manifest.json").is_file() and not outdated(recipe, name, folder, Manifest.load(folder))

        return self.job(f"sample-{name}", "sample_text", title, identity, arguments={"name": name}, done=done)

    def carry_out(self, proof: str | None) -> None:
        """Encode, train each stage, ask each checkpoint. `proof`: the job that proves a study's arms matched."""
        ready = (self.prepared,) if proof is None else (self.prepared, proof)
        encoding = encoded_at(self.recipe, self.plan)
        encoded = {START: self.encode(START, encoding, ready)}
        self.reached[START] = ready
        if START in self.asked:
            self.evaluate(START, self.start, (*ready, *encoded[START]))
        self.features(START)
        for stage in self.plan.stages:
            pictures = encoded[encoder_origin(self.recipe, stage.name)] if stage.encoder.cached else ()
            for name, fingerprint in stage.elsewhere.items():
                store = str(self.recipe.stage_store(fingerprint))
                self.reached[name] = self.graph.doing(*((kind, store) for kind in MADE_BY))
            reached = [self.reached[name] for name in needed(self.recipe, stage.name)]
            before = tuple(dict.fromkeys(job for jobs in reached for job in jobs))
            before += tuple(self.replay(stage.name, data) for data in stage.data if data.chosen is not None)
            kind = stage.objective if stage.objective in MADE_BY else "train"
            made = self.make(kind, stage.name, stage.fingerprint, (*before, *pictures))
            before = self.reached[stage.name] = (self.prepared, made)
            encoded[stage.name] = self.encode(stage.name, encoding, before)
            if stage.name in self.asked:
                self.evaluate(stage.name, stage.fingerprint, (*before, *encoded[START]))
            self.features(stage.name)
            self.recover(stage.name, stage.fingerprint)
            self.ends.append(made)

    def report(self) -> str:
        recipe, plan = self.recipe, self.plan

        def done() -> bool:
            try:
                return reported(recipe.run_folder, results_of_run(recipe, plan, self.start))
            except UserError:  # question files that are not built yet
                return False

        return self.job(
            "report",
            "report",
            f"report of {recipe.name}",
            ("report", recipe.name),
            arguments={"start": self.start},
            after=tuple(dict.fromkeys((self.prepared, *self.ends))),
            done=done,
        )
