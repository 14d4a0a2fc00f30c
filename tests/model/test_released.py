"""A released LVLM is trained and saved as transformers knows it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from model_fakes import (
    IMAGE_SIZE,
    clip_config,
    draw_ids,
    drawn_module,
    letter_tokenizer,
    llama_config,
    write_preprocessor,
)
from transformers import AutoModelForImageTextToText, LlavaConfig, LlavaForConditionalGeneration

from fgtrain.batch import Prompt
from fgtrain.data.image import ImageRef
from fgtrain.data.packing import pack
from fgtrain.data.sample import Branch, Sample, assemble
from fgtrain.errors import UserError
from fgtrain.model import (
    LVLM,
    build_model,
    load_checkpoint,
    merge_adapters,
    save_checkpoint,
    set_trainable,
    weights_hash,
)
from fgtrain.model.generation import generate
from fgtrain.recipe.model_schema import Lora, Model, TrainPart

IMAGE_ID = 3
PARTS = {part: TrainPart(lr=1e-3) for part in ("vision_encoder", "projector", "language_model")}


def write_llava(folder: Path, layer: int | list[int] = -2, strategy: str = "default") -> Path:
    config = LlavaConfig(
        vision_config=clip_config(),
        text_config=llama_config(),
        image_token_index=IMAGE_ID,
        vision_feature_layer=layer,
        vision_feature_select_strategy=strategy,
        image_seq_length=16,
    )
    drawn_module(LlavaForConditionalGeneration, config).save_pretrained(folder)
    letter_tokenizer().save_pretrained(folder)
    write_preprocessor(folder)
    return folder


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llava(tmp_path_factory.mktemp("released"))


def built(folder: Path, **changes: object) -> LVLM:
    return build_model(Model(checkpoint=str(folder), max_tokens=128, **changes), network=False, seed=5)


def conversation(seed: int, question: int, answer: int, image_tokens: int) -> Sample:
    """Image, question, answer: one branch, of which the answer is learnt."""
    ids = draw_ids(np.random.default_rng(seed), question + answer)
    branch = Branch(ids, [False] * question + [True] * answer)
    prefix = [1, 5] + [IMAGE_ID] * image_tokens
    is_image = [False] * 2 + [True] * image_tokens
    return assemble(prefix, is_image, [branch], max_tokens=128, images=(ImageRef(Path("x")),), name=str(seed))


@pytest.mark.parametrize(
    ("layer", "strategy", "tokens"), [(-2, "default", 16), (-1, "full", 17), ([-3, -2], "default", 16)]
)
def test_losses_and_gradients_are_those_of_transformers(tmp_path: Path, layer: object, strategy: str, tokens: int):
    write_llava(tmp_path, layer, strategy)
    lvlm = built(tmp_path)
    assert (lvlm.image_spec.size, lvlm.image_spec.tokens) == (IMAGE_SIZE, tokens)
    set_trainable(lvlm, PARTS)
    samples = [conversation(seed, 4 + seed, 3 + 2 * seed, tokens) for seed in range(3)]
    pixels_NCHW = torch.randn(3, 3, IMAGE_SIZE, IMAGE_SIZE, generator=torch.Generator().manual_seed(2))
    lvlm.token_losses_S(pack(samples, 10_000, pixels_NCHW=pixels_NCHW)).sum().backward()
    theirs = LlavaForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32)
    for sample, image_CHW in zip(samples, pixels_NCHW, strict=True):
        ids = torch.tensor(sample.token_ids)[None].long()
        labels = torch.where(torch.arange(ids.shape[1]) >= ids.shape[1] - sample.labels, ids, -100)
        loss = theirs(input_ids=ids, pixel_values=image_CHW[None], labels=labels).loss
        ours_S = lvlm.token_losses_S(pack([sample], 1, pixels_NCHW=image_CHW[None]))
        assert float(ours_S.detach().mean()) == pytest.approx(float(loss.detach()), rel=1e-5)
        (loss * sample.labels).backward()
    gradient = dict(theirs.named_parameters())
    largest = max(float(p.grad.abs().max()) for p in gradient.values() if p.grad is not None)
    for name, parameter in lvlm.hf.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, gradient[name].grad, rtol=1e-4, atol=1e-5 * largest)
        else:
            assert gradient[name].grad is None, f"{name} is frozen as unused, but has influence"


def test_answers_are_those_of_transformers(llava: Path):
    lvlm = built(llava)
    pixels_NCHW = torch.randn(1, 3, IMAGE_SIZE, IMAGE_SIZE, generator=torch.Generator().manual_seed(2))
    questions = [draw_ids(np.random.default_rng(seed), 3 + seed) for seed in range(3)]
    prefix = [1] + [IMAGE_ID] * 16
    prompt = Prompt(prefix, [False] + [True] * 16, questions, [10] * 3)
    answers = generate(lvlm, [prompt], [lvlm.encode_images(pixels_NCHW)])[0]
    theirs = LlavaForConditionalGeneration.from_pretrained(llava, dtype=torch.float32).eval()
    second_end = answers[0][0][4]  # a model may name several tokens that end an answer
    for ends in ([2], [2, second_end]):
        lvlm.hf.generation_config.eos_token_id = theirs.generation_config.eos_token_id = ends
        answers = generate(lvlm, [prompt], [lvlm.encode_images(pixels_NCHW)])[0]
        for question, (answer, finished) in zip(questions, answers, strict=True):
            ids = torch.tensor([prefix + question])
            made = theirs.generate(input_ids=ids, pixel_values=pixels_NCHW, max_new_tokens=10, do_sample=False)
            expected = made[0, ids.shape[1] :].tolist()
            assert finished == (expected[-1] in ends)
            assert answer == (expected[:-1] if finished else expected)
    assert answers[0][1]


def test_a_released_model_saved_here_is_the_same_everywhere(llava: Path, tmp_path: Path):
    lvlm = built(llava, chat="vicuna_v1")
    save_checkpoint(lvlm, tmp_path / "saved", {})
    again = load_checkpoint(tmp_path / "saved")
    original = LlavaForConditionalGeneration.from_pretrained(llava, dtype=torch.float32).state_dict()
    for model in (again.hf, AutoModelForImageTextToText.from_pretrained(tmp_path / "saved")):
        state = model.state_dict()
        assert state.keys() == original.keys()
        assert all(torch.equal(state[name], original[name]) for name in state)
    assert weights_hash(again) == weights_hash(lvlm) == weights_hash(load_checkpoint(llava))
    assert (again.chat, again.max_tokens, again.image_spec) == ("vicuna_v1", 128, lvlm.image_spec)
    assert load_checkpoint(llava, chat="plain").image_spec == lvlm.image_spec
    # A recipe that goes on from it keeps the turns it was trained on, unless it names others.
    assert built(tmp_path / "saved").chat == "vicuna_v1"
    assert built(tmp_path / "saved", chat="plain").chat == "plain"


def test_adapters_go_on_every_part_of_a_released_model(llava: Path):
    lvlm = built(llava)
    before = {name: tensor.clone() for name, tensor in lvlm.state_dict().items()}
    groups = set_trainable(lvlm, {part: TrainPart(lr=1e-3, lora=Lora(rank=2)) for part in PARTS})
    sample = conversation(0, 4, 3, 16)
    batch = pack([sample], 1, pixels_NCHW=torch.ones(1, 3, IMAGE_SIZE, IMAGE_SIZE))
    lvlm.train()
    lvlm.token_losses_S(batch).sum().backward()
    with torch.no_grad():
        for group in groups:
            assert all("lora_" in name for name, p in lvlm.part_parameters(group["part"]) if p.requires_grad)
            for parameter in group["params"]:
                parameter += 0.05 * torch.ones_like(parameter)
    lvlm.eval()
    learnt_S = lvlm.token_losses_S(batch).detach()
    merge_adapters(lvlm)
    torch.testing.assert_close(lvlm.token_losses_S(batch), learnt_S, rtol=1e-4, atol=1e-4)
    merged = lvlm.state_dict()
    assert merged.keys() == before.keys()
    assert torch.equal(merged["hf.lm_head.weight"], before["hf.lm_head.weight"])


def test_what_a_released_model_was_not_made_for_is_named(llava: Path):
    for changes, words in (
        ({"image_tokens": 9}, ["model.image_tokens is 9", "16", "image_tokens: null"]),
        ({"image_size": 64}, ["model.image_size is 64", "image_size: 32"]),
        ({"max_tiles": 4}, ["model.max_tiles is 4", "max_tiles: 1"]),
    ):
        with pytest.raises(UserError) as caught:
            built(llava, **changes)
        for word in words:
            assert word in str(caught.value)
