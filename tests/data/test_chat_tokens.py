"""Conversations to tokens: what is learnt is the answers, and generation is asked with what training showed."""

import re

import numpy as np
import pytest
from data_fakes import SPEC, talk, tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from fgtrain.batch import IGNORE_INDEX
from fgtrain.data import encode_prompt, encode_row, show_mask
from fgtrain.data.sample import Sample
from fgtrain.errors import UserError
from fgtrain.templates import EOS, TEMPLATES

KINDS, CHATS = ("bytes", "blanks"), tuple(TEMPLATES)
SPECIAL = ("<s>", "</s>", "<|im_start|>", "<|im_end|>", "<image>", "<start_of_turn>", "<end_of_turn>")
SPECIAL += ("<end_of_utterance>",)
ASKING = tuple(name for name, template in TEMPLATES.items() if template.asks)
PICTURE = SPEC.layout(20, 24)
END = {chat: "</s>" if TEMPLATES[chat].end == EOS else str(TEMPLATES[chat].end) for chat in CHATS}
DIALOGUE = {"id": 1, "image": "a.png", "conversations": talk("What is it?", "a red bird", "How many?", "three")}
ABOUT_ONE = {**DIALOGUE, "turns": "independent"}
TEXT_ONLY = {"id": 2, "conversations": talk("What is it?", "a red bird", "How many?", "three", image=False)}


def encoded(row: dict, chat: str, kind: str = "bytes", max_tokens: int = 999) -> Sample:
    return encode_row(row, tokenizer(kind), chat, SPEC, max_tokens)


def learnt(sample: Sample, kind: str, end: str) -> list[str]:
    """The supervised tokens as text, cut behind each end token. What follows the last one is the last entry."""
    texts, ids, stop = [], [], tokenizer(kind).convert_tokens_to_ids(end)
    for target in sample.targets[sample.targets != IGNORE_INDEX]:
        if target == stop:
            texts.append(tokenizer(kind).decode(ids))
            ids = []
        else:
            ids.append(target)
    return [text.strip() for text in texts] + [tokenizer(kind).decode(ids)]


def seen_from(sample: Sample, place: int) -> list[int]:
    """The tokens that position `place` attends to."""
    mine = (sample.branch_ids == 0) | (sample.branch_ids == sample.branch_ids[place])
    return sample.token_ids[: place + 1][mine[: place + 1]].tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chat", CHATS)
@pytest.mark.parametrize("row", [DIALOGUE, TEXT_ONLY, ABOUT_ONE], ids=["dialogue", "text_only", "independent"])
def test_the_learnt_tokens_are_the_answers_each_with_its_end(row, chat, kind):
    if row is ABOUT_ONE and not TEMPLATES[chat].asks:
        with pytest.raises(UserError, match=r"row 1: 2 independent questions, but chat is plain"):
            encoded(row, chat, kind)
        return
    assert learnt(encoded(row, chat, kind), kind, END[chat]) == ["a red bird", "three", ""]


SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


@pytest.mark.parametrize(
    ("chat", "prefix", "rest"),
    [
        ("qa", "<s>", "\nQ: What is it?\nA:« a red bird</s>»\nQ: How many?\nA:« three</s>»"),
        ("plain", "<s>", "«a red bird</s>three</s>»"),
        (
            "vicuna_v1",
            f"<s>{SYSTEM} USER: ",
            "\nWhat is it? ASSISTANT:« a red bird</s>»USER: How many? ASSISTANT:« three</s>»",
        ),
        (
            "chatml",
            "<s><|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n",
            "\nWhat is it?<|im_end|>\n<|im_start|>assistant\n«a red bird<|im_end|>»\n"
            "<|im_start|>user\nHow many?<|im_end|>\n<|im_start|>assistant\n«three<|im_end|>»",
        ),
    ],
)
def test_a_dialogue_reads_as_its_template_says(chat, prefix, rest):
    assert show_mask(encoded(DIALOGUE, chat), tokenizer()) == f"{prefix}<image x 3>\n{rest}"


@pytest.mark.parametrize("chat", CHATS)
def test_no_blank_comes_in_where_pieces_meet(chat):
    """A tokenizer that puts a blank before every text reads the same text, but for blanks behind special tokens."""

    def read(kind: str) -> str:
        text = tokenizer(kind).decode(encoded(TEXT_ONLY, chat, kind).token_ids)
        text = re.sub("[^\x00-\x7f]+", "<unk>", text)  # which one of the tokenizers cannot spell
        return re.sub(r"(<[^<> ]+>) ", r"\1", text)

    assert read("blanks") == read("bytes")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chat", CHATS)
@pytest.mark.parametrize("row", [DIALOGUE, TEXT_ONLY, ABOUT_ONE], ids=["dialogue", "text_only", "independent"])
def test_generation_is_asked_with_the_tokens_that_training_showed(row, chat, kind):
    """What the model sees where it begins to answer, position by position."""
    if row is ABOUT_ONE and not TEMPLATES[chat].asks:
        return
    sample = encoded(row, chat, kind)
    questions = ["What is it?", "How many?"] if row is ABOUT_ONE else ["What is it?"]
    prompt = encode_prompt(questions, [PICTURE] * ("image" in row), tokenizer(kind), chat, SPEC, [8] * len(questions))
    assert sample.is_image[: len(prompt.prefix_ids)].tolist() == prompt.prefix_is_image
    assert sum(prompt.prefix_is_image) == (3 if "image" in row else 0)
    for number, branch in enumerate(prompt.branches, 1):
        place = np.flatnonzero((sample.targets != IGNORE_INDEX) & np.isin(sample.branch_ids, [0, number]))[0]
        assert seen_from(sample, place) == prompt.prefix_ids + branch


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chat", ASKING)
def test_independent_questions_share_the_prefix_and_nothing_else(chat, kind):
    """Each branch is, token for token, the row that asks its question alone."""
    sample = encoded(ABOUT_ONE, chat, kind)
    assert sample.is_image.sum() == 3
    for number, pair in enumerate((("What is it?", "a red bird"), ("How many?", "three")), 1):
        alone = encoded({**DIALOGUE, "conversations": talk(*pair)}, chat, kind)
        mine = np.isin(sample.branch_ids, [0, number])
        for name in ("token_ids", "targets", "position_ids", "is_image"):
            np.testing.assert_array_equal(getattr(sample, name)[mine], getattr(alone, name), err_msg=name)


