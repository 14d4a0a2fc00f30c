"""Answers are those of reading everything anew for each token, whatever is asked together."""

import dataclasses

import numpy as np
import pytest
import torch
from model_fakes import IMAGE_TOKENS, SPECIAL, draw_ids, model_values, naive_greedy, pixels
from torch import Tensor

import fgtrain.model.generation as generation
from fgtrain.batch import Prompt
from fgtrain.data.chat import encode_prompt
from fgtrain.data.sample import IMAGE_ID
from fgtrain.model import LVLM, build_model
from fgtrain.model.generation import generate
from fgtrain.model.text_likelihood import text_log_likelihood


def drawn_prompt(
    seed: int, head: int, images: int, branches: list[int], new: list[int]
) -> tuple[Prompt, Tensor | None]:
    """A prompt with `head` tokens before its images and branches of the given lengths; its pixels."""
    rng = np.random.default_rng(seed)
    ids = draw_ids(rng, head) + [IMAGE_ID] * (images * IMAGE_TOKENS)
    is_image = [False] * head + [True] * (images * IMAGE_TOKENS)
    prompt = Prompt(ids, is_image, [draw_ids(rng, length) for length in branches], new)
    return prompt, pixels(images, seed) if images else None


def drawn_prompts() -> list[tuple[Prompt, Tensor | None]]:
    """Prefixes of unequal length, with and without images; an empty branch goes on from its prefix's last token."""
    return [
        drawn_prompt(0, 1, 1, [5, 2, 9], [12, 12, 3]),
        drawn_prompt(1, 4, 1, [3, 0, 3], [12, 12, 1]),
        drawn_prompt(2, 1, 0, [7, 1], [12, 12]),
        drawn_prompt(3, 2, 2, [0], [12]),
        drawn_prompt(4, 0, 0, [4, 6], [12, 12]),  # nothing in common: a tokenizer without begin-of-text token
        drawn_prompt(5, 3, 0, [], []),
        drawn_prompt(6, 2, 0, [0, 2], [12, 12]),
    ]


def features_of(lvlm: LVLM, image_NCHW: Tensor | None) -> Tensor | None:
    return None if image_NCHW is None else lvlm.encode_images(image_NCHW)


def naive_answers(lvlm: LVLM, asked: list[tuple[Prompt, Tensor | None]]) -> list[list[tuple[list[int], bool]]]:
    return [[naive_greedy(lvlm, prompt, b, image) for b in range(len(prompt.branches))] for prompt, image in asked]


@pytest.fixture
def answering(lvlm: LVLM) -> LVLM:
    """A model of which some answers end and others do not: a letter that it often writes is its end token."""
    answers = naive_answers(lvlm, drawn_prompts())
    letters = range(len(SPECIAL), len(lvlm.tokenizer))
    late = [token for replies in answers for tokens, _ in replies for token in tokens[3:] if token in letters]
    lvlm.tokenizer.eos_token = lvlm.tokenizer.convert_ids_to_tokens(max(set(late), key=late.count))
    return lvlm


def test_answers_together_are_those_of_naive_decoding(answering: LVLM):
    asked = drawn_prompts()
    expected = naive_answers(answering, asked)
    ends = [finished for replies in expected for _, finished in replies]
    assert any(ends)
    assert not all(ends)
    assert len({tuple(tokens) for replies in expected for tokens, _ in replies}) > 6, "answers that differ"
    features = [features_of(answering, image) for _, image in asked]
    assert generate(answering, [prompt for prompt, _ in asked], features) == expected
    backwards = generate(answering, [prompt for prompt, _ in asked][::-1], features[::-1])
    assert backwards[::-1] == expected


