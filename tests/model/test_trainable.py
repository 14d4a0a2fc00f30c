"""What the recipe lists learns, at its own rate; nothing else moves."""

from pathlib import Path

import pytest
import torch
from model_fakes import (
    drawn_module,
    logits_of,
    model_values,
    packed,
    some_samples,
    write_language_model,
    write_preprocessor,
)
from torch import Tensor
from transformers import MobileViTConfig, MobileViTModel

from fgtrain.errors import UserError
from fgtrain.model import LVLM, build_model, merge_adapters, set_trainable
from fgtrain.model.small_conv import SmallConvConfig, SmallConvModel
from fgtrain.recipe.model_schema import Lora, TrainPart

PARTS = ["vision_encoder", "projector", "language_model"]


@pytest.fixture(scope="module")
def restless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts that would not keep still by themselves: BatchNorm in the encoder, dropout in the language model."""
    folder = tmp_path_factory.mktemp("restless")
    config = SmallConvConfig(stem_width=8, width=6, num_blocks=1)
    drawn_module(SmallConvModel, config).save_pretrained(folder / "vision")
    write_preprocessor(folder / "vision", 64)
    write_language_model(folder / "language", attention_dropout=0.5)
    return folder


@pytest.fixture
def conv_lvlm(restless: Path) -> LVLM:
    values = model_values(restless / "vision", restless / "language", image_size=64)
    return build_model(values, network=False, seed=5)


def state(lvlm: LVLM) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in lvlm.state_dict().items()}


def part_of(name: str) -> str:
    return name.split(".")[1]


def images(size: int) -> Tensor:
    return torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(1))


def step(lvlm: LVLM, groups: list[dict], with_images: bool = True) -> None:
    """One optimizer step, with weight decay."""
    samples = [d.sample() for d in some_samples() if with_images or not any(d.is_image)]
    optimizer = torch.optim.AdamW(groups, lr=123.0, weight_decay=0.1)
    lvlm.train()
    lvlm.token_losses_S(packed(samples, 200, images(lvlm.image_spec.size))).mean().backward()
    optimizer.step()


@pytest.mark.parametrize("learns", [["projector"], ["vision_encoder"], ["language_model"], PARTS])
def test_only_the_listed_parts_move(conv_lvlm: LVLM, learns: list[str]):
    before = state(conv_lvlm)
    groups = set_trainable(conv_lvlm, {part: TrainPart(lr=1e-3) for part in reversed(learns)})
    assert [group["part"] for group in groups] == learns
    step(conv_lvlm, groups)
    for name, parameter in conv_lvlm.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad == (part_of(name) in learns), name
    moved = {name for name, tensor in conv_lvlm.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {part_of(name) for name in moved} == set(learns)
    # BatchNorm's running statistics are part of a frozen encoder's state as well.
    assert any("running_mean" in name for name in moved) == ("vision_encoder" in learns)


def test_every_part_learns_at_its_own_rate(lvlm: LVLM):
    rates = {"vision_encoder": 2e-6, "projector": 1e-3, "language_model": 2e-5}
    groups = set_trainable(lvlm, {part: TrainPart(lr=rate) for part, rate in rates.items()})
    assert {group["part"]: group["lr"] for group in groups} == rates
    listed = [id(parameter) for group in groups for parameter in group["params"]]
    assert len(listed) == len(set(listed))
    assert set(listed) == {id(parameter) for parameter in lvlm.parameters() if parameter.requires_grad}
    for group in groups:
        inside = {id(parameter) for parameter in lvlm.parts[group["part"]].parameters()}
        assert {id(parameter) for parameter in group["params"]} <= inside
    set_trainable(lvlm, {"projector": TrainPart(lr=1.0)})  # the next stage
    assert {part_of(name) for name, parameter in lvlm.named_parameters() if parameter.requires_grad} == {"projector"}


def test_frozen_parts_stay_in_eval_mode(conv_lvlm: LVLM):
    set_trainable(conv_lvlm, {"projector": TrainPart(lr=1e-3)})
    batch = packed([d.sample() for d in some_samples()], 200, images(64))
    conv_lvlm.eval()
    expected_S = conv_lvlm.token_losses_S(batch)
    conv_lvlm.train()
    assert conv_lvlm.training
    assert torch.equal(conv_lvlm.token_losses_S(batch), expected_S)
    set_trainable(conv_lvlm, {"language_model": TrainPart(lr=1e-3)})
    assert not torch.equal(conv_lvlm.token_losses_S(batch), expected_S), "a part that learns has its dropout"


def test_a_batch_without_image_leaves_statistics_alone(conv_lvlm: LVLM):
    groups = set_trainable(conv_lvlm, {"vision_encoder": TrainPart(lr=1e-9)})
    before = state(conv_lvlm)
    step(conv_lvlm, groups, with_images=False)
    after = conv_lvlm.state_dict()
    for name in after:
        if "running" in name or "tracked" in name:
            assert torch.equal(after[name], before[name]), name
    assert all(m.training for m in conv_lvlm.parts["vision_encoder"].modules()), "it goes on learning afterwards"


@pytest.mark.parametrize("layer", [-1, -2, 1])
@pytest.mark.parametrize("lora", [None, Lora(rank=2)])
def test_all_that_learns_gets_a_gradient(vision: Path, language: Path, layer: int, lora: Lora | None):
    lvlm = build_model(model_values(vision, language, vision_layer=layer), network=False, seed=5)
    groups = set_trainable(lvlm, {part: TrainPart(lr=1e-3, lora=lora) for part in PARTS})
    used = {
        int(name.split("layers.")[1].split(".")[0])
        for name, parameter in lvlm.parts["vision_encoder"].named_parameters()
        if parameter.requires_grad and "layers." in name
    }
    assert len(used) == {-1: 3, -2: 2, 1: 1}[layer]
    lvlm.train()
    lvlm.token_losses_S(packed([d.sample() for d in some_samples()], 200)).sum().backward()
    for group in groups:
        assert group["params"]
        assert all(parameter.grad is not None for parameter in group["params"])


@pytest.mark.parametrize("part", PARTS)
def test_adapters_learn_alone_and_fold_into_the_weights(lvlm: LVLM, part: str):
    before, fresh_logits = state(lvlm), logits_of(lvlm)
    groups = set_trainable(lvlm, {part: TrainPart(lr=0.01, lora=Lora(rank=2, alpha=8.0))}, seed=1)
    assert all("lora_" in name for name, p in lvlm.named_parameters() if p.requires_grad)
    torch.testing.assert_close(logits_of(lvlm), fresh_logits, rtol=0, atol=1e-6)  # fresh adapters change nothing
    frozen = {name: p.detach().clone() for name, p in lvlm.named_parameters() if not p.requires_grad}
    for _ in range(3):
        step(lvlm, groups)
    assert all(torch.equal(p, frozen[name]) for name, p in lvlm.named_parameters() if name in frozen)
    lvlm.eval()
    learnt_logits = logits_of(lvlm)
    assert float((learnt_logits - fresh_logits).abs().max()) > 1e-2
    merge_adapters(lvlm)
    torch.testing.assert_close(logits_of(lvlm), learnt_logits, rtol=0, atol=1e-4)
    merged = lvlm.state_dict()
    assert merged.keys() == before.keys()
    moved = {name for name in merged if not torch.equal(merged[name], before[name])}
    assert {part_of(name) for name in moved} == {part}
    assert not any("lm_head" in name or "embed_tokens" in name for name in moved)
    assert not any(parameter.requires_grad for parameter in lvlm.parameters())


def test_adapters_leave_the_statistics_of_what_they_stand_on(tmp_path: Path, language: Path):
    sizes = {"hidden_sizes": [8, 8, 8], "neck_hidden_sizes": [4, 4, 8, 8, 8, 8, 16]}
    drawn_module(MobileViTModel, MobileViTConfig(**sizes, num_attention_heads=2)).save_pretrained(tmp_path)
    write_preprocessor(tmp_path, 64)
    lvlm = build_model(model_values(tmp_path, language, image_size=64, image_tokens=1), network=False, seed=5)
    before = state(lvlm)
    groups = set_trainable(lvlm, {"vision_encoder": TrainPart(lr=0.01, lora=Lora(rank=2))})
    lvlm.train()
    lvlm.token_losses_S(packed([d.sample() for d in some_samples() if not any(d.is_image)], 200))
    lvlm.encode_images(images(64)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in groups[0]["params"])
    merge_adapters(lvlm)
    after = lvlm.state_dict()
    assert any("running_mean" in name for name in after)
    assert all(torch.equal(after[name], before[name]) for name in after)


def test_the_next_stage_starts_from_what_the_adapters_learnt(lvlm: LVLM):
    groups = set_trainable(lvlm, {"language_model": TrainPart(lr=0.01, lora=Lora(rank=2))})
    step(lvlm, groups)
    lvlm.eval()
    learnt_logits = logits_of(lvlm)
    groups = set_trainable(lvlm, {"language_model": TrainPart(lr=0.01, lora=Lora(rank=3))})
    torch.testing.assert_close(logits_of(lvlm), learnt_logits, rtol=0, atol=1e-4)
    assert {parameter.shape[0] for parameter in groups[0]["params"] if parameter.shape[1] == 32} == {3}
    set_trainable(lvlm, {"projector": TrainPart(lr=0.01)})
    assert not any("lora_" in name for name, _ in lvlm.named_parameters())


def test_fresh_adapters_follow_from_the_seed(vision: Path, language: Path):
    def first(seed: int) -> Tensor:
        lvlm = build_model(model_values(vision, language), network=False, seed=5)
        torch.rand(seed)  # what was drawn before has no say
        lora = Lora(rank=2, targets=("q_proj", "layers.1.mlp.up_proj"))
        params = set_trainable(lvlm, {"language_model": TrainPart(lr=1.0, lora=lora)}, seed=seed)[0]["params"]
        assert len(params) == 2 * 3
        return params[0].detach()

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_what_cannot_learn_is_named(lvlm: LVLM, conv_lvlm: LVLM):
    wrong = Lora(targets=("q_proj", "query"))
    for model, train, words in (
        (lvlm, {"tower": TrainPart(lr=1.0)}, ["'tower'", "vision_encoder, projector, language_model"]),
        (
            lvlm,
            {"language_model": TrainPart(lr=1.0, lora=wrong)},
            ["train.language_model.lora.targets", "'query'", "q_proj"],
        ),
        (conv_lvlm, {"vision_encoder": TrainPart(lr=1.0, lora=Lora())}, ["train.vision_encoder.lora", "without lora"]),
    ):
        with pytest.raises(UserError) as caught:
            set_trainable(model, train)
        for word in words:
            assert word in str(caught.value)
