"""A composed model that transformers has a class for is that class, and computes what its parts compute."""

from pathlib import Path

import pytest
import torch
from model_fakes import (
    IMAGE_SIZE,
    drawn_module,
    letter_tokenizer,
    llama_config,
    model_values,
    pixels,
    write_preprocessor,
)
from native_fakes import GRID, SIZES, TOWERS, native_losses, own_losses, some_text, write_tower
from transformers import (
    AutoModel,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    GPT2Config,
    GPT2LMHeadModel,
    InternVLForConditionalGeneration,
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedTokenizerFast,
)

from fgtrain.errors import UserError
from fgtrain.model import LVLM, build_model, model_facts, set_trainable
from fgtrain.model.composed import ComposedLVLM
from fgtrain.recipe.model_schema import TrainPart

CASES = [(name, "mlp2x_gelu", layer) for name in TOWERS for layer in (-1, -2)]
CASES += [("InternViT", "pixel_shuffle_mlp2x_gelu", layer) for layer in (-1, -2)]


def built(vision: Path, language: Path, **changes: object) -> LVLM:
    return build_model(model_values(vision, language, **{"projector": "mlp2x_gelu"} | changes), network=False, seed=5)


@pytest.mark.parametrize(("name", "projector", "layer"), CASES)
def test_the_native_class_computes_the_same(tmp_path: Path, language: Path, name: str, projector: str, layer: int):
    folder = write_tower(tmp_path / "vision", name)
    lvlm = built(folder, language, projector=projector, vision_layer=layer)
    shuffled = projector.startswith("pixel_shuffle")
    native = InternVLForConditionalGeneration if shuffled else LlavaForConditionalGeneration
    assert type(lvlm.hf) is native
    tokens = lvlm.image_spec.tokens
    assert tokens == lvlm.hf.config.image_seq_length == (4 if shuffled else 16)
    ids = [*some_text(lvlm, 3, 0), *[0] * (2 * tokens), *some_text(lvlm, 12, 1)]
    is_image = [False] * 3 + [True] * (2 * tokens) + [False] * 12
    own, theirs = (f(m, ids, is_image, pixels(2)) for f, m in ((own_losses, lvlm), (native_losses, lvlm.hf)))
    torch.testing.assert_close(own, theirs, rtol=0, atol=1e-5)
    # The encoder's chosen layer is what the projector reads.
    tower = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        state = tower(pixels(2), output_hidden_states=True).hidden_states[layer]
        state = state[:, 1:] if name != "SigLIP" else state
        if not shuffled:
            assert torch.equal(lvlm.encode_images(pixels(2)), state)
    assert not own_losses(lvlm, ids, is_image, -pixels(2)).allclose(own, atol=1e-3), "the image is seen"


def test_the_projector_follows_from_the_seed_whatever_holds_it(vision: Path, language: Path):
    native, own = (built(vision, language, projector_width=width).parts["projector"] for width in (None, 33))
    again = built(vision, language, vision_layer=-2).parts["projector"]
    assert type(native) is not type(own)
    assert torch.equal(native.linear_1.weight, again.linear_1.weight)
    other = build_model(model_values(vision, language, projector="mlp2x_gelu"), network=False, seed=6)
    assert not torch.equal(other.parts["projector"].linear_1.weight, native.linear_1.weight)


@pytest.fixture(scope="module")
def other_languages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A head with bias, and a decoder of another make: LLaVA's class has room for neither."""
    folder = tmp_path_factory.mktemp("languages")
    sizes = {"vocab_size": 80, "bos_token_id": 1, "eos_token_id": 2}
    common = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    models = {
        "Phi": drawn_module(PhiForCausalLM, PhiConfig(**sizes, **common, max_position_embeddings=256)),
        "GPT2": drawn_module(GPT2LMHeadModel, GPT2Config(**sizes, n_embd=16, n_layer=1, n_head=2, n_positions=256)),
    }
    for name, model in models.items():
        model.save_pretrained(folder / name)
        letter_tokenizer().save_pretrained(folder / name)
    return {name: folder / name for name in models}


