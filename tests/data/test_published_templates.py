"""Each template gives the tokens of the chat template that was published with its models."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from data_fakes import COLOURS, CORPUS, talk
from PIL import Image
from published_chats import INTERNVL3, ONEVISION, QWEN, QWEN3
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from fgtrain.batch import IGNORE_INDEX
from fgtrain.data import encode_prompt, encode_row, show_mask
from fgtrain.data.sample import Sample
from fgtrain.errors import UserError
from fgtrain.images import AnyRes, ImageSpec, Native, Square, Tiles
from fgtrain.import_internvl.chat import chat_template
from fgtrain.import_internvl.values import Values
from fgtrain.templates import EOS, TEMPLATES

LOOK = {"mean": (0.5,) * 3, "std": (0.25,) * 3, "resample": "bicubic"}
SPECIAL = ["<unk>", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<img>", "</img>", "<IMG_CONTEXT>"]
SPECIAL += ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<start_of_turn>", "<end_of_turn>"]
SPECIAL += ["<end_of_utterance>"]
SPECS: dict[str, ImageSpec] = {
    "internvl": Tiles(size=16, tokens=2, max_tiles=4, before=("<img>",), after=("</img>",), **LOOK),
    "qwen": Native(
        patch=4, merge=2, frames=2, min_pixels=64, max_pixels=1024,
        before=("<|vision_start|>",), after=("<|vision_end|>",), **LOOK,
    ),
    "onevision": AnyRes(size=16, tokens=4, side=2, resolutions=((16, 16), (16, 32), (32, 16)), max_squares=3, **LOOK),
    "llava": Square(size=16, tokens=4, **LOOK),
}  # fmt: skip
TOKEN = {"internvl": "<IMG_CONTEXT>", "qwen": "<|image_pad|>", "onevision": "<image>", "llava": "<image>"}

# LLaVA's, with all pictures in one line.
LINE = "<image>{% if message['content'][loop.index]['type'] == 'text' %}{{ '\n' }}{% endif %}"
CHATML = QWEN.replace("<|vision_start|><|image_pad|><|vision_end|>", LINE)
INTERNVL2_5 = chat_template(Values({"template": "internvl2_5"}, Path("config.json")), begins_with_bos=False)
PUBLISHED = {
    "internvl2_5": (INTERNVL2_5, "internvl"),
    "internvl3": (INTERNVL3, "internvl"),
    "qwen2_5_vl": (QWEN, "qwen"),
    "qwen3_vl": (QWEN3, "qwen"),
    "llava_onevision": (ONEVISION, "onevision"),
    "chatml": (CHATML, "llava"),
}


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, as Qwen has it."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=423, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator([*CORPUS, "\n\n system\n user\n assistant\n"] * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        eos_token="<|endoftext|>",
        additional_special_tokens=SPECIAL[2:],
        clean_up_tokenization_spaces=False,
    )


PICTURES = {"wide.png": (40, 16), "even.png": (16, 16), "high.png": (20, 70)}
TALKS = {
    "a dialogue about a picture": (["wide.png"], "What is it?", "a red bird", "How many?", "three"),
    "two pictures": (["high.png", "even.png"], "Which is red?", "the first"),
    "three pictures": (["high.png", "even.png", "wide.png"], "Which?", "the last one", "Why?", "so"),
    "text": ([], "How many?", "three", "and now?", "2 of 4"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pictures")
    for name, size in PICTURES.items():
        Image.new("RGB", size, COLOURS["red"]).save(place / name)
    return place


def row_of(images: list[str], *turns: str) -> dict:
    row = {"id": 1, "conversations": talk(*turns, image=False)}
    row["conversations"][0]["value"] = "<image>\n" * len(images) + turns[0]
    return row | ({"image": images} if images else {})


def messages_of(images: list[str], *turns: str) -> list[dict]:
    made = []
    for place, text in enumerate(turns):
        pictures = [{"type": "image"}] * (0 if place else len(images))
        content = [*pictures, {"type": "text", "text": text}]
        made.append({"role": "assistant" if place % 2 else "user", "content": content})
    return made


def published(chat: str, images: list[str], *turns: str, asked: bool) -> list[int]:
    """The published template's tokens, each picture as many as its model's processor makes of it."""
    template, kind = PUBLISHED[chat]
    spec, token = SPECS[kind], TOKEN[kind]
    text = tokenizer().apply_chat_template(
        messages_of(images, *turns), chat_template=template, tokenize=False, add_generation_prompt=asked
    )
    first, *rest = text.split(token)
    assert len(rest) == len(images)
    for image, piece in zip(images, rest, strict=True):
        run = token * spec.layout(*PICTURES[image], len(images) == 1).tokens
        first += (f"<img>{run}</img>" if kind == "internvl" else run) + piece
    return tokenizer()(first, add_special_tokens=False)["input_ids"]


def ours(chat: str, folder: Path, images: list[str], *turns: str) -> Sample:
    return encode_row(row_of(images, *turns), tokenizer(), chat, SPECS[PUBLISHED[chat][1]], 999, image_root=folder)


def with_tokens(chat: str, ids: list[int], is_image: list[bool]) -> list[int]:
    image = tokenizer().convert_tokens_to_ids(TOKEN[PUBLISHED[chat][1]])
    return [image if stands else i for i, stands in zip(ids, is_image, strict=True)]


@pytest.mark.parametrize("case", TALKS)
@pytest.mark.parametrize("chat", [chat for chat in PUBLISHED if chat != "llava_onevision"])
def test_a_conversation_has_the_published_tokens(folder, chat, case):
    sample = ours(chat, folder, *TALKS[case])
    found = with_tokens(chat, sample.token_ids.tolist(), sample.is_image.tolist())
    expected = published(chat, *TALKS[case], asked=False)
    assert found == expected[: len(found)]
    assert tokenizer().decode(expected[len(found) :]) == "\n"  # behind the last answer's end


@pytest.mark.parametrize("case", TALKS)
@pytest.mark.parametrize("chat", PUBLISHED)
def test_a_question_has_the_published_tokens(folder, chat, case):
    """In generation and in training alike: LLaVA-OneVision's template too, which shows past answers otherwise."""
    images, question, answer = TALKS[case][:3]
    spec = SPECS[PUBLISHED[chat][1]]
    layouts = [spec.layout(*PICTURES[image], len(images) == 1) for image in images]
    prompt = encode_prompt([question], layouts, tokenizer(), chat, spec, [8])
    assert with_tokens(chat, prompt.prefix_ids, prompt.prefix_is_image) + prompt.branches[0] == published(
        chat, images, question, asked=True
    )
    sample = ours(chat, folder, images, question, answer)
    start = len(prompt.prefix_ids) + len(prompt.branches[0])
    assert sample.token_ids[:start].tolist() == prompt.prefix_ids + prompt.branches[0]


