"""A preference as tokens: one prefix with the picture, two branches; or its chosen answer alone. Never a half."""

import numpy as np
import pytest
from data_fakes import SPEC, tokenizer
from PIL import Image

from data_builders.records import conversation
from fgtrain.data import encode_row, show_mask
from fgtrain.errors import UserError
from fgtrain.plan.data_facts import count_answers

QUESTION = "What is in the picture?"


@pytest.fixture
def row(tmp_path) -> dict:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    asked = conversation(QUESTION, "")[:1]
    return {"id": "1", "image": "a.png", "conversations": asked, "chosen": "a red bird", "rejected": "a bill"}


def encoded(row: dict, root, *, chat: str = "qa", paired: bool = False, max_tokens: int = 200):
    return encode_row(row, tokenizer(), chat, SPEC, max_tokens, image_root=root, paired=paired)


def same(sample, other) -> bool:
    fields = ("token_ids", "targets", "branch_ids", "position_ids", "is_image")
    return all(np.array_equal(getattr(sample, one), getattr(other, one)) for one in fields)


@pytest.mark.parametrize("chat", ["qa", "chatml"])
def test_a_pair_is_two_questions_behind_one_picture(row, tmp_path, chat):
    def plain(*answers: str, **more: object) -> dict:
        turns = [turn for answer in answers for turn in conversation(QUESTION, answer)]
        turns[2:] = [{**turn, "value": turn["value"].removeprefix("<image>\n")} for turn in turns[2:]]
        return {"id": "1", "image": "a.png", "conversations": turns, **more}

    pair = encoded(row, tmp_path, chat=chat, paired=True)
    assert same(pair, encoded(plain("a red bird", "a bill", turns="independent"), tmp_path, chat=chat))
    assert same(encoded(row, tmp_path, chat=chat), encoded(plain("a red bird"), tmp_path, chat=chat))
    assert pair.counts.image_tokens == SPEC.tokens
    shown = show_mask(pair, tokenizer()).split("\n")
    learnt = [text.split("»")[0].strip() for text in "".join(shown).split("«")[1:]]
    assert [text.removesuffix("</s>").removesuffix("<|im_end|>") for text in learnt] == ["a red bird", "a bill"]


def test_earlier_answers_are_read_and_not_learnt(row, tmp_path):
    before = [*conversation("How many?", "three"), {"from": "human", "value": QUESTION}]
    pair = encoded(row | {"conversations": before}, tmp_path, paired=True)
    alone = encoded(row, tmp_path, paired=True)
    assert pair.labels == alone.labels
    assert len(pair) > len(alone)


def test_what_is_no_whole_pair_is_refused(row, tmp_path):
    whole = encoded(row, tmp_path, paired=True)
    longest = max(int((whole.branch_ids == one).sum()) for one in (1, 2)) + int((whole.branch_ids == 0).sum())
    assert same(encoded(row, tmp_path, paired=True, max_tokens=longest), whole)
    with pytest.raises(UserError, match=f"max_tokens is {longest - 1}, and cutting would lose the answer"):
        encoded(row, tmp_path, paired=True, max_tokens=longest - 1)
    single = {"id": "2", "image": "a.png", "conversations": conversation(QUESTION, "a bird")}
    with pytest.raises(UserError, match=r"no chosen and rejected answers.*data_builders preferences"):
        encoded(single, tmp_path, paired=True)
    with pytest.raises(UserError, match="2 answers to compare, but chat is plain"):
        encoded(row, tmp_path, chat="plain", paired=True)


def test_a_pair_counts_as_one_answer(tmp_path):
    import json

    lines = [
        {"conversations": conversation("?", "a")[:1], "chosen": "a", "rejected": "b"},
        {"conversations": conversation("?", 'he said "chosen": "x"') * 2},
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert count_answers(tmp_path / "rows.jsonl") == 3
