"""A tiny model, drawn samples, and stages over them under any strategy."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "model"))

from model_fakes import (
    drawn_sample,
    gradients,
    model_values,
    packed,
    pixels,
    write_language_model,
    write_vision_encoder,
)

from fgtrain.batch import Batch
from fgtrain.data.datamodule import MicroBatchLoader
from fgtrain.data.dataset import Share
from fgtrain.model import LVLM, build_model, set_trainable
from fgtrain.model.seen import Seen
from fgtrain.recipe.devices_schema import Devices
from fgtrain.recipe.objective_schema import Preference
from fgtrain.recipe.stage_schema import Stage
from fgtrain.training.objectives import LossPart, StageLoss, Summed
from fgtrain.training.objectives.dpo import Dpo, answers_N2
from fgtrain.training.objectives.grpo import Grpo
from fgtrain.training.objectives.keep import Keep, frozen_start
from fgtrain.training.objectives.patch_align import PatchAlign
from fgtrain.training.objectives.reference import Reference
from fgtrain.training.objectives.rollout import Question
from fgtrain.training.objectives.self_distillation import SelfDistillation
from fgtrain.training.objectives.supcon import SupCon
from fgtrain.training.strategy import weights_device
from fgtrain.training.subset import Verdict
from fgtrain.training.trainer import StageRun, run_stage

PACK = 96
BASE = {"projector": 1.0e-2, "language_model": 1.0e-2}


@dataclass
class Case:
    """One stage: `folder` holds the parts of the model and, under `name`, what comes out."""

    folder: Path | str
    name: str = "stage"
    strategy: str = "auto"
    devices: int = 1
    per_device: int = 4
    global_batch: int = 8
    steps: int = 3
    train: dict[str, Any] = field(default_factory=lambda: dict(BASE))
    clip: float | None = 0.5
    precision: str = "fp32"
    offload: str | None = None
    weighting: str = "token"
    images: str = "even"  # which samples of a step have one: even, all, none
    every: int = 100  # steps between resume points
    ema: Any = None
    signal_at: int | None = None  # rank 0 signals itself at the end of this step
    signal: int = 15
    logits_at_once: int | None = None
    poison: list[int] | None = None  # [step, rank] whose pictures are no numbers
    save: str | None = None  # where the learnt model's tensors go
    lean: bool = False  # ranks take the weights that `weights_device` gives them
    sums: bool = False  # notes how far a step's gradient is from the fp32 sum of what its micro-batches gave
    added: dict[str, float] = field(default_factory=dict)  # of ADDED, what is added to the objective, and its weight
    grpo: dict[str, Any] | None = None  # the objective's section, which takes the place of answers
    distil: dict[str, Any] | None = None  # the section self_distillation, which takes the place of answers
    watches: int | None = None  # a watch keeps what has learnt by this step, and ends the stage there
    keep: float = 0.0  # weight of what holds the stage near to its start
    dpo: dict[str, Any] | None = None  # samples are pairs, learnt by objective dpo with these options
    asks: bool = False  # all ranks read a text after each step, through the model as it is then

    @property
    def out(self) -> Path:
        return Path(self.folder) / self.name

    def stage(self) -> Stage:
        return Stage(
            train=self.train,
            mix={"drawn": 1},
            global_batch_size=self.global_batch,
            warmup_fraction=0.4,
            weight_decay=0.1,
            clip_norm=self.clip,
            loss_weighting=self.weighting,
            objective="grpo"
            if self.grpo is not None
            else "self_distillation"
            if self.distil is not None
            else "answers",
            grpo=self.grpo,
            self_distillation=self.distil,
            checkpoint_every_steps=self.every,
            ema=self.ema,
        )

    def device(self) -> torch.device:
        rank = int(os.environ.get("RANK", 0))
        return weights_device(self.devices_section(), rank, rank) if self.lean else torch.device("cpu")

    def devices_section(self) -> Devices:
        return Devices(
            count=self.devices,
            accelerator="cpu",
            strategy=self.strategy,
            precision=self.precision,
            offload=self.offload,
            per_device_batch_size=self.per_device,
        )


class Spread(LossPart):
    """Squares of the image tokens' values, over images: what is added has a total of its own."""

    name = "spread"
    figures = ("tokens",)

    def total(self, batch: Batch) -> float:
        return 0.0 if batch.pixels_NCHW is None else float(len(batch.pixels_NCHW))

    def of(self, seen: Seen) -> Summed:
        tokens = seen.image_tokens_D
        if tokens is None:
            nothing = 0.0 * seen.hidden_SD.float().sum()
            return Summed(nothing, figures={"tokens": nothing})
        count = torch.tensor(float(len(tokens)))
        return Summed(tokens.float().square().mean(dim=1).sum(), figures={"tokens": count})


