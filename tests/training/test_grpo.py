"""Reward stage: the loss is GRPO's formula, answers hang on their address alone, an image is read once a group."""

import copy
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from launching import launch
from model_fakes import gradients
from safetensors.torch import load_file
from stage_fakes import BASE, Case, batch_of, letters_reward, rows, run_case, tiny_lvlm, weights

from fgtrain.batch import Batch
from fgtrain.model import LVLM, set_trainable
from fgtrain.recipe.objective_schema import GrpoSettings
from fgtrain.training.objectives.grpo import Grpo, advantages
from fgtrain.training.objectives.keep import frozen_start
from fgtrain.training.objectives.rollout import asked_in
from fgtrain.training.trainer import StageInterruptedError

SMALL = {"group": 3, "max_new_tokens": 4, "kl": 0.3}
TRAIN = {part: {"lr": lr} for part, lr in BASE.items()}


def learning(parts: Path, **settings: object) -> tuple[LVLM, Grpo]:
    lvlm, chosen = tiny_lvlm(parts), GrpoSettings(**(SMALL | settings))
    stage = Case(parts).stage()
    reference = frozen_start(lvlm, stage.train) if chosen.kl else None
    set_trainable(lvlm, stage.train)
    return lvlm.train(), Grpo(chosen, letters_reward, 1, "reward", reference)


def one_by_one(lvlm: LVLM, batch: Batch, grpo: Grpo, temperature: float) -> list[list[torch.Tensor]]:
    """Of each sample and answer the ln p of its tokens, in fp64, by a pass of transformers' own over it alone."""
    found, image = [], 0
    for asked in (one for row in asked_in(batch) for one in row):
        pixels_NCHW = batch.pixels_NCHW[image : image + 1].double() if any(asked.is_image) else None
        image += any(asked.is_image)
        of_sample = []
        for question, group in zip(asked.questions, grpo.drawn[asked.name].answers, strict=True):
            for answer in group:
                ids = torch.tensor([asked.prefix_ids + question.ids + answer])
                image_mask = torch.zeros(ids.shape, dtype=torch.bool)
                image_mask[0, : len(asked.is_image)] = torch.tensor(asked.is_image)
                logits = lvlm.hf(input_ids=ids, pixel_values=pixels_NCHW, image_mask=image_mask).logits[0]
                chosen = (logits / temperature).log_softmax(-1)[-len(answer) - 1 : -1]
                of_sample.append(chosen.gather(1, torch.tensor(answer)[:, None])[:, 0])
        found.append(of_sample)
    return found


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_loss_and_gradient_are_those_of_the_formula_answer_by_answer(parts: Path, temperature: float):
    """At the first update, and at one after the weights have moved, where ratios are clipped."""
    lvlm, grpo = learning(parts, temperature=temperature, updates_per_rollout=3)
    reference, clip = copy.deepcopy(grpo.reference).double(), grpo.settings.clip
    batch, old, clipped = batch_of(Case(parts), 0, range(4)), None, 0.0
    for update in range(2):
        summed = lvlm.learn_from(grpo.prepared(lvlm, batch, ()), grpo.of)
        loss = summed.sum / grpo.total(batch)
        loss.backward()
        got = gradients(lvlm)
        plain = copy.deepcopy(lvlm).double()
        grpo.drawn = dict(zip(batch.samples, grpo.now, strict=True))
        now = one_by_one(plain, batch, grpo, temperature)
        old = old or [[one.detach() for one in group] for group in now]
        with torch.no_grad():
            start = one_by_one(reference, batch, grpo, temperature)
        terms = []
        for s, drawn in enumerate(grpo.now):
            mean = [sum(group) / 3 for group in drawn.rewards for _ in group]
            spread = [
                (sum((r - sum(group) / 3) ** 2 for r in group) / 2) ** 0.5 for group in drawn.rewards for _ in group
            ]
            for a, reward in enumerate(r for group in drawn.rewards for r in group):
                advantage = (reward - mean[a]) / (spread[a] + 1e-4)
                ratio = (now[s][a] - old[s][a]).exp()
                away = start[s][a] - now[s][a]
                kl = away.exp() - away - 1
                gain = torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
                terms.append((-gain + 0.3 * kl).mean())
        wanted = torch.stack(terms).mean()
        wanted.backward()
        assert len(terms) == grpo.total(batch)
        assert loss.item() == pytest.approx(wanted.item(), rel=1e-4, abs=1e-6)
        for name, gradient in gradients(plain).items():
            torch.testing.assert_close(got[name].double(), gradient, rtol=1e-3, atol=1e-5, msg=name)
        clipped = summed.figures["clipped"].item()
        assert (clipped > 0) == (update == 1)
        with torch.no_grad():
            for parameter in lvlm.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))


def test_each_image_and_each_prefix_is_read_once_for_all_that_is_drawn(parts: Path, monkeypatch):
    lvlm, grpo = learning(parts, group=6)
    encoded, read = [], []
    encode, prefixes = LVLM.encode_images, "fgtrain.model.generation.Generator._read_prefixes"
    monkeypatch.setattr(LVLM, "encode_images", lambda s, p, shapes=None: encoded.append(len(p)) or encode(s, p, shapes))
    from fgtrain.model.generation import Generator

    plain = Generator._read_prefixes
    monkeypatch.setattr(
        prefixes, lambda self, prompts, images: read.append(len(prompts)) or plain(self, prompts, images)
    )
    batch = batch_of(Case(parts), 0, range(4))
    learnt = grpo.prepared(lvlm, batch, ())
    lvlm.learn_from(learnt, grpo.of)
    assert sum(encoded) == len(batch.pixels_NCHW) == 2
    assert sum(read) == len(batch.samples) == 4
    # Behind each prefix all answers to all questions: what is learnt from holds it once.
    assert learnt.is_image_BT.sum() == batch.is_image_BT.sum()


