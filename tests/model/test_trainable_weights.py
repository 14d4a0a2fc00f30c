"""A part narrowed by role or by layers: exactly that learns, and the plan has counted it without weights."""

import itertools
from pathlib import Path

import pytest
import torch
from model_fakes import VOCABULARY, clip_config, drawn_module, logits_of, model_values, packed, some_samples
from model_fakes import write_language_model as write_llama
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    MixtralConfig,
    Phi3Config,
    Qwen2Config,
)

from fgtrain.errors import UserError
from fgtrain.model import (
    LVLM,
    build_model,
    load_checkpoint,
    merge_adapters,
    model_facts,
    save_checkpoint,
    set_trainable,
)
from fgtrain.model.trainable_weights import has_role, narrowed
from fgtrain.recipe.model_schema import Lora, Model, TrainPart
from fgtrain.recipe.stage_schema import Stage

SMALL = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL |= {"num_key_value_heads": 2, "vocab_size": VOCABULARY, "pad_token_id": 0}
APART = {"q_proj", "k_proj", "v_proj", "o_proj"}
FAMILIES = {
    "llama": (LlamaConfig(**SMALL), APART, {"gate_proj", "up_proj"}),
    "qwen2": (Qwen2Config(**SMALL), APART, {"gate_proj", "up_proj"}),
    "phi3": (Phi3Config(**SMALL), {"qkv_proj", "o_proj"}, {"gate_up_proj"}),
    "gpt_neox": (GPTNeoXConfig(**SMALL), {"query_key_value", "dense"}, {"dense_h_to_4h"}),
    "gpt2": (GPT2Config(n_embd=16, n_layer=2, n_head=4, vocab_size=VOCABULARY), {"c_attn", "c_proj"}, {"c_fc"}),
    "mixtral": (MixtralConfig(**SMALL, num_local_experts=2), APART, {"gate_up_proj"}),
}


def words(name: str) -> list[str]:
    return name.removesuffix(".weight").removesuffix(".bias").split(".")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_role_is_the_same_projections_in_every_layer_of_every_family(family: str):
    config, attention, gate_up = FAMILIES[family]
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    names = [name for name, _ in model.named_parameters()]
    for role, expected in (("attention", attention), ("gate_up", gate_up)):
        found = narrowed("language_model", model, names, TrainPart(lr=1.0, only=role), "train.language_model")
        assert {words(name)[-1] for name in found} == expected
        layers = [{words(n)[-1] for n in found if str(layer) in words(n)} for layer in (0, 1)]
        assert layers == [expected, expected]
        # the MLP's second layer has the attention's output's name in GPT-2
        assert not any({"mlp", "experts"} & set(words(name)) for name in found) or role == "gate_up"
    assert not any(
        has_role(name, role) for name in names if "norm" in name or "embed" in name for role in ("attention",)
    )


HOW = [
    {"language_model": TrainPart(lr=1e-2, only="attention")},
    {"language_model": TrainPart(lr=1e-2, only="gate_up", layers="last 1"), "projector": TrainPart(lr=1e-2)},
    {"vision_encoder": TrainPart(lr=1e-2, layers="0-1"), "language_model": TrainPart(lr=1e-2, lora=Lora(rank=3))},
    {"vision_encoder": TrainPart(lr=1e-2, layers="first 1", lora=Lora(rank=2)), "projector": TrainPart(lr=1e-2)},
    {
        "vision_encoder": TrainPart(lr=1e-2),
        "projector": TrainPart(lr=1e-2, lora=Lora(rank=2)),
        "language_model": TrainPart(lr=1e-2, only="attention", lora=Lora(rank=2, targets=("q_proj", "v_proj"))),
    },
]


def released(folder: Path, language: Path) -> Model:
    """A tiny LLaVA, whose encoder's last layer has no say (vision_feature_layer -2)."""
    text = LlamaConfig(**SMALL)
    llava = LlavaConfig(vision_config=clip_config(), text_config=text, image_token_index=3)
    drawn_module(LlavaForConditionalGeneration, llava).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((language / name).read_bytes())
    (folder / "preprocessor_config.json").write_text(
        '{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": {"shortest_edge": 32}}'
    )
    return Model(checkpoint=str(folder), max_tokens=128)


@pytest.mark.parametrize("kind", ["composed", "released"])
def test_the_plan_counts_exactly_what_learns(kind: str, tmp_path: Path, vision: Path, language: Path):
    values = released(tmp_path, language) if kind == "released" else model_values(vision, language, vision_layer=-2)
    lvlm = build_model(values, network=False, seed=5)
    stages = {
        f"stage{i}": Stage(train=train, mix={"x": 1}, global_batch_size=1)
        for i, train in enumerate([*HOW, dict.fromkeys(lvlm.parts, TrainPart(lr=1.0))])
    }
    counted = model_facts(values, network=False, stages=stages).learning
    for name, stage in stages.items():
        groups = set_trainable(lvlm, stage.train)
        assert counted[name] == {g["part"]: sum(p.numel() for p in g["params"]) for g in groups}
        assert sum(counted[name].values()) == sum(p.numel() for p in lvlm.parameters() if p.requires_grad)