class Counted(LossPart):
    """Adds nothing, and counts its calls: a part with a state."""

    name = "counted"

    def __init__(self) -> None:
        self.calls = 0

    def total(self, batch: Batch) -> float:
        return 1.0

    def of(self, seen: Seen) -> Summed:
        self.calls += 1
        return Summed(self.calls * seen.hidden_SD.float().square().sum())

    def state_dict(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.calls = state["calls"]


# Two categories; every third place of a step has none.
CATEGORIES = {("drawn", str(place)): place % 3 for place in range(24) if place % 3 < 2}
ADDED: dict[str, Callable[[], LossPart]] = {
    "spread": Spread,
    "counted": Counted,
    "supcon": lambda: SupCon(CATEGORIES),
    "patch_align": PatchAlign,
}


def letters_reward(question: str, gold: str, answer: str) -> float:
    """0, 0.5 or 1, by the letters."""
    return sum(map(ord, answer)) % 3 / 2


def shown_letters(name: str, questions: Sequence[Question]) -> list[list[int]]:
    """What a teacher is asked: each question, behind the right answer to it and to the one before."""
    before = [questions[number - 1].gold_ids for number in range(len(questions))]
    return [one.gold_ids + other + one.ids for one, other in zip(questions, before, strict=True)]


def loss_of(case: Case, lvlm: LVLM) -> StageLoss:
    """Of the model before `set_trainable`."""
    stage = case.stage()
    added = tuple((weight, ADDED[name]()) for name, weight in case.added.items())
    if case.keep:
        added += ((case.keep, Keep(frozen_start(lvlm, stage.train))),)
    if case.dpo is not None:
        return StageLoss(dpo_of(case), added)
    if case.distil is not None:
        teacher = frozen_start(lvlm, stage.train)
        return StageLoss(SelfDistillation(stage.rollouts, shown_letters, 1, case.name, teacher), added)
    if case.grpo is None:
        return StageLoss(added=added)
    reference = frozen_start(lvlm, stage.train) if stage.rollouts.kl else None
    return StageLoss(Grpo(stage.rollouts, letters_reward, 1, case.name, reference), added)


def reading(case: Case, lvlm: LVLM) -> Callable[[int, int, int], list[dict]]:
    """Each rank notes what it makes of a text and a picture."""

    def ask(step: int, rank: int, ranks: int) -> list[dict]:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=case.precision == "bf16"):
            losses_S = lvlm.token_losses_S(batch_of(case, 0, range(4)))
        path = case.out / f"read{rank}.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, str(step): losses_S.tolist()}))
        return []

    return ask


def write_parts(folder: Path) -> None:
    write_vision_encoder(folder / "vision")
    write_language_model(folder / "language")


def tiny_lvlm(folder: Path, device: torch.device | str = "cpu") -> LVLM:
    return build_model(model_values(folder / "vision", folder / "language"), network=False, seed=5, device=device)


def batch_of(case: Case, step: int, places: range) -> Batch:
    """Samples of a step by their places, packed; each sample, and its picture, depends on its place alone."""
    samples, images = [], []
    for place in places:
        rng = np.random.default_rng((step, place))
        has = {"even": place % 2 == 0, "all": True, "none": False}[case.images]
        asked = [(3, int(n)) for n in rng.integers(1, 9, size=1 + place % 2 if case.dpo is None else 2)]
        name = f"drawn/{step}/{place}" if case.dpo is None else f"drawn/0/{step}-{place}"
        samples.append(drawn_sample(rng, asked, int(has), name).sample())
        if has:
            images.append(pixels(1, seed=1000 * step + place))
    from fgtrain.data.packing import pack

    drawn = torch.cat(images) if images else None
    return pack(samples, PACK, case.weighting, pixels_NCHW=drawn, data_sets=["drawn"] * len(samples))