def test_what_has_no_class_stays_our_own(tmp_path: Path, vision: Path, language: Path, other_languages: dict):
    registers = Dinov2WithRegistersConfig(**SIZES, **GRID, num_register_tokens=4)
    drawn_module(Dinov2WithRegistersModel, registers).save_pretrained(tmp_path / "registers")
    write_preprocessor(tmp_path / "registers")
    for eyes, voice, changes in (
        (tmp_path / "registers", language, {}),
        (vision, language, {"image_tokens": 4}),
        (vision, language, {"projector": "linear"}),
        (vision, language, {"projector": "norm_mlp2x_gelu"}),
        (vision, language, {"projector": "mlp3x_gelu"}),
        (vision, language, {"projector_width": 20}),
        (vision, language, {"vision_layer": 0}),
        (vision, language, {"projector": "pixel_shuffle_mlp2x_gelu"}),
        *((vision, other, {}) for other in other_languages.values()),
    ):
        lvlm = built(eyes, voice, **changes)
        assert type(lvlm.hf) is ComposedLVLM, changes
        assert len(lvlm.tokenizer) == 58, "no token is added to it"
        tokens = lvlm.image_spec.tokens
        losses = own_losses(lvlm, [1, *[0] * tokens, 9, 10, 11], [False] + [True] * tokens + [False] * 3, pixels(1))
        assert losses.isfinite().all()


def test_a_pixel_shuffle_is_the_same_in_every_model(tmp_path: Path, language: Path):
    folder = write_tower(tmp_path / "vision", "InternViT")
    native = built(folder, language, projector="pixel_shuffle_mlp2x_gelu")
    own = built(folder, language, projector="pixel_shuffle_mlp3x_gelu")
    assert type(own.hf) is ComposedLVLM
    assert torch.equal(native.encode_images(pixels(2)), own.encode_images(pixels(2)))
    with torch.no_grad():
        projected = native.project(native.encode_images(pixels(2)))
        assert torch.equal(projected, native.hf.get_image_features(pixels(2)).pooler_output)
    for changes, words in (
        ({"image_tokens": 16}, ["model.image_tokens is 16", "2 x 2 = 4", "image_tokens: null"]),
        ({"image_size": 40}, ["5 x 5", "image_size"]),
    ):
        with pytest.raises(UserError) as caught:
            built(folder, language, projector="pixel_shuffle_mlp2x_gelu", **changes)
        for word in words:
            assert word in str(caught.value)


# ---- tokens for pictures


def language_without_image_token(folder: Path, rows: int, tied: bool = False) -> Path:
    drawn_module(LlamaForCausalLM, llama_config(vocab_size=rows, tie_word_embeddings=tied)).save_pretrained(folder)
    letter_tokenizer(image=False).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("tied", [False, True])
def test_a_new_token_takes_a_spare_row_or_a_new_one(tmp_path: Path, vision: Path, tied: bool):
    for rows, grown in ((57, 58), (80, 80)):
        folder = language_without_image_token(tmp_path / f"{rows}-{tied}", rows, tied)
        values = model_values(vision, folder, projector="mlp2x_gelu")
        lvlm = build_model(values, network=False, seed=5)
        token = lvlm.hf.config.image_token_id
        assert lvlm.tokenizer.convert_ids_to_tokens(token) == "<image>" == lvlm.tokenizer.image_token
        assert lvlm.tokenizer("a<image>").input_ids[-1] == token == 57
        for table in (lvlm.hf.get_input_embeddings().weight, lvlm.lm_head.weight):
            assert len(table) == grown == lvlm.hf.config.text_config.vocab_size
            if grown > rows:
                torch.testing.assert_close(table[rows], table[:rows].mean(0))
        again = build_model(values, network=False, seed=6)
        assert torch.equal(again.lm_head.weight, lvlm.lm_head.weight)
        facts = model_facts(values, network=False)
        for part in lvlm.parts:
            assert facts.parameters[part] == sum(p.numel() for _, p in lvlm.part_parameters(part))


def test_internvl_has_tokens_around_its_image(tmp_path: Path):
    eyes = write_tower(tmp_path / "vision", "InternViT")
    voice = language_without_image_token(tmp_path / "language", 57)
    lvlm = built(eyes, voice, projector="pixel_shuffle_mlp2x_gelu")
    tokenizer: PreTrainedTokenizerFast = lvlm.tokenizer
    named = [tokenizer.start_image_token, tokenizer.context_image_token, tokenizer.end_image_token]
    assert named == ["<img>", "<IMG_CONTEXT>", "</img>"]
    assert tokenizer.context_image_token_id == lvlm.hf.config.image_token_id
    assert len(tokenizer) == len(lvlm.lm_head.weight) == 61


def test_all_that_learns_gets_a_gradient(tmp_path: Path, language: Path):
    """Heads that a native class builds and nothing reads stay frozen."""
    for name in TOWERS:
        lvlm = built(write_tower(tmp_path / name, name), language)
        groups = set_trainable(lvlm, {part: TrainPart(lr=1e-3) for part in lvlm.parts})
        lvlm.train()
        image = torch.randn(2, 3, IMAGE_SIZE, IMAGE_SIZE)
        lvlm.project(lvlm.encode_images(image)).sum().backward()
        for group in groups[:2]:
            assert group["params"]
            assert all(parameter.grad is not None for parameter in group["params"]), name