def test_equal_rewards_have_no_gradient_and_kl_0_holds_no_reference(parts: Path):
    lvlm, grpo = learning(parts, kl=0)
    assert grpo.reference is None
    assert "kl" not in grpo.figures
    grpo.reward = lambda *texts: 0.1
    summed = lvlm.learn_from(grpo.prepared(lvlm, batch_of(Case(parts), 0, range(4)), ()), grpo.of)
    summed.sum.backward()
    assert all(not gradient.any() for gradient in gradients(lvlm).values())
    assert summed.figures["silent_groups"] == grpo.total(batch_of(Case(parts), 0, range(4)))
    assert advantages(torch.tensor([[0.1, 0.1, 0.1], [0.0, 1.0, 0.5]])).tolist()[0] == [0, 0, 0]


def answers_of(lvlm: LVLM, grpo: Grpo, *batches: Batch) -> dict[str, list]:
    found = {}
    for batch in batches:
        grpo.prepared(lvlm, batch, ())
        found |= {name: one.answers for name, one in grpo.drawn.items()}
    return found


def test_an_answer_hangs_on_its_address_alone(parts: Path):
    """Not on what else is drawn; another seed, stage or pass draws others; the coldest are the greedy ones."""
    case = Case(parts)
    whole = answers_of(*learning(parts), batch_of(case, 0, range(4)))
    assert answers_of(*learning(parts), *(batch_of(case, 0, range(n, n + 1)) for n in range(4))) == whole
    assert len({tuple(ids) for group in whole["drawn/0/0"] for ids in group}) > 1
    lvlm, grpo = learning(parts)
    again = replace(batch_of(case, 0, range(1)), samples=["drawn/1/0"])
    assert answers_of(lvlm, grpo, again)["drawn/1/0"] != whole["drawn/0/0"]
    lvlm, grpo = learning(parts, temperature=1e-4)
    for groups in answers_of(lvlm, grpo, batch_of(case, 0, range(4))).values():
        assert all(group[0] == ids for group in groups for ids in group)


SHOWN = {
    "grpo": ("reward", "length", "silent_groups", "clipped", "kl"),
    "self_distillation": ("length", "student", "teacher"),
}


def test_the_step_does_not_depend_on_how_it_is_dealt(parts: Path):
    """One micro-batch a step, four, and two ranks; with answers that serve two updates, so that ratios matter, and with
    a teacher that follows its student."""
    known, ranks = {}, []
    for name, given in (
        ("grpo", {"grpo": SMALL | {"updates_per_rollout": 2}, "steps": 4}),
        ("self_distillation", {"distil": {"group": 2, "max_new_tokens": 4, "ema": 0.3}}),
    ):
        whole, apart = (Case(parts, name, per_device=share, **given) for share in (8, 2))
        expected, shown = weights(run_case(whole)), rows(whole)
        (whole.out / "metrics.jsonl").unlink()
        found = weights(run_case(apart))
        for one, other in zip(shown, rows(apart), strict=True):
            assert one["terms"] == pytest.approx(other["terms"], rel=1e-3, abs=1e-5)
        assert shown[0]["terms"].keys() == {f"{name}/{figure}" for figure in SHOWN[name]}
        assert_close(found, expected)
        known[name] = expected, shown
        (whole.out / "metrics.jsonl").unlink()
        save = f"{parts}/{name}.safetensors"
        ranks.append(Case(parts, name, strategy="ddp", per_device=2, devices=2, save=save, **given))
    _, shown = known["grpo"]
    assert shown[0]["terms"]["grpo/reward"] == shown[1]["terms"]["grpo/reward"]
    assert shown[1]["terms"]["grpo/kl"] > 0 == shown[0]["terms"]["grpo/kl"]
    launch(ranks)
    for case in ranks:
        assert_close(load_file(case.save), known[case.name][0])


def assert_close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_resumed_in_the_middle_of_a_rollout_is_uninterrupted_to_the_bit(parts: Path):
    given = {"grpo": SMALL | {"updates_per_rollout": 3}, "steps": 4}
    expected = weights(run_case(Case(parts, "cut", **given)))
    (parts / "cut" / "metrics.jsonl").unlink()
    with pytest.raises(StageInterruptedError):
        run_case(Case(parts, "cut", signal_at=1, signal=int(signal.SIGUSR1), **given))
    found = weights(run_case(Case(parts, "cut", **given)))
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_what_was_cast_while_drawing_does_not_stop_gradients_in_bf16(parts: Path):
    plain = weights(tiny_lvlm(parts))
    wide, narrow = (Case(parts, f"in_{p}", steps=1, precision=p, grpo=SMALL, clip=None) for p in ("fp32", "bf16"))
    moved, narrow_moved = weights(run_case(wide)), weights(run_case(narrow))
    assert {n for n in plain if not torch.equal(plain[n], moved[n])} == {
        n for n in plain if not torch.equal(plain[n], narrow_moved[n])
    }