@dataclass
class DrawnBatches:
    case: Case
    share: Share

    def __len__(self) -> int:
        return self.case.steps * self.share.accumulation

    def __getitem__(self, number: int) -> Batch:
        step, turn = divmod(number, self.share.accumulation)
        step //= 1 if self.case.grpo is None else self.case.stage().rollouts.updates_per_rollout
        world = self.share.world_size
        places = range(turn * world + self.share.rank, self.case.global_batch, self.share.accumulation * world)
        batch = batch_of(self.case, step, places)
        if self.case.poison == [step, self.share.rank] and turn == 0:
            batch.pixels_NCHW[:] = float("nan")
        return batch


class DrawnData(LightningDataModule):
    features = None

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.case, self.steps_done = case, 0

    def train_dataloader(self) -> MicroBatchLoader:
        rank, world = self.trainer.global_rank, self.trainer.world_size
        accumulation = self.case.global_batch // (self.case.per_device * world)
        share = Share(self.case.global_batch, accumulation, rank, world)
        return MicroBatchLoader(DrawnBatches(self.case, share), self.steps_done * accumulation, 0, self.totals)

    def state_dict(self) -> dict[str, Any]:
        return {"steps_done": self.trainer.global_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.steps_done = state_dict["steps_done"]


class Signals:
    """In the place of W&B: signals this process when a step's figures come."""

    def __init__(self, at: int, number: int) -> None:
        self.at, self.number, self.seen = at, number, 0

    def __call__(self, rows: list[dict]) -> None:
        if [row["step"] for row in rows] == [self.at]:
            os.kill(os.getpid(), self.number)


class StopAt:
    """A watch that has made up its mind."""

    keeps_best = False

    def __init__(self, case: Case) -> None:
        self.case, self.begun = case, []

    def begin(self, step: int) -> None:
        self.begun.append(step)

    def verdict(self, step: int) -> Verdict:
        here = step == self.case.watches
        return Verdict({"kind": "watch", "step": step}, best=here, stop="enough" if here else None)

    def keep(self, step: int, learnt: dict[str, torch.Tensor]) -> None:
        save_file(learnt, self.case.out / "kept.safetensors")


def dpo_of(case: Case) -> Dpo:
    """What its pairs are to the model at the start is kept in the case's folder."""

    def share(rank: int, ranks: int) -> Iterator[Batch]:
        return (batch_of(case, step, range(rank, case.global_batch, ranks)) for step in range(case.steps))

    path = Path(case.folder) / f"{case.name}-reference.safetensors"
    return Dpo(Preference(**case.dpo), Reference(case.name, path, share, answers_N2, case.precision == "bf16"))


def run_case(case: Case, lvlm: LVLM | None = None, ask: Callable[[int, int, int], list[dict]] | None = None) -> LVLM:
    """The model after the stage. StageInterruptedError where the case says so. `ask` is called after each step."""
    lvlm = tiny_lvlm(Path(case.folder), case.device()) if lvlm is None else lvlm
    stage = case.stage()
    ask = reading(case, lvlm) if case.asks else ask
    watch = StopAt(case) if case.watches else None
    if watch is not None and ask is None:
        ask = lambda step, rank, ranks: []  # noqa: E731
    job = StageRun(
        name=case.name,
        stage=stage,
        devices=case.devices_section(),
        steps=case.steps,
        samples=case.steps * case.global_batch,
        folder=case.out,
        also_log=Signals(case.signal_at, case.signal) if case.signal_at else None,
        seed=1,
        loss=loss_of(case, lvlm),
        subset_every_steps=1 if ask else None,
        ask_subset=ask,
        watch=watch,
    )
    run_stage(job, lvlm, set_trainable(lvlm, stage.train), DrawnData(case))
    return lvlm


def weights(lvlm: LVLM) -> dict[str, torch.Tensor]:
    """Every parameter as it is now, by its name."""
    return {name: value.detach().clone() for name, value in lvlm.named_parameters()}


def rows(case: Case) -> list[dict]:
    """What the stage has written of its steps."""
    return [json.loads(line) for line in (case.out / "metrics.jsonl").read_text().splitlines()]


__all__ = [
    "Case",
    "asdict",
    "batch_of",
    "gradients",
    "packed",
    "rows",
    "run_case",
    "tiny_lvlm",
    "weights",
    "write_parts",
]
