"""Held near to a checkpoint: exactly the KL of two dense models, 0 at the start, and nothing held twice in vain."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from stage_fakes import Case, batch_of, run_case, tiny_lvlm

from fgtrain.batch import IGNORE_INDEX, Batch
from fgtrain.model import LVLM, set_trainable
from fgtrain.model import seen as seen_file
from fgtrain.recipe.model_schema import Lora, TrainPart
from fgtrain.training.objectives.keep import EYES, Keep, frozen_start

LORA = {"language_model": TrainPart(lr=1e-2, lora=Lora(rank=2, alpha=4))}
PISSA = {"language_model": TrainPart(lr=1e-2, lora=Lora(rank=2, alpha=4, init="pissa"))}
TEXT = {"language_model": TrainPart(lr=1e-2)}
ALL = {**TEXT, "projector": TrainPart(lr=1e-2), "vision_encoder": TrainPart(lr=1e-2)}


def two_sets(parts: Path) -> Batch:
    batch = batch_of(Case(parts, weighting="sqrt"), 0, range(6))
    batch.data_sets = ["old", "new"] * 3
    return batch


def dense(now: LVLM, before: LVLM, batch: Batch, names: list[str]) -> torch.Tensor:
    """The weighted sum of KL(before || now), from both models' whole logits."""
    logits = [one.lm_head(one.hidden_BTD(one.embed(batch), batch)).float() for one in (now, before)]
    divergence_BT = F.kl_div(*(one.log_softmax(-1) for one in logits), reduction="none", log_target=True).sum(-1)
    total, place = torch.zeros(()), 0
    for row, numbers_T in enumerate(batch.sample_id_BT):
        for number in range(1, int(numbers_T.max()) + 1):
            chosen_T = (numbers_T == number) & (batch.targets_BT[row] != IGNORE_INDEX)
            if batch.data_sets[place] in names:
                total = total + (divergence_BT[row] * batch.weights_BT[row])[chosen_T].sum()
            place += 1
    return total


@pytest.mark.parametrize("train", [LORA, PISSA, TEXT, ALL], ids=["lora", "pissa", "text", "all"])
@pytest.mark.parametrize("on", [None, ("old",)], ids=["all-rows", "old-rows"])
def test_it_is_the_kl_of_two_dense_models(parts: Path, train: dict, on: tuple | None, monkeypatch):
    lvlm, batch = tiny_lvlm(parts), two_sets(parts)
    keep = Keep(frozen_start(lvlm, train), on, same_eyes=EYES.isdisjoint(train))
    learns = [value for group in set_trainable(lvlm, train) for value in group["params"]]
    lvlm.train()

    def gradients(loss: torch.Tensor) -> list[torch.Tensor]:
        return torch.autograd.grad(loss, learns, allow_unused=True, materialize_grads=True)

    at_start = lvlm.learn_from(batch, keep.of).sum
    if train is PISSA:  # the weights come together again but for rounding
        assert at_start < 1e-6
    else:
        assert at_start == 0
        assert not any(gradient.any() for gradient in gradients(at_start))

    with torch.no_grad():
        for value in learns:
            value += 0.05 * torch.randn(value.shape, generator=torch.Generator().manual_seed(value.numel()))
    before = tiny_lvlm(parts)
    wanted = dense(lvlm, before, batch, ["old", "new"] if on is None else ["old"])
    monkeypatch.setattr(seen_file, "LOGITS_AT_ONCE", 7 * lvlm.lm_head.out_features)  # in several pieces
    found = lvlm.learn_from(batch, keep.of).sum
    assert found.item() == pytest.approx(wanted.item(), rel=1e-4)
    assert found > 0.1
    for one, other in zip(gradients(found), gradients(wanted), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
    weights = batch.weights_BT.sum() if on is None else None
    assert weights is None or keep.total(batch) == pytest.approx(weights.item())
    assert not any(value.requires_grad or value.grad is not None for value in before.parameters())

    own = {id(value) for value in lvlm.parameters()}
    twice = [name for name, value in keep.reference.named_parameters() if id(value) not in own]
    copied = {"language_model"} if train in (TEXT, PISSA) else set(ALL) if train is ALL else set()
    held = {part for part in ALL for name, _ in keep.reference.part_parameters(part) if name in twice}
    assert held == copied


def test_what_is_kept_moves_less(parts: Path):
    def moved(**values: object) -> float:
        case = Case(parts, steps=6, **values)
        now = dict(run_case(case).named_parameters())
        before = dict(tiny_lvlm(parts).named_parameters())
        return sum((now[name] - value).square().sum().item() for name, value in before.items())

    assert moved(name="held", keep=100.0) < 0.9 * moved(name="free")
