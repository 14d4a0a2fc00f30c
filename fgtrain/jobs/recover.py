"""A few steps on old rows from a finished checkpoint: what comes back so soon was overlaid, not lost.

The checkpoint of a stage learns on, with the stage's own parts, batch size and peak rates (constant), from rows that an
earlier stage mixed. The general tasks of the subset are asked before the stage, after it, and after these steps.
"""

from pathlib import Path
from typing import Any

from data_builders.shared.made_with import made_with
from data_builders.shared.state_files import write_checked
from data_builders.shared.terminal import say
from evaluation.asking import Share, evaluate
from evaluation.scoring.loss_and_return import AskedThrice, loss_and_return
from evaluation.tasks.task import Task
from fgtrain.errors import UserError
from fgtrain.model import LVLM
from fgtrain.plan import Plan
from fgtrain.plan.versions import asking_code
from fgtrain.processes import Group
from fgtrain.recipe import Recipe, Stage
from fgtrain.runs.evaluations import tasks_of
from fgtrain.runs.forgetting import GENERAL
from fgtrain.runs.groups import tasks_of_group
from fgtrain.runs.recovery import FILE, recovered, recovery_folder
from fgtrain.training.resume import ResumePoint
from fgtrain.training.stop_signals import stop_if_asked
from fgtrain.training.strategy import weights_device
from fgtrain.training.subset import Verdict
from fgtrain.training.trainer import StageRun, run_stage

from .adapters import make_learn
from .answer_scores import scores_of
from .evaluate import answerer_of
from .inputs import final_plan, job_device, model_at, stage_before, stage_data

NEVER = 1_000_000_000  # steps between resume points: these few are done again as fast


def recover(recipe: Recipe, group: Group, stage: str) -> None:
    """Leave in the store what came back, for every run that tries the same; the model that learnt on is kept nowhere.

    UserError when a checkpoint or a question file is not there.
    """
    plan = final_plan(recipe)
    store = recipe.stage_store(plan.stage(stage).fingerprint)
    folder = recovery_folder(recipe, store)
    with group.locked(folder / ".lock", f"recovery of {stage}: another run is trying the same; waiting for it"):
        if group.agree(lambda: recovered(recipe, store)):
            if group.first:
                say(f"recovery of {stage}: done before")
            return
        tasks = tasks_of_group(recipe, tasks_of(recipe), GENERAL)
        _Probe(recipe, plan, stage, tasks, folder).run(group)
        if group.first:
            ResumePoint.clear(folder / "resume")
    stop_if_asked()


class _BothEnds:
    """A watch that lets the first and the last step be asked, and decides nothing."""

    keeps_best = True

    def begin(self, step: int) -> None:
        pass

    def verdict(self, step: int) -> Verdict:
        return Verdict({"kind": "recovery", "step": step})

    def keep(self, step: int, learnt: dict) -> None:
        raise RuntimeError("nothing of it is kept")


class _Probe:
    def __init__(self, recipe: Recipe, plan: Plan, stage: str, tasks: list[Task], folder: Path) -> None:
        self.recipe, self.plan, self.stage, self.tasks, self.folder = recipe, plan, stage, tasks, folder
        self.chosen = recipe.evaluation.recovery
        self.places = [folder / "before", folder / "after", folder / "again"]

    def run(self, group: Group) -> None:
        recipe, before = self.recipe, stage_before(self.plan, self.stage)
        lvlm = model_at(recipe, self.plan, before, job_device(recipe, group.local_rank))
        self._ask(lvlm, self.places[0], Share(group.rank, group.size))
        lvlm = model_at(recipe, self.plan, self.stage, weights_device(recipe.devices, group.rank, group.local_rank))
        self._train(lvlm, group)
        if not group.first:
            return
        found = loss_and_return({task.name: self._thrice(task) for task in self.tasks})
        about: dict[str, Any] = {"stage": self.stage, "before": before, "on": list(self.chosen.on)}
        about |= {"steps": self.chosen.steps, "titles": {task.name: task.title for task in self.tasks}}
        write_checked(self.folder / FILE, about | found | {"made_with": made_with(asking_code().hash)})
        lost, back = (found["mean"][key]["value"] for key in ("lost", "back"))
        say(f"recovery of {self.stage}: {back:.1f} of {lost:.1f} points back after {self.chosen.steps} steps")

    def _ask(self, lvlm: LVLM, out: Path, share: Share) -> None:
        # The weights of each moment follow from what the folder is named after.
        known, evaluation = f"{self.folder.parent.parent.name}/{self.folder.name}/{out.name}", self.recipe.evaluation
        answerer = answerer_of(self.recipe, lvlm, f"recovery of {self.stage}, {out.name}", known, None)
        with answerer.prepared():
            evaluate(answerer, self.tasks, out, evaluation.subset, evaluation.batch_size, share=share)

    def _train(self, lvlm: LVLM, group: Group) -> None:
        steps, of_stage = self.chosen.steps, self.recipe.stages[self.stage]
        probe = Stage(
            train=of_stage.train,
            mix=dict.fromkeys(self.chosen.on, 1.0),
            global_batch_size=of_stage.global_batch_size,
            steps=steps,
            warmup_fraction=0.0,
            min_lr_fraction=1.0,
            clip_norm=of_stage.clip_norm,
            checkpoint_every_steps=NEVER,
            chat=of_stage.chat,
        )
        name = f"{self.stage}-recovery"
        recipe = self.recipe.model_copy(update={"stages": {**self.recipe.stages, name: probe}})

        def ask(step: int, rank: int, ranks: int) -> list[dict]:
            self._ask(lvlm, self.places[2 if step else 1], Share(rank, ranks))
            return []

        lvlm.settle_attention(
            recipe.devices.attention, job_device(recipe, group.local_rank), recipe.devices.precision == "bf16"
        )
        lvlm.checkpoint_activations(recipe.devices.activation_checkpointing)
        run = StageRun(
            name=name,
            stage=probe,
            devices=recipe.devices,
            steps=steps,
            samples=steps * probe.global_batch_size,
            folder=self.folder,
            subset_every_steps=steps,
            ask_subset=ask,
            watch=_BothEnds(),
            seed=recipe.seed,
            agree=group.agree,
        )
        learns = make_learn(recipe, name, lvlm, group, self.folder / "resume")
        run_stage(run, lvlm, learns, stage_data(recipe, name, lvlm))

    def _thrice(self, task: Task) -> AskedThrice:
        found = [scores_of(task, place / task.file_name, self.recipe.evaluation.subset) for place in self.places]
        ids = [one for one in found[0] if one in found[1] and one in found[2]]
        if not ids:
            raise UserError(f"{self.folder}: no question of {task.name} was answered all three times. Remove it")
        return AskedThrice([found[0][one][0] for one in ids], *([of[one][1] for one in ids] for of in found))