@pytest.mark.parametrize("case", TALKS)
@pytest.mark.parametrize("chat", PUBLISHED)
def test_what_is_learnt_is_each_answer_and_its_end(folder, chat, case):
    _, *turns = TALKS[case]
    sample = ours(chat, folder, *TALKS[case])
    learnt = tokenizer().decode(sample.targets[sample.targets != IGNORE_INDEX])
    assert learnt == "".join(f"{answer}<|im_end|>" for answer in turns[1::2])
    assert show_mask(sample, tokenizer()).count("«") == len(turns) // 2


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("chat", TEMPLATES)
def test_every_template_with_every_way_to_make_image_tokens_learns_the_answers_and_their_ends(folder, chat, kind):
    """A recipe may give any template to any family; also questions that are independent, and a lone one."""
    end = tokenizer().convert_tokens_to_ids("<|endoftext|>" if TEMPLATES[chat].end == EOS else str(TEMPLATES[chat].end))
    for images, *turns in [*TALKS.values(), (["wide.png"], "What is it?", "a red bird")]:
        if not images and not TEMPLATES[chat].asks:
            continue  # without a picture, a question and a token to begin with, nothing predicts the first token
        for apart in {False, len(turns) > 2 and TEMPLATES[chat].asks}:
            row = row_of(images, *turns) | ({"turns": "independent"} if apart else {})
            sample = encode_row(row, tokenizer(), chat, SPECS[kind], 999, image_root=folder)
            answers, ids = [], []
            for target in sample.targets[sample.targets != IGNORE_INDEX].tolist():
                ids.append(target)
                if target == end:
                    answers.append(tokenizer().decode(ids[:-1]).strip())
                    ids = []
            assert (answers, ids) == (turns[1::2], [])


@pytest.mark.parametrize(("chat", "kind"), [(chat, kind) for chat, (_, kind) in PUBLISHED.items()])
def test_a_row_whose_picture_does_not_fit_is_refused_by_its_name(folder, chat, kind):
    """Image tokens are never cut: not even where some text would be left."""
    sample = ours(chat, folder, *TALKS["two pictures"])
    last_image = int(np.flatnonzero(sample.is_image)[-1])
    row = row_of(*TALKS["two pictures"])
    for limit in (last_image // 2, last_image, last_image + 3):
        with pytest.raises(UserError, match=rf"row 'bird 7': {len(sample)} tokens .* model.max_tokens is {limit}"):
            encode_row(row, tokenizer(), chat, SPECS[kind], limit, image_root=folder, name="row 'bird 7'")


@pytest.mark.parametrize("kind", ["internvl", "qwen", "onevision"])
def test_a_row_whose_picture_is_not_there_is_refused_by_its_name(folder, kind):
    chat = next(chat for chat, (_, its) in PUBLISHED.items() if its == kind)
    row = row_of(["wide.png", "gone.png"], "What?", "a bird")
    with pytest.raises(UserError, match=r"row 'bird 7': no image .*gone\.png"):
        encode_row(row, tokenizer(), chat, SPECS[kind], 999, image_root=folder, name="row 'bird 7'")
