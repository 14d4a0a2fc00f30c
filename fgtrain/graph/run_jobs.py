"""The jobs of one run: what it builds, prepares, encodes, trains, asks, measures, judges and tells."""

import hashlib
import json
from pathlib import Path
from typing import Any

from data_builders.records import Manifest
from fgtrain.errors import UserError
from fgtrain.jobs.build import SAMPLE_TEXT, builds, built
from fgtrain.plan import DataPlan, Plan, light_facts
from fgtrain.plan.built_sets import outdated
from fgtrain.plan.checkpoints import features_at, features_origin, judged_at, recovered_at
from fgtrain.plan.encoding import encoded_at, encoder_learns, encoder_origin
from fgtrain.plan.lineage import ancestors, needed
from fgtrain.plan.versions import encoding_code
from fgtrain.recipe import START, Recipe
from fgtrain.runs.encoded import encoded, encoded_folder
from fgtrain.runs.evaluations import asked, evaluated, judged, start_fingerprint
from fgtrain.runs.features import UNDECISIVE, measured, source_roots
from fgtrain.runs.folder import stage_kept
from fgtrain.runs.judged import DECISIVE, TOGETHER
from fgtrain.runs.prepared import prepared
from fgtrain.runs.recovery import recovered
from fgtrain.runs.reported import reported, results_of_run

from .job import Graph, Job

SEEN = {"mix", "augment", "augment_views", "steps"}  # what of a stage decides which pictures it sees
RECOVERED = {"recovery", "subset", "tasks", "groups", "data"}  # what of it decides what comes back
NOT_ASKED = {"at", "batch_size", "features", "held_out", "judge", "recovery"}  # what of `evaluation` changes no answer
JOBS = "jobs"  # folder of a run, or of a study, that holds those of its jobs


