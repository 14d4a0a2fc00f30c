"""A released checkpoint's prompt and pixels: the official code's, those of `evaluation run` and of a recipe's start."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from family_fakes import FAKES, tokenizer, write_family, write_pictures
from PIL import Image
from published_chats import GEMMA3, INTERNVL3, LLAVA, MISTRAL, ONEVISION, QWEN, QWEN3, SMOLVLM
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoTokenizer,
    LlavaNextProcessor,
    LlavaOnevisionProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

from data_builders.shared.llava_as_published import SYSTEM
from evaluation.asking.answerers.chat import Chat
from evaluation.asking.answerers.lvlm import TransformersAnswerer
from evaluation.asking.answerers.picture_tensors import Picture, PictureReader
from evaluation.protocols import ImageQuestions, Question
from fgtrain.data import ImageRef, encode_prompt, render
from fgtrain.errors import UserError
from fgtrain.images import Square
from fgtrain.import_internvl.chat import chat_template
from fgtrain.import_internvl.values import Values
from fgtrain.model import LVLM, build_model, load_checkpoint
from fgtrain.model.build import outline_model
from fgtrain.recipe.model_schema import Model
from fgtrain.training.answerer import ModelAnswerer

QUESTION = "what is it?"
INTERNVL2_5 = chat_template(Values({"template": "internvl2_5"}, Path("config.json")), begins_with_bos=False)
CLIP = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True}
CASES = {  # kind, its published chat template, the chat that it is
    "llava": ("llava", LLAVA, "vicuna_v1"),
    "llava without a template": ("llava", None, "vicuna_v1"),
    "internvl2_5": ("internvl", INTERNVL2_5, "internvl2_5"),
    "internvl3": ("internvl", INTERNVL3, "internvl3"),
    "internvl3 that writes <image>": ("internvl", INTERNVL3.replace("<IMG_CONTEXT>", "<image>"), "internvl3"),
    "internvl3_5": ("internvl3_5", INTERNVL3, "internvl3"),
    "qwen2_vl": ("qwen2_vl", QWEN, "qwen2_5_vl"),
    "qwen2_5_vl": ("qwen2_5_vl", QWEN, "qwen2_5_vl"),
    "qwen3_vl": ("qwen3_vl", QWEN3, "qwen3_vl"),
    "llava_onevision": ("llava_onevision", ONEVISION, "llava_onevision"),
    "llava_next mistral": ("llava_next", MISTRAL, "mistral"),
    "gemma3": ("gemma3", GEMMA3, "gemma3"),
    "idefics3": ("idefics3", SMOLVLM, "smolvlm"),
}
# How transformers' own processors write a picture that is no run of one token's repetition.
WRITTEN = {"gemma3": ("<start_of_image>", "\n\n<start_of_image>{}<end_of_image>\n\n")}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


def released(kind: str, folder: Path, template: str | None) -> Path:
    """As published: LLaVA's with the settings of CLIP's processor."""
    write_family(kind, folder)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    processor = FAKES[kind].processor.__name__.removesuffix("Pil")
    settings = FAKES[kind].settings | {"image_processor_type": processor}
    settings |= CLIP if kind == "llava" else {}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def bordered(picture: Image.Image, mean: list[float]) -> Image.Image:
    """LLaVA's expand2square: as wide and as high as the longer side, the picture in the middle."""
    pixels, side = np.asarray(picture), max(picture.size)
    square = np.empty((side, side, 3), np.uint8)
    square[:] = [int(value * 255) for value in mean]
    top, left = (side - pixels.shape[0]) // 2, (side - pixels.shape[1]) // 2
    square[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return Image.fromarray(square)


def official(kind: str, template: str | None, picture: Image.Image) -> tuple[list[int], np.ndarray]:
    """(tokens, pixels) by the template's own text and transformers' own processor; LLaVA's as its own code has them."""
    fake, words = FAKES[kind], tokenizer()
    if kind == "llava":
        made = CLIPImageProcessorPil(**fake.settings | CLIP)(
            images=[bordered(picture, fake.settings["image_mean"])], return_tensors="pt"
        )
        text = f"{SYSTEM} USER: {fake.image * 16}\n{QUESTION} ASSISTANT:"
    else:
        made = fake.processor(**fake.settings)(images=[picture], return_tensors="pt")
        content = [{"type": "image"}, {"type": "text", "text": QUESTION}]
        text = words.apply_chat_template(
            [{"role": "user", "content": content}], chat_template=template, tokenize=False, add_generation_prompt=True
        )
        if kind in ("llava_onevision", "llava_next"):
            text = text.replace(fake.image, own_processor(kind).replace_image_token(made, 0))
        elif kind == "idefics3":
            made = fake.processor(**fake.settings)(images=[picture], return_row_col_info=True, return_tensors="pt")
            tokens = ("<fake_token_around_image>", fake.image, "<global-img>")
            written = get_image_prompt_string(made["rows"][0][0], made["cols"][0][0], 4, *tokens)
            text = text.replace(fake.image, written)
        elif kind in WRITTEN:
            text = text.replace(WRITTEN[kind][0], WRITTEN[kind][1].format(fake.image * 16))
        elif "num_patches" in made:
            text = text.replace("<image>", fake.image)  # as earlier releases of its processor wanted it
            text = text.replace(fake.image, f"<img>{fake.image * 4 * int(made['num_patches'])}</img>")
        else:
            text = text.replace(fake.image, fake.image * (int(made["image_grid_thw"].prod()) // 4))
    pixels = made["pixel_values"].numpy()
    return words(text, add_special_tokens=False)["input_ids"], pixels[0] if pixels.ndim == 5 else pixels


def own_processor(kind: str) -> LlavaNextProcessor:
    """transformers' own, as far as it counts tokens."""
    made_by = {"llava_next": LlavaNextProcessor, "llava_onevision": LlavaOnevisionProcessor}[kind]
    made = made_by.__new__(made_by)
    made.image_processor = FAKES[kind].processor(**FAKES[kind].settings)
    made.num_image_tokens, made.vision_aspect_ratio, made.image_token = 16, "anyres_max_2", FAKES[kind].image
    made.vision_feature_select_strategy = {"llava_next": "default", "llava_onevision": "full"}[kind]
    made.patch_size, made.num_additional_image_tokens = 8, 1
    return made


@pytest.mark.parametrize("case", CASES)
def test_the_prompt_and_the_pixels_are_the_official_ones_everywhere(case, pictures, tmp_path):
    kind, template, chat = CASES[case]
    folder = released(kind, tmp_path / "model", template)
    lvlm = outline_model(Model(checkpoint=str(folder), max_tokens=1024), network=False, seed=5)
    assert lvlm.chat == chat == load_checkpoint(folder, parts=frozenset()).chat
    write_processor(lvlm, folder)
    config, words = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    image_token = words.convert_tokens_to_ids(FAKES[kind].image)
    reader = PictureReader(str(folder), config, words, image_token)
    asked = Chat(str(folder), words, config.model_type, reader.placeholder)
    for name in ("wide", "high", "even", "large"):
        path = pictures / f"{name}.png"
        ids, pixels = official(kind, template, Image.open(path))
        layout = lvlm.image_spec.layout(*ImageRef(path).size)
        prompt = encode_prompt([QUESTION], [layout], lvlm.tokenizer, lvlm.chat, lvlm.image_spec, [8])
        ours = [
            image_token if is_image else i
            for i, is_image in zip(prompt.prefix_ids, prompt.prefix_is_image, strict=True)
        ]
        assert ours + prompt.branches[0] == ids
        np.testing.assert_allclose(render(ImageRef(path), lvlm.image_spec), pixels, atol=1e-6)
        picture = reader.read(path)
        assert asked.prompt(QUESTION, picture)[0] == ids
        found = picture.tensors["pixel_values"]
        torch.testing.assert_close(found[0] if found.ndim == 5 else found, torch.tensor(pixels), atol=1e-6, rtol=0)


def write_processor(lvlm: LVLM, folder: Path) -> None:
    """As it was published beside the weights."""
    config = lvlm.family.processor.config(lvlm.hf.config, lvlm.image_spec)
    (folder / "processor_config.json").write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize("case", [case for case in CASES if case != "llava without a template"])
def test_evaluation_asks_a_released_model_as_a_recipes_start_does(case, pictures, tmp_path):
    """Without torchvision, and each picture read once for all its questions where the family's attention allows it."""
    kind, template, _ = CASES[case]
    folder = released(kind, tmp_path / "model", template)
    lvlm = build_model(Model(checkpoint=str(folder), max_tokens=1024), network=False, seed=5)
    write_processor(lvlm, folder)
    questions = (Question(QUESTION, 8), Question("a gull or a tern?", 8))
    groups = [ImageQuestions(pictures / f"{name}.png", questions) for name in ("wide", "high")]
    asked = TransformersAnswerer(str(folder))
    assert (asked.prefixes is not None) == (kind != "gemma3"), asked.settings["sharing"]
    texts = [
        [[answer.text for answer in answers] for answers in answerer.answer(groups)]
        for answerer in (asked, ModelAnswerer(lvlm, "model"))
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("kind", "template", "chat"),
    [("llava_next", LLAVA, "vicuna_v1")],
)
def test_a_released_family_is_known_by_its_published_turns(kind, template, chat, tmp_path):
    folder = released(kind, tmp_path / "model", template)
    assert outline_model(Model(checkpoint=str(folder), max_tokens=1024), network=False, seed=5).chat == chat


def test_turns_that_nobody_knows_are_refused_and_name_what_to_write(tmp_path):
    folder = released("internvl", tmp_path / "model", INTERNVL3.replace("'<|im_start|>'", "'Role: '"))
    with pytest.raises(UserError, match=r"asks as 'Role: user.*Write model.chat: internvl3"):
        outline_model(Model(checkpoint=str(folder), max_tokens=512), network=False, seed=5)
    assert outline_model(Model(checkpoint=str(folder), chat="chatml"), network=False, seed=5).chat == "chatml"


@pytest.mark.parametrize("scheme", ["always", "first"])
def test_llavas_text_is_cut_at_the_picture_before_it_is_made_tokens(scheme):
    """As tokenizer_image_token in llava/mm_utils.py does it, whatever blanks a Llama tokenizer puts before texts."""
    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    special = ["<unk>", "<s>", "</s>", "<image>"]
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    backend.train_from_iterator([f"{SYSTEM} USER: \n{QUESTION} ASSISTANT:"] * 3, trainer)
    words = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>", extra_special_tokens=["<image>"]
    )
    words.chat_template = LLAVA
    image = words.convert_tokens_to_ids("<image>")
    first, second = (
        words(text, add_special_tokens=False)["input_ids"] for text in (f"{SYSTEM} USER: ", f"\n{QUESTION} ASSISTANT:")
    )
    expected = [words.bos_token_id, *first, *[image] * 3, *second]
    spec = Square(size=8, tokens=3, mean=(0.5,) * 3, std=(0.5,) * 3, resample="bicubic", token="<image>")
    prompt = encode_prompt([QUESTION], [spec.layout(9, 9)], words, "vicuna_v1", spec, [8])
    head = [image if is_image else i for i, is_image in zip(prompt.prefix_ids, prompt.prefix_is_image, strict=True)]
    assert head + prompt.branches[0] == expected
    assert Chat("model", words, "llava", image).prompt(QUESTION, Picture({}, [image] * 3)) == (expected, len(head))