def test_an_answer_does_not_depend_on_what_else_is_asked(answering: LVLM, monkeypatch: pytest.MonkeyPatch):
    asked = drawn_prompts()
    features = [features_of(answering, image) for _, image in asked]
    together = generate(answering, [prompt for prompt, _ in asked], features)
    for (prompt, _), feature, expected in zip(asked, features, together, strict=True):
        assert generate(answering, [prompt], [feature]) == [expected]
    for limits in ((1, 1), (50, 60)):  # every prompt and question by itself, then a few at a time
        monkeypatch.setattr(generation, "PREFIX_TOKENS_AT_ONCE", limits[0])
        monkeypatch.setattr(generation, "BRANCH_TOKENS_AT_ONCE", limits[1])
        assert generate(answering, [prompt for prompt, _ in asked], features) == together


def test_an_answer_stops_at_its_own_limit(answering: LVLM):
    prompt, image = drawn_prompts()[0]
    prompt = dataclasses.replace(prompt, branches=[prompt.branches[0]] * 13, max_new_tokens=list(range(13)))
    answers = generate(answering, [prompt], [features_of(answering, image)])[0]
    longest, _ = max(answers, key=lambda answer: len(answer[0]))
    for limit, (tokens, finished) in enumerate(answers):
        assert tokens == longest[:limit]
        # The end token counts as one of the tokens allowed.
        assert finished == (naive_greedy(answering, prompt, limit, image)[1])


def test_features_of_one_image_need_no_image_axis(lvlm: LVLM):
    prompt, image = drawn_prompts()[0]
    features_NPF = features_of(lvlm, image)
    assert generate(lvlm, [prompt], [features_NPF]) == generate(lvlm, [prompt], [features_NPF[0]])


@pytest.mark.parametrize(("chat", "end"), [("plain", "</s>"), ("qa", "</s>"), ("chatml", "<|im_end|>")])
def test_every_chat_can_be_answered_and_ended(vision: object, language: object, chat: str, end: str):
    lvlm = build_model(model_values(vision, language, chat=chat), network=False, seed=5)
    image, spec = pixels(1), lvlm.image_spec
    picture, new = spec.layout(32, 32), [8, 8]
    with_image = encode_prompt(["what is it?", "a sea bird?"], [picture], lvlm.tokenizer, chat, spec, new)
    text_only = encode_prompt(["how many?"], [], lvlm.tokenizer, chat, spec, new[:1])
    assert ([] in with_image.branches) == (chat == "plain")
    asked = [(with_image, image), (text_only, None)]
    found = generate(lvlm, [with_image, text_only], [features_of(lvlm, image), None])
    assert found == naive_answers(lvlm, asked)
    # The token that this chat's training puts behind an answer ends it.
    first = found[0][0][0][0]
    with torch.no_grad():
        weight = lvlm.hf.get_output_embeddings().weight
        weight[lvlm.tokenizer.convert_tokens_to_ids(end)] = weight[first] * 2
    assert generate(lvlm, [with_image], [features_of(lvlm, image)])[0][0] == ([], True)


def test_a_prompt_and_its_features_must_agree(lvlm: LVLM):
    prompt, image = drawn_prompts()[0]
    text, _ = drawn_prompts()[2]
    nothing = Prompt([], [], [[]], [4])
    for prompts, features in (([prompt], [None]), ([text], [features_of(lvlm, image)]), ([nothing], [None])):
        with pytest.raises(ValueError, match=r"image|empty"):
            generate(lvlm, prompts, features)


def test_likelihood_of_a_text_is_that_of_the_language_model(lvlm: LVLM):
    rng = np.random.default_rng(0)
    texts = [draw_ids(rng, length) for length in (9, 2, 1, 40, 0, 17, 9)]
    found = text_log_likelihood(lvlm, texts)
    few_at_once = text_log_likelihood(lvlm, texts, tokens_at_once=20)
    for text, (log_p, count), again in zip(texts, found, few_at_once, strict=True):
        assert again == pytest.approx((log_p, count), rel=1e-5)
        assert count == max(0, len(text) - 1)
        if not count:
            assert log_p == 0.0
            continue
        ids = torch.tensor([text])
        with torch.no_grad():
            mean_loss = lvlm.hf.language_model(input_ids=ids, labels=ids).loss
        assert log_p == pytest.approx(-float(mean_loss) * count, rel=1e-5)
