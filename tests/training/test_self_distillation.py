"""Self-distillation: the loss is the paper's divergence, and a teacher that is shown no more teaches nothing."""

import copy
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from stage_fakes import Case, batch_of, gradients, run_case, shown_letters, tiny_lvlm, weights

from fgtrain.model import LVLM, set_trainable
from fgtrain.recipe.objective_schema import SelfDistillation as Settings
from fgtrain.training.objectives.keep import frozen_start
from fgtrain.training.objectives.rollout import Asked, asked_in
from fgtrain.training.objectives.self_distillation import SelfDistillation
from fgtrain.training.trainer import StageInterruptedError

SMALL = {"group": 2, "max_new_tokens": 4}


def learning(parts: Path, shown: object = shown_letters, **settings: object) -> tuple[LVLM, SelfDistillation]:
    lvlm, stage = tiny_lvlm(parts), Case(parts).stage()
    teacher = frozen_start(lvlm, stage.train)
    set_trainable(lvlm, stage.train)
    return lvlm.train(), SelfDistillation(Settings(**(SMALL | settings)), shown, 1, "distil", teacher)


def log_p(model: LVLM, asked: Asked, ids: list[int], answer: list[int], pixels_NCHW: torch.Tensor) -> torch.Tensor:
    """Of each token of an answer, the logarithms of all probabilities, by a pass of transformers' own over it alone."""
    row = torch.tensor([asked.prefix_ids + ids + answer])
    mask = torch.zeros(row.shape, dtype=torch.bool)
    mask[0, : len(asked.is_image)] = torch.tensor(asked.is_image)
    logits = model.hf(input_ids=row, pixel_values=pixels_NCHW, image_mask=mask).logits[0]
    return logits.log_softmax(-1)[-len(answer) - 1 : -1]


def test_loss_and_gradient_are_the_divergence_from_what_the_teacher_says_when_shown_more(parts: Path):
    """Answer by answer, in fp64; at the temperature 1, whatever the one at which answers are drawn."""
    lvlm, part = learning(parts, temperature=0.7)
    with torch.no_grad():
        for value in lvlm.parameters():
            if value.requires_grad:
                value.add_(0.02 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
    plain, teacher = copy.deepcopy(lvlm).double(), copy.deepcopy(part.teacher).double()
    batch = batch_of(Case(parts), 0, range(4))
    learnt = part.prepared(lvlm, batch, ())
    summed = lvlm.learn_from(learnt, part.of)
    loss = summed.sum / part.total(batch)
    loss.backward()
    got = gradients(lvlm)
    terms, hits, image = [], torch.zeros(2), 0
    for asked, answered in zip(_flat(asked_in(batch)), _flat(asked_in(learnt)), strict=True):
        pixels_NCHW = batch.pixels_NCHW[image : image + 1].double() if any(asked.is_image) else None
        image += any(asked.is_image)
        for number, branch in enumerate(answered.questions):
            question, shown = asked.questions[number // 2], shown_letters(asked.name, asked.questions)[number // 2]
            with torch.no_grad():
                theirs = log_p(teacher, asked, shown, branch.gold_ids, pixels_NCHW)
            own = log_p(plain, asked, question.ids, branch.gold_ids, pixels_NCHW)
            terms.append((own.exp() * (own - theirs)).sum(dim=1).mean())
            hits += torch.tensor([one[0].argmax() == question.gold_ids[0] for one in (own, theirs)])
    wanted = torch.stack(terms).mean()
    wanted.backward()
    assert len(terms) == part.total(batch) > 4
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-4)
    for name, gradient in gradients(plain).items():
        torch.testing.assert_close(got[name].double(), gradient, rtol=1e-3, atol=1e-5, msg=name)
    assert [summed.figures[name].item() for name in ("student", "teacher")] == hits.tolist()


def test_a_teacher_that_sees_what_the_student_sees_teaches_nothing(parts: Path):
    lvlm, part = learning(parts, lambda name, questions: [one.ids for one in questions])
    summed = lvlm.learn_from(part.prepared(lvlm, batch_of(Case(parts), 0, range(4)), ()), part.of)
    summed.sum.backward()
    assert abs(summed.sum.item()) < 1e-5
    assert all(not gradient.any() for gradient in gradients(lvlm).values())


def test_resumed_is_uninterrupted_to_the_bit_with_a_teacher_that_follows(parts: Path):
    given = {"distil": SMALL | {"ema": 0.3}}
    expected = weights(run_case(Case(parts, "cut", **given)))
    (parts / "cut" / "metrics.jsonl").unlink()
    with pytest.raises(StageInterruptedError):
        run_case(Case(parts, "cut", signal_at=2, signal=int(signal.SIGUSR1), **given))
    found = weights(run_case(Case(parts, "cut", **given)))
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_teacher_follows_its_student_or_stays(parts: Path):
    for ema in (0.0, 0.3):
        lvlm, part = learning(parts, ema=ema)
        start = weights(part.teacher)
        part.begin(None, SimpleNamespace(lvlm=lvlm))
        learns = {name: value for name, value in lvlm.named_parameters() if value.requires_grad}
        with torch.no_grad():
            for value in learns.values():
                value.add_(1.0)
        part.step_ended(1)
        for name, value in weights(part.teacher).items():
            torch.testing.assert_close(value, start[name] + (ema if name in learns else 0.0))


def _flat(rows: list[list]) -> list:
    return [one for row in rows for one in row]