class RunJobs:
    """Adds the jobs of one run to the graph."""

    def __init__(self, graph: Graph, recipe: Recipe, plan: Plan, show: bool, judged_in: Path) -> None:
        """`judged_in`: the folder that notes what judges are paid for all runs that start together."""
        self.graph, self.recipe, self.plan, self.show, self.judged_in = graph, recipe, plan, show, judged_in
        self.asked = asked(recipe)
        self.facts = light_facts(recipe)
        self.start = start_fingerprint(recipe, self.facts)
        self.first, self.then = builds(recipe)
        self.ends: list[str] = []
        self.reached: dict[str, tuple[str, ...]] = {}  # checkpoint -> jobs after which it is there

    def _job(self, what: str, kind: str, title: str, identity: tuple, **more: Any) -> str:
        recipe = self.recipe
        return self.graph.add(
            Job(
                name=f"{recipe.name}/{what}",
                kind=kind,
                title=title,
                identity=identity,
                folder=recipe.run_folder / JOBS / what,
                recipe=more.pop("recipe", recipe),
                runs=(recipe.name,),
                **more,
            )
        )

    def prepare(self) -> None:
        """Build, one after the other what the recipe builds first, then its sets; then check and count."""
        before: tuple[str, ...] = ()
        for arguments in self.first:
            before = (self._build(arguments, before),)
        sets = [self._build(arguments, before) for arguments in self.then]
        for name in self.recipe.mixed_data:
            if self.recipe.data[name].what == SAMPLE_TEXT:
                sets.append(self._sample(name))
        self.prepared = self._job(
            "prepare",
            "prepare",
            f"prepare {self.recipe.name}",
            ("prepare", self.recipe.name),
            arguments={"show": self.show},
            after=tuple(dict.fromkeys((*before, *sets))),
            done=lambda: prepared(self.recipe, self.plan),
        )

    def _build(self, arguments: dict[str, Any], after: tuple[str, ...]) -> str:
        identity = ("build", json.dumps(_decisive(arguments), sort_keys=True, default=str))
        what = f"build-{arguments['what']}-{Path(arguments['out']).name}-{_short(identity)}"
        title = f"build {arguments['what']} into {arguments['out']}"
        return self._job(
            what, "build", title, identity, arguments=arguments, after=after, done=lambda: built(arguments)
        )

    def _sample(self, name: str) -> str:
        recipe, folder = self.recipe, self.recipe.data_folder(name)
        weights = (self.facts.weights_sha or {}).get("language_model") or recipe.model.model_dump_json()
        identity = ("sample_text", str(folder), weights, json.dumps(recipe.data[name].options, sort_keys=True))
        title = f"sample {name}"

        def done() -> bool:
            return (folder / "manifest.json").is_file() and not outdated(recipe, name, folder, Manifest.load(folder))

        return self._job(f"sample-{name}", "sample_text", title, identity, arguments={"name": name}, done=done)

    def carry_out(self, proof: str | None) -> None:
        """Encode, train each stage, ask each checkpoint. `proof`: the job that proves a study's arms matched."""
        ready = (self.prepared,) if proof is None else (self.prepared, proof)
        encoding = encoded_at(self.recipe, self.plan)
        encoded = {START: self._encode(START, encoding, ready)}
        self.reached[START] = ready
        if START in self.asked:
            self._evaluate(START, self.start, (*ready, *encoded[START]))
        self._features(START)
        for stage in self.plan.stages:
            pictures = encoded[encoder_origin(self.recipe, stage.name)] if stage.encoder.cached else ()
            for name, fingerprint in stage.elsewhere.items():
                store = str(self.recipe.stage_store(fingerprint))
                self.reached[name] = self.graph.doing(("train", store), ("merge", store))
            reached = [self.reached[name] for name in needed(self.recipe, stage.name)]
            before = tuple(dict.fromkeys(job for jobs in reached for job in jobs))
            before += tuple(self._replay(stage.name, data) for data in stage.data if data.chosen is not None)
            make = {"merge": self._merge, "best": self._best}.get(stage.objective, self._train)
            made = make(stage.name, stage.fingerprint, (*before, *pictures))
            before = self.reached[stage.name] = (self.prepared, made)
            encoded[stage.name] = self._encode(stage.name, encoding, before)
            if stage.name in self.asked:
                self._evaluate(stage.name, stage.fingerprint, (*before, *encoded[START]))
            self._features(stage.name)
            self._recover(stage.name, stage.fingerprint)
            self.ends.append(made)

    def _replay(self, stage: str, data: DataPlan) -> str:
        recipe, folder = self.recipe, self.recipe.replay_store(data.chosen)
        reached = [self.reached[checkpoint] for checkpoint in recipe.data[data.name].replay.checkpoints or (START,)]
        return self._job(
            f"replay-{data.name}",
            "replay",
            f"choose rows of {data.name}",
            ("replay", str(folder)),
            arguments={"name": data.name, "stage": stage},
            after=tuple(dict.fromkeys(job for jobs in reached for job in jobs)),
            done=lambda: (folder / "manifest.json").is_file(),
            stage=stage,
            **self._devices(),
        )

    def _encode(self, origin: str, encoding: dict[str, list[str]], after: tuple[str, ...]) -> tuple[str, ...]:
        """The job's name; none where nothing is encoded with this checkpoint's encoder."""
        recipe, stages = self.recipe, encoding.get(origin, [])
        asked = bool(self.asked) and recipe.evaluation.engine == "own"
        questions = origin == START and asked and recipe.encoder_cache.enabled and not encoder_learns(recipe)
        if not stages and not questions:
            return ()
        identity = ("encode", json.dumps(self._seen(origin, stages, questions), sort_keys=True, default=str))
        key = _short(identity)
        arguments = {"origin": origin, "key": key, "stages": stages, "questions": questions, "start": self.start}
        name = self._job(
            f"encode-{origin}",
            "encode",
            f"encode pictures for {', '.join(stages) or 'evaluation'}",
            identity,
            arguments=arguments,
            after=after,
            done=lambda: encoded(recipe, self.plan, **arguments),
            **self._devices(),
        )
        return (name,)

    def _seen(self, origin: str, stages: list[str], questions: bool) -> dict[str, Any]:
        """What decides which pictures are encoded, and by which encoder, as it is known before any data is built: the
        same work keeps its name when the data is there. What it was built to is compared where it is done."""
        recipe, enabled = self.recipe, self.recipe.enabled_stages
        learnt = ancestors(recipe, origin)
        built_from = {arguments["out"]: _decisive(arguments) for arguments in self.then}
        data = {}
        for name in dict.fromkeys(name for stage in (*learnt, *stages) for name in enabled[stage].mix):
            folder = str(recipe.data_folder(name))
            data[name] = [folder, built_from.get(folder), recipe.data[name].options]
        return {
            "kept": str(encoded_folder(recipe)),
            "model": recipe.model_with_paths().model_dump(mode="json"),
            "learnt": {name: enabled[name].model_dump(mode="json") for name in learnt},
            "stages": {name: enabled[name].model_dump(mode="json", include=SEEN) for name in stages},
            "data": data,
            "tasks": [*recipe.evaluation.tasks, *map(str, recipe.evaluation_folders())] if questions else [],
            "prepared": [_decisive(arguments) for arguments in self.first],
            "seed": recipe.seed,
            "code": encoding_code().hash,
        }

    def _train(self, stage: str, fingerprint: str, after: tuple[str, ...]) -> str:
        devices = self._devices()
        if self.recipe.stages[stage].objective == "heads":
            devices |= {"processes": 1, "nodes": 1}
        return self._job(
            f"train-{stage}",
            "train",
            f"train {stage}",
            ("train", str(self.recipe.stage_store(fingerprint))),
            arguments={"stage": stage, "start": self.start},
            after=after,
            done=lambda: stage_kept(self.recipe, fingerprint),
            stage=stage,
            fingerprint=fingerprint,
            **devices,
        )

    def _merge(self, stage: str, fingerprint: str, after: tuple[str, ...]) -> str:
        return self._job(
            f"merge-{stage}",
            "merge",
            f"average into {stage}",
            ("merge", str(self.recipe.stage_store(fingerprint))),
            arguments={"stage": stage},
            after=after,
            done=lambda: stage_kept(self.recipe, fingerprint),
            stage=stage,
            fingerprint=fingerprint,
        )

    def _best(self, stage: str, fingerprint: str, after: tuple[str, ...]) -> str:
        return self._job(
            f"best-{stage}",
            "best",
            f"take the best checkpoint as {stage}",
            ("best", str(self.recipe.stage_store(fingerprint))),
            arguments={"stage": stage},
            after=after,
            done=lambda: stage_kept(self.recipe, fingerprint),
            stage=stage,
            fingerprint=fingerprint,
        )

    def _evaluate(self, checkpoint: str, fingerprint: str, after: tuple[str, ...]) -> None:
        recipe, store = self.recipe, self.recipe.stage_store(fingerprint)
        evaluation = recipe.evaluation.model_dump(mode="json", exclude=NOT_ASKED)
        folders = [str(folder) for folder in recipe.evaluation_folders()]
        identity = ("evaluate", str(store), json.dumps([evaluation, folders], sort_keys=True))
        name = self._job(
            f"evaluate-{checkpoint}",
            "evaluate",
            f"ask {checkpoint}",
            identity,
            arguments={"checkpoint": checkpoint, "start": self.start, "runs": [recipe.name]},
            after=after,
            done=lambda: evaluated(recipe, store),
            stage=checkpoint,
            **self._devices(),
        )
        self.ends.append(name)
        if checkpoint in judged_at(recipe):
            self._judge(checkpoint, store, identity, name)

    def _judge(self, checkpoint: str, store: Path, evaluation: tuple, evaluate: str) -> None:
        """`evaluation`, `evaluate`: identity and name of the job whose answers are judged."""
        recipe = self.recipe
        name = self._job(
            f"judge-{checkpoint}",
            "judge",
            f"judge {checkpoint}",
            ("judge", evaluation, recipe.evaluation.judge.model_dump_json(include=DECISIVE)),
            arguments={
                "checkpoint": checkpoint,
                "start": self.start,
                "runs": [recipe.name],
                "together": str(self.judged_in / TOGETHER),
            },
            after=(self.prepared, evaluate),
            done=lambda: judged(recipe, store),
            stage=checkpoint,
        )
        self.ends.append(name)

    def _features(self, checkpoint: str) -> None:
        """What both parts of several checkpoints have in common is measured once."""
        recipe = self.recipe
        for part in recipe.evaluation.features.parts if checkpoint in features_at(recipe) else ():
            origin = features_origin(recipe, checkpoint, part)
            store = recipe.stage_store(self.start if origin == START else self.plan.stage(origin).fingerprint)
            how = recipe.evaluation.features.model_dump(mode="json", exclude=UNDECISIVE)
            sources = [[source, str(root)] for source, root in source_roots(recipe)]
            name = self._job(
                f"features-{origin}-{part}",
                "features",
                f"measure features of {origin}, {part}",
                ("features", str(store), part, recipe.seed, json.dumps([how, sources], sort_keys=True)),
                arguments={"checkpoint": origin, "part": part, "start": self.start, "runs": [recipe.name]},
                after=self.reached[origin],
                done=lambda store=store, part=part: measured(recipe, store, part),
                stage=origin,
                **self._devices(),
            )
            self.ends.append(name)

    def _recover(self, stage: str, fingerprint: str) -> None:
        recipe, store = self.recipe, self.recipe.stage_store(fingerprint)
        if stage not in recovered_at(recipe):
            return
        evaluation = recipe.evaluation.model_dump(mode="json", include=RECOVERED)
        name = self._job(
            f"recover-{stage}",
            "recover",
            f"recover from {stage}",
            ("recover", str(store), json.dumps(evaluation, sort_keys=True)),
            arguments={"stage": stage},
            after=self.reached[stage],
            done=lambda: recovered(recipe, store),
            stage=stage,
            **self._devices(),
        )
        self.ends.append(name)

    def report(self) -> str:
        recipe, plan = self.recipe, self.plan

        def done() -> bool:
            try:
                return reported(recipe.run_folder, results_of_run(recipe, plan, self.start))
            except UserError:  # question files that are not built yet
                return False

        return self._job(
            "report",
            "report",
            f"report of {recipe.name}",
            ("report", recipe.name),
            arguments={"start": self.start},
            after=tuple(dict.fromkeys((self.prepared, *self.ends))),
            done=done,
        )

    def _devices(self) -> dict[str, Any]:
        devices = self.recipe.devices
        return {"processes": devices.world_size, "nodes": devices.nodes, "computes": True}


def _decisive(arguments: dict[str, Any]) -> dict[str, Any]:
    """What of a build job's arguments decides what it builds."""
    return {key: value for key, value in arguments.items() if key != "place"}


def _short(identity: tuple) -> str:
    return hashlib.blake2b(repr(identity).encode(), digest_size=4).hexdigest()
