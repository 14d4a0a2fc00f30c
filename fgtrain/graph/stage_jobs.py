"""The jobs that make checkpoints: pictures are encoded, earlier rows chosen, stages trained, weights averaged."""

import json
from typing import Any

from fgtrain.plan import DataPlan
from fgtrain.plan.encoding import encoder_learns
from fgtrain.plan.lineage import ancestors
from fgtrain.plan.versions import encoding_code
from fgtrain.recipe import START
from fgtrain.runs.encoded import encoded, encoded_folder
from fgtrain.runs.folder import stage_kept

from .one_run import OneRun, decisive, short

SEEN = {"mix", "augment", "augment_views", "steps"}  # what of a stage decides which pictures it sees
# Kind of the job -> what it does with the stage, for people.
MADE_BY = {"train": "train {}", "merge": "average into {}", "best": "take the best checkpoint as {}"}


class StageJobs(OneRun):
    def replay(self, stage: str, data: DataPlan) -> str:
        recipe, folder = self.recipe, self.recipe.replay_store(data.chosen)
        reached = [self.reached[checkpoint] for checkpoint in recipe.data[data.name].replay.checkpoints or (START,)]
        return self.job(
            f"replay-{data.name}",
            "replay",
            f"choose rows of {data.name}",
            ("replay", str(folder)),
            arguments={"name": data.name, "stage": stage},
            after=tuple(dict.fromkeys(job for jobs in reached for job in jobs)),
            done=lambda: (folder / "manifest.json").is_file(),
            stage=stage,
            **self.devices(),
        )

    def encode(self, origin: str, encoding: dict[str, list[str]], after: tuple[str, ...]) -> tuple[str, ...]:
        """The job's name; none where nothing is encoded with this checkpoint's encoder."""
        recipe, stages = self.recipe, encoding.get(origin, [])
        asked = bool(self.asked) and recipe.evaluation.engine == "own"
        questions = origin == START and asked and recipe.encoder_cache.enabled and not encoder_learns(recipe)
        if not stages and not questions:
            return ()
        identity = ("encode", json.dumps(self._seen(origin, stages, questions), sort_keys=True, default=str))
        key = short(identity)
        arguments = {"origin": origin, "key": key, "stages": stages, "questions": questions, "start": self.start}
        name = self.job(
            f"encode-{origin}",
            "encode",
            f"encode pictures for {', '.join(stages) or 'evaluation'}",
            identity,
            arguments=arguments,
            after=after,
            done=lambda: encoded(recipe, self.plan, **arguments),
            **self.devices(),
        )
        return (name,)

    def _seen(self, origin: str, stages: list[str], questions: bool) -> dict[str, Any]:
        """What decides which pictures are encoded, and by which encoder, as it is known before any data is built: the
        same work keeps its name when the data is there. What it was built to is compared where it is done."""
        recipe, enabled = self.recipe, self.recipe.enabled_stages
        learnt = ancestors(recipe, origin)
        built_from = {arguments["out"]: decisive(arguments) for arguments in self.then}
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
            "prepared": [decisive(arguments) for arguments in self.first],
            "seed": recipe.seed,
            "code": encoding_code().hash,
        }

    def make(self, kind: str, stage: str, fingerprint: str, after: tuple[str, ...]) -> str:
        """`kind`: one of MADE_BY."""
        arguments: dict[str, Any] = {"stage": stage}
        devices: dict[str, Any] = {}
        if kind == "train":
            arguments["start"], devices = self.start, self.devices()
            if self.recipe.stages[stage].objective == "heads":
                devices |= {"processes": 1, "nodes": 1}
        return self.job(
            f"{kind}-{stage}",
            kind,
            MADE_BY[kind].format(stage),
            (kind, str(self.recipe.stage_store(fingerprint))),
            arguments=arguments,
            after=after,
            done=lambda: stage_kept(self.recipe, fingerprint),
            stage=stage,
            fingerprint=fingerprint,
            **devices,
        )
