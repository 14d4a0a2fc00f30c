"""Adapters made for learning without forgetting: at first the model is as it was, they hold what the plan counted, a
start that knows what they began with has the same to the bit, and what is kept of them is what was learnt."""

from collections.abc import Callable
from pathlib import Path

import peft
import pytest
import torch
from family_fakes import write_pictures
from model_fakes import packed, some_samples
from test_alone import CASES
from torch import Tensor
from transformers import AutoModelForImageTextToText

from fgtrain.errors import UserError
from fgtrain.model import (
    LVLM,
    Base,
    fully_trained,
    load_checkpoint,
    merge_adapters,
    read_adapter,
    save_checkpoint,
    set_trainable,
    starts,
    weights_hash,
)
from fgtrain.model.adapter_layers import adapters
from fgtrain.model.intruders import reduce_intruders
from fgtrain.model.trainable import choose
from fgtrain.recipe.model_schema import InitOn, Lora, Osf, TrainPart

TARGETS = ("q_proj", "down_proj")
KINDS: dict[str, dict] = {
    "lora": {"lora": Lora(rank=2)},
    "orthogonal": {"lora": Lora(rank=2, init="orthogonal")},
    "mica": {"lora": Lora(rank=3, alpha=6.0, init="mica")},
    "olora": {"lora": Lora(rank=2, init="olora")},
    "pissa": {"lora": Lora(rank=2, alpha=8.0, init="pissa", targets=TARGETS)},
    "corda": {"lora": Lora(rank=2, init="corda", init_on=InitOn(data="old"))},
    "osf": {"osf": Osf(keep=0.9, targets=TARGETS)},
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = write_pictures(tmp_path_factory.mktemp("kinds"))
    save_checkpoint(CASES["CLIP"](place), place / "base", {})
    return place / "base"


def train_of(kind: str, **values: object) -> dict[str, TrainPart]:
    return {"language_model": TrainPart(lr=1.0, **KINDS[kind], **values)}


def looking(lvlm: LVLM) -> dict[str, Callable[[], None]]:
    def look() -> None:
        for sample in some_samples():
            if not any(sample.is_image):
                batch = packed([sample.sample()], 200)
                lvlm.hidden_BTD(lvlm.embed(batch), batch)

    return {"language_model": look}


def logits(lvlm: LVLM) -> Tensor:
    batch = packed([s.sample() for s in some_samples() if not any(s.is_image)], 200)
    with torch.no_grad():
        return lvlm.lm_head(lvlm.hidden_BTD(lvlm.embed(batch), batch))


def train_a_little(lvlm: LVLM) -> None:
    """As if the stage had been trained."""
    torch.manual_seed(4)
    with torch.no_grad():
        for parameter in lvlm.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)


def whole_state(lvlm: LVLM) -> dict[str, Tensor]:
    return {**dict(lvlm.named_parameters()), **dict(lvlm.named_buffers())}


@pytest.mark.parametrize("kind", KINDS)
def test_it_begins_as_the_model_was_and_ends_as_it_is_kept(base: Path, tmp_path: Path, kind: str):
    lvlm = load_checkpoint(base)
    known, before, train = Base(str(base), weights_hash(lvlm)), logits(lvlm), train_of(kind)
    own = sum(tensor.numel() for tensor in whole_state(lvlm).values())
    choice = choose(lvlm, train)["language_model"]
    groups = set_trainable(lvlm, train, seed=3, look=looking(lvlm))
    torch.testing.assert_close(logits(lvlm), before, rtol=1e-4, atol=1e-4)

    assert choice.count == sum(p.numel() for group in groups for p in group["params"])
    assert choice.added == sum(tensor.numel() for tensor in whole_state(lvlm).values()) - own

    again = load_checkpoint(base)
    set_trainable(again, train, seed=3, known=starts(lvlm))
    same = whole_state(again)
    assert all(torch.equal(tensor, same[name]) for name, tensor in whole_state(lvlm).items())

    full = fully_trained(lvlm)
    assert full == []
    train_a_little(lvlm)
    adapter = read_adapter(lvlm, known, full)
    learnt = logits(lvlm)
    assert (learnt - before).abs().max() > 0.1
    merge_adapters(lvlm)
    torch.testing.assert_close(logits(lvlm), learnt, rtol=1e-4, atol=1e-4)

    save_checkpoint(lvlm, tmp_path / "merged", {}, adapter)
    inputs = {"input_ids": torch.tensor([[1, *[3] * 16, 20, 21, 22]]), "pixel_values": torch.randn(1, 3, 32, 32)}
    model = AutoModelForImageTextToText.from_pretrained(base).eval()
    with torch.no_grad():
        merged = AutoModelForImageTextToText.from_pretrained(tmp_path / "merged").eval()(**inputs).logits
        found = peft.PeftModel.from_pretrained(model, tmp_path / "merged" / "adapter").eval()(**inputs).logits
    torch.testing.assert_close(found, merged, rtol=1e-3, atol=1e-3)


