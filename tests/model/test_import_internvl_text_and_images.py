"""An imported InternVL's tokenizer, turn template and pictures are the published ones."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from internvl_published import chat_values, internlm2_values, qwen2_values, vision_values, write_chat, write_part
from internvl_tokens import (
    BEHIND,
    SPECIAL,
    added_tokens,
    cut_by_sentencepiece,
    pieces,
    write_internlm2_tokenizer,
    write_sentencepiece,
)
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, GenerationConfig

from fgtrain.import_internvl.convert import import_checkpoint
from fgtrain.import_internvl.sentencepiece import byte_pair_tokenizer, read_proto

SYSTEM = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"


@pytest.fixture(scope="module")
def internlm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("internlm2")
    write_chat(folder / "src", chat_values(vision_values(), internlm2_values()))
    import_checkpoint(folder / "src", folder / "dst")
    return folder / "dst"


@pytest.fixture(scope="module")
def qwen2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qwen2")
    write_chat(folder / "src", chat_values(vision_values(), qwen2_values()))
    import_checkpoint(folder / "src", folder / "dst")
    return folder / "dst"


# ---- sentencepiece


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="the catbirdQ  \n▁é🙂<s>", max_size=40))
@example("the<s>cat")  # a control token's text is no control token
def test_texts_are_cut_as_sentencepiece_cuts_them(text: str):
    tokenizer = _plain_tokenizer()
    assert tokenizer.encode(text).tokens == cut_by_sentencepiece(text)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="the catbirdQ  \né🙂<s>", max_size=40))
def test_what_was_cut_is_put_together_again(text: str):
    tokenizer = _plain_tokenizer()
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


_MADE: dict[str, object] = {}


def _plain_tokenizer():
    """Without added tokens; read once."""
    if not _MADE:
        import tempfile

        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "tokenizer.model"
            write_sentencepiece(path)
            _MADE["tokenizer"] = byte_pair_tokenizer(read_proto(path), {}, path, None, None)
    return _MADE["tokenizer"]


def test_a_blank_is_put_before_a_text_only_where_the_model_says_so(tmp_path: Path):
    expected = {
        (False, False): "the  cat ",
        (True, False): "▁the  cat ",
        (False, True): "the cat",
        (True, True): "▁the cat",
    }
    for (prefix, fewer), text in expected.items():
        path = tmp_path / f"{prefix}{fewer}.model"
        write_sentencepiece(path, add_dummy_prefix=prefix, remove_extra_whitespaces=fewer)
        tokenizer = byte_pair_tokenizer(read_proto(path), {}, path, None, None)
        assert tokenizer.encode("the  cat ").tokens == cut_by_sentencepiece(text)
        assert tokenizer.decode(tokenizer.encode("the cat").ids) == "the cat"


# ---- tokenizers


def test_added_tokens_keep_their_ids_and_are_never_cut(internlm2: Path):
    tokenizer = AutoTokenizer.from_pretrained(internlm2)
    for token, number in added_tokens(True).items():
        assert tokenizer.convert_tokens_to_ids(token) == number
        assert tokenizer(f"the{token}cat").input_ids == [
            1,
            *tokenizer("the", add_special_tokens=False).input_ids,
            number,
            *tokenizer("cat", add_special_tokens=False).input_ids,
        ]
    assert len(tokenizer) == len(pieces()) + len(BEHIND)
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<s>", "</s>", "</s>")
    assert tokenizer.context_image_token_id == added_tokens(True)["<IMG_CONTEXT>"]
    assert tokenizer.decode(tokenizer("the cat<|im_end|>").input_ids, skip_special_tokens=True) == "the cat"


def test_every_piece_keeps_its_id(internlm2: Path):
    vocabulary = AutoTokenizer.from_pretrained(internlm2).get_vocab()
    first = len(pieces()) - len(SPECIAL)
    assert all(vocabulary[text] == i for i, (text, *_) in enumerate(pieces()[:first]))


def test_a_text_begins_as_published(tmp_path: Path):
    for adds in (True, False):
        src, dst = tmp_path / f"src{adds}", tmp_path / f"dst{adds}"
        write_part(src, internlm2_values())
        path = src / "tokenizer_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"add_bos_token": adds, "add_eos_token": not adds}))
        import_checkpoint(src, dst)
        ids = AutoTokenizer.from_pretrained(dst)("the").input_ids
        assert (ids[0] == 1, ids[-1] == 2) == (adds, not adds)


def test_qwen2_tokens(qwen2: Path):
    tokenizer = AutoTokenizer.from_pretrained(qwen2)
    assert tokenizer.tokenize("the cat") == ["the", "Ġcat"]
    assert tokenizer("<|im_start|><IMG_CONTEXT>").input_ids == [262, 266]
    assert tokenizer.context_image_token_id == 266
    assert json.loads((qwen2 / "config.json").read_text())["image_token_id"] == 266


def test_a_fast_tokenizer_that_lies_there_is_taken(tmp_path: Path):
    write_part(tmp_path / "src", internlm2_values())
    import_checkpoint(tmp_path / "src", tmp_path / "first")
    (tmp_path / "src" / "tokenizer.model").unlink()
    (tmp_path / "src" / "tokenizer.json").write_bytes((tmp_path / "first" / "tokenizer.json").read_bytes())
    import_checkpoint(tmp_path / "src", tmp_path / "second")
    text = "<|im_start|>the  cat é\n<|im_end|>"
    first, second = (AutoTokenizer.from_pretrained(tmp_path / name) for name in ("first", "second"))
    assert first(text).input_ids == second(text).input_ids


# ---- turns


@pytest.mark.parametrize(("name", "beginning"), [("internlm2", "<s>"), ("qwen2", "")])
def test_turns_are_laid_out_as_published(name: str, beginning: str, request: pytest.FixtureRequest):
    tokenizer = AutoTokenizer.from_pretrained(request.getfixturevalue(name))
    messages = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "the bird"}]},
        {"role": "assistant", "content": "cat"},
        {"role": "user", "content": "in"},
    ]
    published = (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n<IMG_CONTEXT>\nthe bird<|im_end|>\n"
        "<|im_start|>assistant\ncat<|im_end|>\n<|im_start|>user\nin<|im_end|>\n<|im_start|>assistant\n"
    )
    made = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert made == beginning + published
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert ids == tokenizer(published).input_ids
    own = tokenizer.apply_chat_template([{"role": "system", "content": "birds"}], tokenize=False)
    assert own == f"{beginning}<|im_start|>system\nbirds<|im_end|>\n"


def test_an_answer_ends_with_its_turn(internlm2: Path):
    tokenizer = AutoTokenizer.from_pretrained(internlm2)
    ends = GenerationConfig.from_pretrained(internlm2).eos_token_id
    assert set(ends) == {tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|im_end|>")}


def test_a_language_model_keeps_its_own_turn_template(tmp_path: Path):
    write_internlm2_tokenizer(tmp_path / "only", behind=False)
    write_part(tmp_path / "src", internlm2_values())
    import_checkpoint(tmp_path / "src", tmp_path / "dst")
    published = json.loads((tmp_path / "only" / "tokenizer_config.json").read_text())["chat_template"]
    assert AutoTokenizer.from_pretrained(tmp_path / "dst").chat_template == published


# ---- pictures


def published_tiles(image: Image.Image, size: int, most: int) -> list[Image.Image]:
    """The grid whose shape is nearest (of equal ones the larger while it is not twice the picture), and a thumbnail."""
    ratio, area = image.width / image.height, image.width * image.height
    grids = sorted(
        {(i, j) for i in range(1, most + 1) for j in range(1, most + 1) if i * j <= most}, key=lambda g: g[0] * g[1]
    )
    best, nearest = (1, 1), float("inf")
    for grid in grids:
        away = abs(ratio - grid[0] / grid[1])
        if away < nearest or (away == nearest and area > 0.5 * size * size * grid[0] * grid[1]):
            best, nearest = grid, away
    columns, rows = best
    large = image.resize((size * columns, size * rows))
    boxes = [(c * size, r * size, (c + 1) * size, (r + 1) * size) for r in range(rows) for c in range(columns)]
    tiles = [large.crop(box) for box in boxes]
    return tiles if len(tiles) == 1 else [*tiles, image.resize((size, size))]


@pytest.mark.parametrize("shape", [(40, 40), (90, 40), (37, 101), (200, 130)])
def test_tiles_are_the_published_ones(internlm2: Path, shape: tuple[int, int]):
    processor = AutoImageProcessor.from_pretrained(internlm2)
    drawn = np.random.default_rng(shape[0]).integers(0, 255, (*shape, 3), dtype=np.uint8)
    ours = processor(Image.fromarray(drawn), return_tensors="pt")["pixel_values"]
    tiles = published_tiles(Image.fromarray(drawn), 32, 12)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    theirs = torch.stack([((torch.from_numpy(np.array(t)) / 255 - mean) / std).permute(2, 0, 1) for t in tiles])
    torch.testing.assert_close(ours.float(), theirs.float(), atol=1e-5, rtol=1e-5)
