"""A micro-batch's questions, the answers drawn to them, and the micro-batch that the model learns from then."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data_builders.shared.seeding import draw
from evaluation.asking.answerers.language import Sampling
from fgtrain.batch import IGNORE_INDEX, Batch, Prompt
from fgtrain.data.packing import in_rows
from fgtrain.data.sample import Branch, Sample, assemble
from fgtrain.errors import UserError
from fgtrain.model.generation import sampled_answers

Answers = list[list[list[int]]]  # question, member of its group, token: the end token too, where the answer came to it


def check_rows(stage: str, data: Mapping[str, Iterable[dict]], objective: str) -> None:
    """UserError where a row is plain text or a dialogue: an answer is drawn to a question that stands alone."""
    for name, rows in data.items():
        for row in rows:
            turns = row["conversations"]
            if len(turns) < 2 or (len(turns) > 2 and row.get("turns") != "independent"):
                what = "plain text" if len(turns) < 2 else f"a dialogue of {len(turns)} turns"
                instead = "mark its rows turns: independent"
                if "chosen" in row:
                    what, instead = "a pair of a chosen and a rejected answer", "write objective: dpo"
                raise UserError(
                    f"stages.{stage}.mix.{name}: row {row['id']!r} is {what}, but objective {objective} draws answers "
                    f"to single questions. Leave the data set out, or {instead}"
                )


@dataclass(frozen=True)
class Question:
    """One question of a row. `ids`: its tokens up to the answer; `gold_ids`: the row's answer, with its end."""

    ids: list[int]
    gold_ids: list[int]


@dataclass(frozen=True)
class Asked:
    """One sample of a micro-batch. `positions`: of its prefix, [tokens] or [axes, tokens]."""

    name: str
    data_set: str
    prefix_ids: list[int]
    is_image: list[bool]
    positions: np.ndarray
    questions: list[Question]

    def sample(self, answers: Answers, max_tokens: int) -> Sample:
        """Prefix, then each question with each of its answers, side by side."""
        branches = [
            Branch(question.ids + ids, [False] * len(question.ids) + [True] * len(ids))
            for question, group in zip(self.questions, answers, strict=True)
            for ids in group
        ]
        given = {"max_tokens": max_tokens, "positions": self.positions, "name": self.name}
        return assemble(self.prefix_ids, self.is_image, branches, **given)


def questions_of(batch: Batch) -> int:
    """How many questions a micro-batch asks."""
    rows_S, places_S = (batch.targets_BT != IGNORE_INDEX).nonzero(as_tuple=True)
    of_S = torch.stack([rows_S, batch.sample_id_BT[rows_S, places_S], batch.branch_id_BT[rows_S, places_S]])
    return of_S.unique(dim=1).shape[1]


def asked_in(batch: Batch) -> list[list[Asked]]:
    """The samples of each row. ValueError where an answer has no question of its own before it."""
    names = iter(zip(batch.samples, batch.data_sets, strict=True))
    arrays = (batch.token_ids_BT, batch.targets_BT, batch.sample_id_BT, batch.branch_id_BT, batch.is_image_BT)
    rows = zip(*(one.cpu().numpy() for one in arrays), strict=True)
    positions = batch.position_ids_BT.cpu().numpy()
    return [list(_of_row(*row, positions[..., b, :], names)) for b, row in enumerate(rows)]


def _of_row(
    ids: np.ndarray,
    targets: np.ndarray,
    sample_id: np.ndarray,
    branch_id: np.ndarray,
    is_image: np.ndarray,
    positions: np.ndarray,
    names: Iterator[tuple[str, str]],
) -> Iterator[Asked]:
    for number in range(1, int(sample_id.max()) + 1):
        name, data_set = next(names)
        mine = sample_id == number
        prefix = np.flatnonzero(mine & (branch_id == 0))
        questions = []
        for branch in range(1, int(branch_id[mine].max()) + 1):
            places = np.flatnonzero(mine & (branch_id == branch))
            learnt = places[targets[places] != IGNORE_INDEX]
            if not len(learnt) or (len(prefix) and targets[prefix[-1]] != IGNORE_INDEX):
                raise ValueError(f"{name}: an answer without a question before it")
            asked = places[places <= learnt[0]]
            questions.append(Question(ids[asked].tolist(), targets[learnt].tolist()))
        yield Asked(name, data_set, ids[prefix].tolist(), is_image[prefix].tolist(), positions[..., prefix], questions)


