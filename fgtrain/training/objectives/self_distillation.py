"""Objective `self_distillation`: the model learns from itself, shown the right answer (arXiv 2601.19897).

The student draws an answer to the question; the teacher, the same model, is shown the right one before the question
(demonstrations.py). To be minimised is, at each token of the student's own answer, over the whole vocabulary,

    KL(student || teacher) = sum p_student (ln p_student - ln p_teacher)

as the mean over an answer's tokens, then over all answers of the step. The gradient is that of the divergence at the
answers as they were drawn (the paper's analytic per-token estimator). The teacher is the model that the stage starts
from, or follows the student: teacher += ema (student - teacher) after each optimizer step.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fgtrain.batch import Batch
from fgtrain.model import LVLM
from fgtrain.model.seen import Seen
from fgtrain.recipe.objective_schema import SelfDistillation as Settings

from .answers import per_sample_N
from .part import LossPart, Summed
from .rollout import Answers, Asked, Question, Sampler, asked_in, questions_of, with_answers

NO_LIMIT = 10**9  # of tokens
Shown = Callable[[str, Sequence[Question]], list[list[int]]]  # sample -> what its teacher is asked, up to the answer


class SelfDistillation(LossPart):
    """`teacher`: the model as the stage starts from it, with parameters of its own where the stage changes them. It
    reads all that it is shown, which may be longer than `max_tokens`.

    Shown beside the loss: the answers' `length` in tokens, and how often the likeliest first token is the right
    answer's, by the `student` and by the `teacher`: only what the latter knows is learnt.
    """

    name = "self_distillation"
    figures = ("length", "student", "teacher")

    def __init__(self, settings: Settings, shown: Shown, seed: int, stage: str, teacher: LVLM) -> None:
        self.settings, self.shown, self.teacher = settings, shown, teacher.eval()
        self.sampler = Sampler(seed, stage, settings.group, settings.temperature, settings.max_new_tokens)
        self.follows: dict[str, tuple[Tensor, Tensor]] = {}  # name -> the teacher's values and the student's
        self.stored: dict[str, Tensor] = {}  # the teacher's, of an earlier start
        self.teacher_SD: Tensor | None = None  # last hidden states at the answers of the micro-batch under way
        self.lengths: list[int] = []  # of these answers
        self.first: list[int] = []  # of the right answer to each, its first token

    def begin(self, trainer: Any, module: Any) -> None:
        if not self.settings.ema:
            return
        own = dict(self.teacher.named_parameters())
        learns = {name: value.detach() for name, value in module.lvlm.named_parameters() if value.requires_grad}
        self.follows = {name: (own[name].data, value) for name, value in learns.items()}
        for name, value in self.stored.items():
            own[name].data.copy_(value)

    def total(self, batch: Batch) -> float:
        return float(self.settings.group * questions_of(batch))

    def prepared(self, lvlm: Any, batch: Batch, address: tuple) -> Batch:
        self.teacher_SD, self.lengths, self.first = None, [], []
        if not batch.samples:
            return batch
        rows = asked_in(batch)
        asked = [one for row in rows for one in row]
        batch, drawn = self.sampler.drawn(lvlm, batch, asked)
        answers = {one.name: found for one, found in zip(asked, drawn, strict=True)}
        self.lengths = [len(ids) for found in drawn for group in found for ids in group]
        self.first = [
            question.gold_ids[0] for one in asked for question in one.questions for _ in range(self.settings.group)
        ]
        with torch.no_grad():
            told = _answered(batch, [[self._told(one) for one in row] for row in rows], answers, NO_LIMIT)
            self.teacher_SD = self.teacher.learn_from(told, lambda seen: seen.hidden_SD)
        return _answered(batch, rows, answers, lvlm.max_tokens)

    def _told(self, asked: Asked) -> Asked:
        """As the teacher is asked it."""
        shown = zip(asked.questions, self.shown(asked.name, asked.questions), strict=True)
        return replace(asked, questions=[replace(question, ids=ids) for question, ids in shown])

    def of(self, seen: Seen) -> Summed:
        device = seen.hidden_SD.device
        teacher_SD = (
            seen.hidden_SD.new_zeros(0, seen.hidden_SD.shape[1]) if self.teacher_SD is None else self.teacher_SD
        )
        length_A = torch.tensor(self.lengths, dtype=torch.int64, device=device)
        right_S = torch.full_like(seen.targets_S, -1)
        right_S[length_A.cumsum(0) - length_A] = torch.tensor(self.first, dtype=torch.int64, device=device)

        def divergence(logits_SV: Tensor, targets_S: Tensor, teacher_SD: Tensor, right_S: Tensor) -> Tensor:
            with torch.no_grad():
                teacher_SV = self.teacher.lm_head(teacher_SD).float()
                agree = [(one.argmax(dim=-1) == right_S).float() for one in (logits_SV, teacher_SV)]
            return torch.stack([OwnDivergence.apply(logits_SV, teacher_SV), *agree], dim=-1)

        found_S3 = seen.of_logits(divergence, teacher_SD, right_S)
        share_S = (1 / length_A.float()).repeat_interleave(length_A)
        loss_S = found_S3[:, 0] * share_S
        _, student, teacher = found_S3.detach().sum(dim=0)
        figures = {"length": length_A.sum(), "student": student, "teacher": teacher}
        of_samples_N = (per_sample_N(seen, loss_S.detach()), per_sample_N(seen, share_S))
        return Summed(loss_S.sum(), of_samples_N, figures)

    @torch.no_grad()
    def step_ended(self, ranks: int) -> None:
        for teacher, student in self.follows.values():
            teacher.lerp_(student, self.settings.ema)

    def state_dict(self) -> dict[str, Any]:
        """The teacher, where it follows."""
        return {"teacher": {name: teacher for name, (teacher, _) in self.follows.items()}} if self.follows else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.stored = state.get("teacher", {})


def _answered(batch: Batch, rows: Sequence[Sequence[Asked]], answers: Mapping[str, Answers], max_tokens: int) -> Batch:
    return with_answers(batch, [[one.sample(answers[one.name], max_tokens) for one in row] for row in rows])


class OwnDivergence(torch.autograd.Function):
    """KL(now || teacher) of each row of logits; the teacher gets no gradient.

    By hand, as in keep.py: the gradient p (ln p - ln q - KL) is 0 to the bit where both are the same.
    """

    @staticmethod
    def forward(context: Any, now_SV: Tensor, teacher_SV: Tensor) -> Tensor:
        log_now_SV = now_SV.log_softmax(dim=-1)
        now_SV, apart_SV = log_now_SV.exp(), log_now_SV - teacher_SV.log_softmax(dim=-1)
        apart_S = (now_SV * apart_SV).sum(dim=-1)
        context.save_for_backward(now_SV * (apart_SV - apart_S[:, None]))
        return apart_S

    @staticmethod
    def backward(context: Any, gradient_S: Tensor) -> tuple[Tensor, None]:
        (slope_SV,) = context.saved_tensors
        return gradient_S[:, None] * slope_SV, None
