"""Preferences: the loss is the published one, however its pairs are packed and dealt, against numbers found once."""

import copy
import json
import math
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from launching import figures_of, launch
from model_fakes import drawn_sample, gradients, packed, pixels
from safetensors.numpy import load
from safetensors.torch import load_file
from stage_fakes import Case, run_case, tiny_lvlm, weights

from data_builders.shared.sealed import unsealed
from fgtrain.errors import UserError
from fgtrain.model import LVLM, set_trainable
from fgtrain.recipe.objective_schema import Preference
from fgtrain.training.objectives.dpo import Dpo, answers_N2
from fgtrain.training.objectives.reference import Reference
from fgtrain.training.trainer import StageInterruptedError

VARIANTS = {
    "sigmoid": {"beta": 0.3},
    "smoothed": {"beta": 0.3, "label_smoothing": 0.2},
    "hinge": {"beta": 0.02, "variant": "hinge"},
    "ipo": {"beta": 0.5, "variant": "ipo"},
    "sft": {"beta": 0.3, "sft_weight": 0.7},
    "ipo+sft": {"beta": 0.5, "variant": "ipo", "sft_weight": 0.7},
}


def moved(lvlm: LVLM) -> LVLM:
    """Another model near it: that which the first is compared with."""
    other = copy.deepcopy(lvlm)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in other.hf.parameters():
            value.add_(0.02 * torch.randn(value.shape, generator=generator))
    return other


class Plain:
    """Pairs of three samples, each answer a row of its own, read in fp64 by transformers' own forward pass."""

    def __init__(self, lvlm: LVLM) -> None:
        rng = np.random.default_rng(3)
        shapes = [([(3, 5), (3, 2)], 1), ([(6, 1), (2, 7)], 0), ([(4, 4), (4, 6)], 1)]
        self.drawn = [drawn_sample(rng, asked, images, f"set/0/{n}") for n, (asked, images) in enumerate(shapes)]
        self.pictures = pixels(2)
        self.batch = packed([one.sample() for one in self.drawn], 200, self.pictures)
        self.batch.data_sets = ["set"] * 3
        self.order = [int(name.rsplit("/", 1)[1]) for name in self.batch.samples]
        self.lvlm = lvlm

    def answers(self, lvlm: LVLM) -> tuple[torch.Tensor, torch.Tensor]:
        """(log-probabilities [N, 2], tokens [N, 2]), in the order of the batch."""
        found = {}
        for number, drawn in enumerate(self.drawn):
            picture = self.pictures[[0, 0, 1][number]][None] if any(drawn.is_image) else None
            for branch, sample in enumerate(drawn.one_by_one()):
                ids = torch.from_numpy(sample.token_ids).long()[None]
                mask = torch.from_numpy(sample.is_image)[None]
                pixel = None if picture is None else picture.double()
                logits = lvlm.hf(input_ids=ids, pixel_values=pixel, image_mask=mask).logits[0]
                learnt = torch.tensor(drawn.branches[branch].learnt).nonzero()[:, 0] + len(drawn.prefix_ids)
                each = logits[learnt - 1].log_softmax(-1).gather(1, ids[0, learnt, None])
                found[number, branch] = each.sum(), len(learnt)
        sums = torch.stack([torch.stack([found[n, b][0] for b in (0, 1)]) for n in self.order])
        return sums, torch.tensor([[found[n, b][1] for b in (0, 1)] for n in self.order], dtype=torch.float64)


def published(now_N2: torch.Tensor, before_N2: torch.Tensor, tokens_N2: torch.Tensor, how: Preference) -> torch.Tensor:
    """The mean loss, as the papers write it."""
    each = -now_N2[:, 0] / tokens_N2[:, 0]
    if how.variant == "ipo":
        now_N2, before_N2 = now_N2 / tokens_N2, before_N2 / tokens_N2
    ahead = (now_N2 - before_N2) @ torch.tensor([1.0, -1.0], dtype=now_N2.dtype)
    loss = {
        "sigmoid": -(1 - how.label_smoothing) * torch.log(torch.sigmoid(how.beta * ahead))
        - how.label_smoothing * torch.log(1 - torch.sigmoid(how.beta * ahead)),
        "ipo": (ahead - 0.5 / how.beta) ** 2,
        "hinge": F.relu(1 - how.beta * ahead),
    }[how.variant]
    return (loss + how.sft_weight * each).mean()


def known(batch, before_N2: torch.Tensor) -> Reference:
    found = Reference("stage", Path("nowhere"), None, answers_N2)
    found._known = dict(zip([f"set/{name.rsplit('/', 1)[1]}" for name in batch.samples], before_N2, strict=True))
    return found


