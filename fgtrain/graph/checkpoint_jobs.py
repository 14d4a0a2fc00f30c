"""The jobs that look at a checkpoint of a run: it is asked, judged, measured, and tried whether it recovers."""

import json
from pathlib import Path

from fgtrain.plan.checkpoints import features_at, features_origin, judged_at, recovered_at
from fgtrain.recipe import START
from fgtrain.runs.evaluations import evaluated, judged
from fgtrain.runs.features import UNDECISIVE, measured, source_roots
from fgtrain.runs.judged import TOGETHER, decisive
from fgtrain.runs.recovery import recovered

from .one_run import OneRun

RECOVERED = {"recovery", "subset", "tasks", "groups", "data"}  # what of it decides what comes back
NOT_ASKED = {"at", "batch_size", "features", "held_out", "judge", "recovery"}  # what of `evaluation` changes no answer


class CheckpointJobs(OneRun):
    def evaluate(self, checkpoint: str, fingerprint: str, after: tuple[str, ...]) -> None:
        recipe, store = self.recipe, self.recipe.stage_store(fingerprint)
        evaluation = recipe.evaluation.model_dump(mode="json", exclude=NOT_ASKED)
        folders = [str(folder) for folder in recipe.evaluation_folders()]
        identity = ("evaluate", str(store), json.dumps([evaluation, folders], sort_keys=True))
        name = self.job(
            f"evaluate-{checkpoint}",
            "evaluate",
            f"ask {checkpoint}",
            identity,
            arguments={"checkpoint": checkpoint, "start": self.start, "runs": [recipe.name]},
            after=after,
            done=lambda: evaluated(recipe, store),
            stage=checkpoint,
            **self.devices(),
        )
        self.ends.append(name)
        if checkpoint in judged_at(recipe):
            self._judge(checkpoint, store, identity, name)

    def _judge(self, checkpoint: str, store: Path, evaluation: tuple, evaluate: str) -> None:
        """`evaluation`, `evaluate`: identity and name of the job whose answers are judged."""
        recipe = self.recipe
        name = self.job(
            f"judge-{checkpoint}",
            "judge",
            f"judge {checkpoint}",
            ("judge", evaluation, recipe.evaluation.judge.model_dump_json(include=decisive(recipe.evaluation.judge))),
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

    def features(self, checkpoint: str) -> None:
        """What both parts of several checkpoints have in common is measured once."""
        recipe = self.recipe
        for part in recipe.evaluation.features.parts if checkpoint in features_at(recipe) else ():
            origin = features_origin(recipe, checkpoint, part)
            store = recipe.stage_store(self.start if origin == START else self.plan.stage(origin).fingerprint)
            how = recipe.evaluation.features.model_dump(mode="json", exclude=UNDECISIVE)
            sources = [[source, str(root)] for source, root in source_roots(recipe)]
            name = self.job(
                f"features-{origin}-{part}",
                "features",
                f"measure features of {origin}, {part}",
                ("features", str(store), part, recipe.seed, json.dumps([how, sources], sort_keys=True)),
                arguments={"checkpoint": origin, "part": part, "start": self.start, "runs": [recipe.name]},
                after=self.reached[origin],
                done=lambda store=store, part=part: measured(recipe, store, part),
                stage=origin,
                **self.devices(),
            )
            self.ends.append(name)

    def recover(self, stage: str, fingerprint: str) -> None:
        recipe, store = self.recipe, self.recipe.stage_store(fingerprint)
        if stage not in recovered_at(recipe):
            return
        evaluation = recipe.evaluation.model_dump(mode="json", include=RECOVERED)
        name = self.job(
            f"recover-{stage}",
            "recover",
            f"recover from {stage}",
            ("recover", str(store), json.dumps(evaluation, sort_keys=True)),
            arguments={"stage": stage},
            after=self.reached[stage],
            done=lambda: recovered(recipe, store),
            stage=stage,
            **self.devices(),
        )
        self.ends.append(name)