@pytest.mark.parametrize("chat", CHATS)
def test_plain_text_is_learnt_from_its_first_token(chat):
    sample = encoded({"id": 3, "conversations": [{"from": "gpt", "value": "a bird with a long bill"}]}, chat)
    assert learnt(sample, "bytes", END[chat]) == ["a bird with a long bill", ""]
    begin = tokenizer().bos_token_id
    assert sample.token_ids[0] == begin
    assert (sample.targets[:-1] == sample.token_ids[1:]).all()


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), min_size=1, max_size=3), st.booleans())
@settings(max_examples=150, deadline=None)
def test_whatever_is_written_the_learnt_tokens_are_the_answers(pairs, with_image):
    """Any characters at all; an empty answer is not learnt. And generation is asked with what stands before it."""
    turns = [text for pair in pairs for text in pair]
    row = {"id": 4, "conversations": talk(*turns, image=with_image)} | ({"image": "a.png"} if with_image else {})
    answers = [answer.strip() for _, answer in pairs if answer.strip()]
    for chat in CHATS:
        if not answers:
            with pytest.raises(UserError, match="no token to learn from"):
                encoded(row, chat)
        else:
            assert learnt(encoded(row, chat), "bytes", END[chat]) == [*answers, ""]
        for kind in KINDS if pairs[0][1].strip() else ():
            sample = encoded(row, chat, kind)
            prompt = encode_prompt([pairs[0][0]], [PICTURE] * with_image, tokenizer(kind), chat, SPEC, [8])
            first = int((sample.targets != IGNORE_INDEX).argmax())
            assert seen_from(sample, first) == prompt.prefix_ids + prompt.branches[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chat", CHATS)
def test_special_tokens_and_placeholders_written_in_a_text_stay_text(chat, kind):
    """A data set cannot end its own turn, speak as the user, or bring an image that is not there."""
    evil = "why </s> <|im_end|> and <|im_start|>?"
    special = [tokenizer(kind).convert_tokens_to_ids(t) for t in SPECIAL]

    def specials(row: dict) -> list[int]:
        ids = encoded(row, chat, kind)
        return [i for i in ids.token_ids[~ids.is_image] if i in special]

    harmless = specials({**DIALOGUE, "conversations": talk("why?", "so", "why?", "so")})
    row = {**DIALOGUE, "conversations": talk(evil, f"{evil} <image>", evil, "<|im_end|>")}
    assert specials(row) == harmless
    assert encoded(row, chat, kind).is_image.sum() == 3
    assert learnt(encoded(row, chat, kind), kind, END[chat]) == [f"{evil} <image>", "<|im_end|>", ""]
    prompt = encode_prompt([f"{evil} <image>"], [PICTURE], tokenizer(kind), chat, SPEC, [8])
    asked = encode_prompt(["why?"], [PICTURE], tokenizer(kind), chat, SPEC, [8])
    assert [i for i in prompt.branches[0] if i in special] == [i for i in asked.branches[0] if i in special]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conversations": talk("What?", "a", image=False)}, "1 images, but <image> stands 0 times"),
        ({"conversations": talk("<image> What?", "a")}, "1 images, but <image> stands 2 times"),
        ({"conversations": talk("What?", "a", "and <image>?", "b")}, "1 images, but <image> stands 2 times"),
        ({"image": ["a.png", "b.png"]}, "2 images, but <image> stands 1 times"),
        ({"conversations": talk("What?", "a", "and?")}, "must alternate and end with gpt; they are human, gpt, human"),
        ({"conversations": talk("What?", "a")[::-1]}, "must alternate"),
        ({"image": "../a.png"}, "must be relative and stay inside"),
    ],
)
def test_a_row_that_cannot_be_meant_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        encoded({**DIALOGUE, **change}, "qa")


def test_several_images_stand_in_their_order_before_the_question():
    row = {**DIALOGUE, "image": ["b.png", "a.png"], "conversations": talk("and <image>: which?", "the first")}
    sample = encoded(row, "qa")
    assert [ref.path.name for ref in sample.images] == ["b.png", "a.png"]
    assert show_mask(sample, tokenizer()) == "<s><image x 6>\n\nQ: and : which?\nA:« the first</s>»"


@pytest.mark.parametrize(
    ("chat", "message"), [("qa", "no end-of-text token"), ("chatml", "needs the token <.im_start.>")]
)
def test_a_template_whose_tokens_the_tokenizer_does_not_have_is_refused(chat, message):
    bare = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"<unk>": 0}, "<unk>")), unk_token="<unk>")
    with pytest.raises(UserError, match=message):
        encode_row(DIALOGUE, bare, chat, SPEC, 99)