@dataclass(frozen=True)
class Sampler:
    """Draws answers: each a function of the model and of (seed, stage, sample, question, member of its group)."""

    seed: int
    stage: str
    group: int
    temperature: float
    max_new_tokens: int

    @torch.no_grad()
    def drawn(self, lvlm: Any, batch: Batch, asked: Sequence[Asked]) -> tuple[Batch, list[Answers]]:
        """(the batch, with the encoder's outputs where they serve what follows as well; each sample's answers)."""
        was_training = lvlm.training
        lvlm.eval()
        features_NPF = batch.features_NPF
        if features_NPF is None and batch.pixels_NCHW is not None:
            features_NPF = lvlm.encode_images(batch.pixels_NCHW, batch.shapes_IK)
        tokens = None if features_NPF is None else lvlm.image_tokens(features_NPF.float(), batch.shapes_IK)
        lvlm.train(was_training)
        answers = self.answers(lvlm, asked, tokens)
        # Under autocast, casts of weights are kept for the pass that learns, and those made here have no gradient.
        torch.clear_autocast_cache()
        if features_NPF is None or "vision_encoder" in lvlm.learning:
            return batch, answers
        return replace(batch, pixels_NCHW=None, features_NPF=features_NPF), answers

    @torch.no_grad()
    def answers(self, lvlm: Any, asked: Sequence[Asked], tokens_D: Tensor | None) -> list[Answers]:
        """Of each sample. `tokens_D`: the image tokens of all of them, in order. The model is in eval mode meanwhile.

        Each prefix is read once for all that is drawn behind it.
        """
        sizes = [sum(one.is_image) for one in asked]
        images = [None] * len(asked) if tokens_D is None else list(tokens_D.split(sizes))
        prompts = [self._prompt(one, lvlm.max_tokens) for one in asked]
        samplings = [self._samplings(one, prompt) for one, prompt in zip(asked, prompts, strict=True)]
        tokens = [found if size else None for found, size in zip(images, sizes, strict=True)]
        was_training = lvlm.training
        lvlm.eval()
        replies = sampled_answers(lvlm, prompts, tokens, samplings)
        lvlm.train(was_training)
        ids = [[reply.tokens + ([reply.end] if reply.finished else []) for reply in found] for found in replies]
        return [[found[i : i + self.group] for i in range(0, len(found), self.group)] for found in ids]

    def _prompt(self, asked: Asked, max_tokens: int) -> Prompt:
        branches = [question.ids for question in asked.questions for _ in range(self.group)]
        room = [max_tokens - len(asked.prefix_ids) - len(ids) for ids in branches]
        axes = asked.positions.tolist() if asked.positions.ndim > 1 else None
        limits = [min(self.max_new_tokens, one) for one in room]
        return Prompt(asked.prefix_ids, asked.is_image, branches, limits, axes)

    def _samplings(self, asked: Asked, prompt: Prompt) -> list[Sampling]:
        found = []
        for place, limit in enumerate(prompt.max_new_tokens):
            question, member = divmod(place, self.group)
            drawn = draw(self.seed, self.stage, "answer", asked.name, question, member).random(limit)
            found.append(Sampling(self.temperature, drawn.tolist()))
        return found


def with_answers(batch: Batch, rows: Sequence[Sequence[Sample]]) -> Batch:
    """The micro-batch with other texts behind the same images. `rows`: its samples, row by row."""
    made = in_rows(rows).to(batch.token_ids_BT.device)
    same = ("pixels_NCHW", "shapes_IK", "features_NPF", "samples", "data_sets", "step_totals", "fault")
    return replace(made, **{name: getattr(batch, name) for name in same})