def test_gradients_are_those_of_the_published_loss(parts: Path):
    lvlm = tiny_lvlm(parts)
    set_trainable(lvlm, Case(parts).stage().train)
    double = copy.deepcopy(lvlm).double()
    plain = Plain(lvlm)
    before_N2 = plain.answers(moved(lvlm).double())[0].detach()
    reference = known(plain.batch, before_N2)
    for name, options in VARIANTS.items():
        how = Preference(**options)
        expected = published(plain.answers(double)[0], before_N2, plain.answers(double)[1], how)
        expected.backward()
        wanted = gradients(double)
        summed = lvlm.learn_from(plain.batch, Dpo(how, reference).of)
        (summed.sum / 3).backward()
        assert summed.sum.item() / 3 == pytest.approx(expected.item(), rel=1e-5), name
        found = gradients(lvlm)
        assert found.keys() == wanted.keys()
        for one, value in wanted.items():
            torch.testing.assert_close(found[one].double(), value, rtol=2e-4, atol=2e-6, msg=f"{name} {one}")


@pytest.mark.parametrize("options", [VARIANTS[name] for name in ("sigmoid", "hinge", "ipo+sft")])
def test_a_stage_begins_where_nothing_is_preferred(parts: Path, options: dict):
    case = Case(parts, f"begins-{'-'.join(map(str, options.values()))}", dpo=options, steps=1)
    run_case(case)
    (row,) = figures_of(case)
    how = Preference(**options)
    start = {"sigmoid": math.log(2), "hinge": 1.0, "ipo": 0.25 / how.beta**2}[how.variant]
    added = row["loss"] - start
    assert (added == pytest.approx(0, abs=1e-5)) == (how.sft_weight == 0)
    assert row["terms"]["dpo/margin"] == pytest.approx(0, abs=1e-5)
    assert row["loss_by_data_set"] == {"drawn": pytest.approx(row["loss"])}
    assert row["terms"]["dpo/chosen"] < 0


def test_a_step_does_not_depend_on_how_its_pairs_are_dealt(parts: Path):
    """One micro-batch, four, and two ranks under two strategies, that each ask a part of the pairs."""
    how = {"dpo": {"beta": 0.3, "sft_weight": 0.1}}
    whole, apart = Case(parts, "whole", per_device=8, **how), Case(parts, "apart", per_device=2, **how)
    expected = weights(run_case(whole))
    cases = [
        Case(parts, one, strategy=one, per_device=2, devices=2, save=f"{parts}/{one}.safetensors", **how)
        for one in ("ddp", "fsdp")
    ]
    launch(cases)
    found = {"apart": weights(run_case(apart))} | {case.name: load_file(case.save) for case in cases}
    for who, theirs in found.items():
        for name, value in expected.items():
            torch.testing.assert_close(theirs[name], value, rtol=1e-5, atol=5e-5, msg=f"{who} {name}")
    for case in (apart, *cases):
        for one, other in zip(figures_of(whole), figures_of(case), strict=True):
            assert one["terms"] == pytest.approx(other["terms"], rel=1e-3, abs=1e-4), case.name


def kept_of(case: Case) -> dict[str, list[float]]:
    found = load(unsealed((Path(case.folder) / f"{case.name}-reference.safetensors").read_bytes()))
    return dict(zip(json.loads(found["rows"].tobytes()), found["log_probabilities"].tolist(), strict=True))


def test_what_is_kept_is_what_the_start_says_and_a_stage_resumes_with_it(parts: Path):
    straight, stopped = (Case(parts, name, dpo={"beta": 0.3}) for name in ("straight", "stopped"))
    expected = weights(run_case(straight))
    with pytest.raises(StageInterruptedError):
        run_case(replace(stopped, signal_at=1, signal=int(signal.SIGUSR1)))
    kept = kept_of(stopped)
    assert kept == kept_of(straight)
    assert len(kept) == straight.steps * straight.global_batch
    path = parts / "stopped-reference.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    with pytest.raises(UserError, match=r"stopped-reference\.safetensors.* is gone or broken\. Delete .*resume folder"):
        run_case(stopped)
    path.write_bytes(content)
    found = weights(run_case(stopped))
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    again = Case(parts, "again", dpo={"beta": 0.3})
    (parts / "again-reference.safetensors").write_bytes(content)  # of the same rows and start, by another run
    other = weights(run_case(again))
    assert all(torch.equal(other[name], value) for name, value in expected.items())