def test_a_subspace_learns_orthogonally_to_what_is_kept(base: Path):
    lvlm = load_checkpoint(base)
    groups = set_trainable(lvlm, train_of("osf"))
    name, layer = adapters(lvlm.hf)[0]
    weight = layer.get_base_layer().weight.detach().clone()
    left_OK, _, right_KI = torch.linalg.svd(weight)
    kept = int(0.9 * min(weight.shape))
    optimizer = torch.optim.SGD([{"params": group["params"]} for group in groups], lr=1.0)
    batch = packed([s.sample() for s in some_samples() if not any(s.is_image)], 200)
    lvlm.train()
    for _ in range(3):
        optimizer.zero_grad()
        lvlm.token_losses_S(batch).mean().backward()
        optimizer.step()
    merge_adapters(lvlm)
    change = lvlm.hf.get_submodule(name).weight.detach() - weight
    assert change.norm() > 0.01
    assert (left_OK[:, :kept].T @ change).norm() < 1e-4 * change.norm()
    assert (change @ right_KI[:kept].T).norm() < 1e-4 * change.norm()


def test_of_an_intruder_is_left_what_the_recipe_says(base: Path):
    def changes(share: float | None) -> tuple[Tensor, Tensor, dict[str, int]]:
        """A matrix before, and how a trained adapter changes it."""
        lvlm = load_checkpoint(base)
        train = {"language_model": TrainPart(lr=1.0, lora=Lora(rank=2, targets=TARGETS, intruders=share))}
        set_trainable(lvlm, train, seed=3)
        name, layer = adapters(lvlm.hf)[0]
        weight = layer.get_base_layer().weight.detach().clone()
        torch.manual_seed(1)
        with torch.no_grad():
            for _, one in adapters(lvlm.hf):  # one direction that the weight has not, larger than all that it has
                one.lora_B["default"].weight[:, 0] = torch.randn(one.out_features)
                one.lora_A["default"].weight[0] = 5 * torch.randn(one.in_features)
        found = reduce_intruders(lvlm, train)
        assert layer.active_adapters == ["default"]
        merge_adapters(lvlm)
        return weight, lvlm.hf.get_submodule(name).weight.detach() - weight, found

    weight, plain, nothing = changes(None)
    assert nothing == {}
    _, all_left, found = changes(1.0)
    assert found["language_model"] > 0
    assert torch.equal(all_left, plain)
    _, half, _ = changes(0.5)
    u, s, v = torch.linalg.svd(weight + plain)
    intruder = s[0] * torch.outer(u[:, 0], v[0])
    assert (half - (plain - 0.5 * intruder)).norm() < 0.1 * (half - plain).norm()


REFUSED = {
    "no such direction": ({"lora": Lora(rank=10_000, init="mica")}, r"lora.rank is 10000, but .* has \d+ singular"),
    "nothing is kept": ({"osf": Osf(keep=0.001)}, r"osf.keep is 0.001, of .* less than one. Write 0.0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_a_layer_is_refused_before_training(base: Path, case: str):
    values, told = REFUSED[case]
    with pytest.raises(UserError, match=told):
        choose(load_checkpoint(base), {"language_model": TrainPart(lr=1.0, **values)})