@pytest.mark.parametrize("number", range(len(HOW)))
def test_full_lora_narrowed_and_frozen_parts_mix_and_only_what_learns_is_saved_as_moved(
    number: int, lvlm: LVLM, tmp_path: Path
):
    train = HOW[number]
    before = {name: tensor.clone() for name, tensor in lvlm.state_dict().items()}
    groups = set_trainable(lvlm, train, seed=3)
    optimizer = torch.optim.AdamW(groups, weight_decay=0.1)
    lvlm.train()
    for _ in range(2):
        optimizer.zero_grad()
        lvlm.token_losses_S(packed([d.sample() for d in some_samples()], 200)).mean().backward()
        for group in groups:
            assert all(parameter.grad is not None for parameter in group["params"])
        optimizer.step()
    lvlm.eval()
    learnt = logits_of(lvlm)
    merge_adapters(lvlm)
    save_checkpoint(lvlm, tmp_path / "checkpoint", {})
    again = load_checkpoint(tmp_path / "checkpoint")
    torch.testing.assert_close(logits_of(again), learnt, rtol=0, atol=1e-4)
    after = again.state_dict()
    assert after.keys() == before.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    for part, how in train.items():
        inside = {name for name in moved if name.split(".")[1] == part}
        assert inside
        if how.only is not None:
            assert all(has_role(name, how.only) for name in inside)
        if how.layers == "last 1":
            assert {name.split("layers.")[1].split(".")[0] for name in inside} == {"1"}
        if how.layers == "0-1":
            assert {name.split("layers.")[1].split(".")[0] for name in inside} == {"0", "1"}
        if how.lora is not None and how.lora.targets:
            assert {words(name)[-1] for name in inside} == set(how.lora.targets)
    assert {name.split(".")[1] for name in moved} == set(train)


def test_an_adapter_is_drawn_the_same_whatever_else_is_adapted(vision: Path, language: Path):
    def first(how: dict, seed: int = 1) -> dict[str, torch.Tensor]:
        lvlm = build_model(model_values(vision, language), network=False, seed=5)
        set_trainable(
            lvlm, {part: TrainPart(lr=1.0, lora=Lora(rank=2), **more) for part, more in how.items()}, seed=seed
        )
        return {name: p.detach() for name, p in lvlm.named_parameters() if "lora_A" in name}

    few = first({"language_model": {"only": "attention", "layers": "last 1"}})
    many = first({"vision_encoder": {}, "language_model": {}})
    assert few
    assert all(torch.equal(tensor, many[name]) for name, tensor in few.items())
    other = first({"language_model": {}}, seed=2)
    assert not any(torch.equal(tensor, other[name]) for name, tensor in few.items())
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(few.values(), 2) if a.shape == b.shape)


def test_the_last_layers_are_those_that_are_used(vision: Path, language: Path):
    """With vision_layer -2 the encoder's third layer has no say: the last one is the second."""
    lvlm = build_model(model_values(vision, language, vision_layer=-2), network=False, seed=5)
    set_trainable(lvlm, {"vision_encoder": TrainPart(lr=1.0, layers="last 1")})
    learns = {name for name, p in lvlm.named_parameters() if p.requires_grad}
    assert {name.split("layers.")[1].split(".")[0] for name in learns} == {"1"}


def test_a_narrowing_that_matches_nothing_lists_what_is_there(lvlm: LVLM):
    for train, expected in (
        ({"projector": TrainPart(lr=1.0, only="attention")}, ["train.projector.only is attention", "It has: 0, 2"]),
        ({"vision_encoder": TrainPart(lr=1.0, layers="3")}, ["layers is '3'", "has 3 layers", "encoder.layers.2"]),
        ({"vision_encoder": TrainPart(lr=1.0, layers="last 9")}, ["layers is 'last 9'", "has 3 layers"]),
        ({"projector": TrainPart(lr=1.0, layers="first 1")}, ["train.projector.layers", "no layers of one kind"]),
        (
            {"language_model": TrainPart(lr=1.0, only="attention", lora=Lora(targets=("up_proj",)))},
            ["train.language_model.lora.targets", "'up_proj'", "k_proj, o_proj, q_proj, v_proj"],
        ),
    ):
        with pytest.raises(UserError) as caught:
            set_trainable(lvlm, train)
        for text in expected:
            assert text in str(caught.value)


def test_full_scale_shapes_are_counted_without_weights(tmp_path: Path):
    """InternLM2.5-7B's shapes: 32 layers of 4096, 8 of 32 heads for keys, 14336 in the MLP."""
    shapes = {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32}
    LlamaConfig(**shapes, num_key_value_heads=8, vocab_size=92544).save_pretrained(tmp_path)
    model = Model(vision_encoder="someone/far-away", projector="mlp2x_gelu", language_model=str(tmp_path))
    attention, gate_up = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024), 32 * 2 * 4096 * 14336
    for how, count in (
        ({"only": "attention"}, attention),
        ({"only": "gate_up"}, gate_up),
        ({"only": "gate_up", "lora": {"rank": 8}}, 32 * 2 * 8 * (4096 + 14336)),
    ):
        stage = Stage(train={"language_model": {"lr": 1.0, **how}}, mix={"x": 1}, global_batch_size=1)
        facts = model_facts(model, network=False, stages={"sft": stage})
        assert facts.learning == {"sft": {"language_model": count}}


def test_a_tied_head_does_not_learn_with_a_narrowed_decoder(tmp_path: Path, vision: Path):
    write_llama(tmp_path, tie_word_embeddings=True)
    lvlm = build_model(model_values(vision, tmp_path), network=False, seed=5)
    set_trainable(lvlm, {"language_model": TrainPart(lr=1.0, only="gate_up")})
    assert not lvlm.lm_head.weight.requires_grad
