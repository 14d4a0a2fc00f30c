"""A composed model as evaluation asks it: options are weighed as training would show them, from what is read anyway."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data_builders.shared.pictures import ChangedPicture
from evaluation.perturbing.picture_changes import Blank
from evaluation.protocols import Answerer, ImageQuestions, Question
from fgtrain.data import FeatureCache, encode_options, encode_prompt, encode_row
from fgtrain.model import build_model
from fgtrain.model.generation import Generator
from fgtrain.training.answerer import ModelAnswerer

QUESTIONS = ("is it a wug?", "which bird?", "say </s>")
OPTIONS = ("yes", "no", "lum wug", "lum wug or dax")


@pytest.fixture(scope="module")
def fakes():
    import importlib.util
    import sys

    path = Path(__file__).parents[1] / "model" / "model_fakes.py"
    spec = importlib.util.spec_from_file_location("model_fakes", path)
    module = sys.modules.setdefault("model_fakes", importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=["qa", "vicuna_v1", "chatml"])
def lvlm(request, fakes, tmp_path_factory):
    place = tmp_path_factory.mktemp("parts")
    vision = fakes.write_vision_encoder(place / "vision")
    language = fakes.write_language_model(place / "language", max_position_embeddings=512)
    values = fakes.model_values(vision, language, chat=request.param, max_tokens=400)
    return build_model(values, network=False, seed=5)


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    return path


def log_p(lvlm, prompt, branch, pixels, option):
    """The slow way: the whole conversation read anew, the option's tokens looked up."""
    ids = prompt.prefix_ids + prompt.branches[branch] + option
    is_image = prompt.prefix_is_image + [False] * (len(ids) - len(prompt.prefix_ids))
    embeds = lvlm.hf.get_input_embeddings()(torch.tensor([ids]))
    with torch.no_grad():
        if pixels is not None:
            image = lvlm.project(lvlm.encode_images(pixels)).to(embeds.dtype)
            embeds = embeds.masked_scatter(torch.tensor([is_image])[..., None], image)
        hidden = lvlm.decoder(inputs_embeds=embeds, use_cache=False).last_hidden_state[0]
        found = torch.log_softmax(lvlm.lm_head(hidden).float(), -1)
    start = len(ids) - len(option)
    return sum(float(found[start + i - 1, token]) for i, token in enumerate(option))


def test_options_weigh_what_reading_the_whole_conversation_says(lvlm, picture):
    answerer = ModelAnswerer(lvlm, "model")
    assert isinstance(answerer, Answerer)
    groups = [
        ImageQuestions(picture, tuple(Question(q, 6, OPTIONS[: 4 - i]) for i, q in enumerate(QUESTIONS))),
        ImageQuestions(None, (Question("how many?", 3, ("one", "two")), Question("why?", 3))),
    ]
    found = answerer.answer(groups)
    for group, replies in zip(groups, found, strict=True):
        (pixels,) = [None] if group.image is None else [pixels_of(answerer, group.image)]
        for place, (question, reply) in enumerate(zip(group.questions, replies, strict=True)):
            if not question.options:
                assert reply.options is None
                continue
            layouts = answerer._layouts(group.image)
            prompt = answerer._prompt(group, layouts)
            ids = encode_options(question.prompt, question.options, layouts, lvlm.tokenizer, lvlm.chat, lvlm.image_spec)
            expected = [log_p(lvlm, prompt, place, pixels, option) for option in ids]
            assert [sum_ for sum_, _ in reply.options] == pytest.approx(expected, abs=1e-4)
            assert [count for _, count in reply.options] == [len(option) for option in ids]
    # answers are the same with and without
    bare = [
        dataclasses.replace(g, questions=tuple(dataclasses.replace(q, options=()) for q in g.questions)) for g in groups
    ]
    again = answerer.answer(bare)
    assert [[(a.text, a.finished) for a in r] for r in again] == [[(a.text, a.finished) for a in r] for r in found]


def test_a_list_of_names_weighs_what_each_name_alone_does(lvlm, picture):
    """As the whole answer: with the end that training shows behind it, or another token that ends an answer."""
    answerer, names = ModelAnswerer(lvlm, "model"), ("wug", "wug tam", "wug tamdax", "w", "lum dax", "lum wug")
    questions = tuple(Question(q, 0, names=names[: 6 - i]) for i, q in enumerate(QUESTIONS))
    ends = Generator(lvlm).end.tolist()
    for image in (picture, None):
        group = ImageQuestions(image, questions)
        layouts = answerer._layouts(image)
        prompt, pixels = answerer._prompt(group, layouts), None if image is None else pixels_of(answerer, image)
        [found] = answerer.answer([group])
        for place, (question, reply) in enumerate(zip(questions, found, strict=True)):
            ids = encode_options(question.prompt, question.names, layouts, lvlm.tokenizer, lvlm.chat, lvlm.image_spec)
            alone = [[log_p(lvlm, prompt, place, pixels, [*name, end]) for end in ends] for name in ids]
            expected = np.logaddexp.reduce(alone, axis=1)
            assert reply.names == pytest.approx(list(expected), rel=1e-5, abs=1e-5)
            assert (reply.text, reply.options) == ("", None)


def pixels_of(answerer, path):
    from fgtrain.data import ImageRef, render

    return torch.as_tensor(render(ImageRef(path), answerer.lvlm.image_spec, "none", ()))


@pytest.mark.parametrize("with_image", [True, False])
def test_an_option_has_the_tokens_that_training_shows_for_it_as_the_answer(lvlm, with_image):
    tokenizer, chat, spec = lvlm.tokenizer, lvlm.chat, lvlm.image_spec
    layouts = [spec.layout(50, 40)] * with_image
    (option,) = encode_options("is it a wug?", ["yes"], layouts, tokenizer, chat, spec)
    (prompt,) = encode_prompt(["is it a wug?"], layouts, tokenizer, chat, spec, [4]).branches
    value = "<image>\nis it a wug?" if with_image else "is it a wug?"
    row = {"id": "r", "conversations": [{"from": "human", "value": value}, {"from": "gpt", "value": "yes"}]}
    if with_image:
        row["image"] = "a.png"
    sample = encode_row(row, tokenizer, chat, spec, 400)
    shown = sample.token_ids.tolist()
    assert shown[-1 - len(option) - len(prompt) : -1] == prompt + option


def test_the_plain_chat_weighs_what_follows_the_picture(fakes, picture, tmp_path):
    vision, language = (
        fakes.write_vision_encoder(tmp_path / "vision"),
        fakes.write_language_model(tmp_path / "language"),
    )
    lvlm = build_model(fakes.model_values(vision, language, chat="plain"), network=False, seed=5)
    answerer = ModelAnswerer(lvlm, "model")
    group = ImageQuestions(picture, (Question("ignored", 4, ("a bird", "")),))
    ((reply,),) = answerer.answer([group])
    layouts = answerer._layouts(picture)
    ids = encode_options("ignored", ["a bird"], layouts, lvlm.tokenizer, "plain", lvlm.image_spec)
    expected = log_p(lvlm, answerer._prompt(group, layouts), 0, pixels_of(answerer, picture), ids[0])
    assert reply.options[0] == (pytest.approx(expected, abs=1e-4), len(ids[0]))
    assert reply.options[1] == (0.0, 0)


def test_kept_features_never_stand_for_a_perturbed_picture(lvlm, picture, tmp_path):
    """Asked with kept features and without, beside the plain picture or alone: the same, and not the plain answer."""
    blank = ChangedPicture(picture, Blank())
    questions = (Question("is it a wug?", 3, ("yes", "no")),)
    kept = FeatureCache(tmp_path, lvlm.encode_images, "this encoder", lvlm.image_spec)
    found = []
    for features, images in ((None, (picture, blank)), (kept, (picture, blank)), (kept, (blank,))):
        answers = ModelAnswerer(lvlm, "model", features=features).answer(
            [ImageQuestions(image, questions) for image in images]
        )
        found.append([answer.options[0][0] for [answer] in answers])
    plain, without = found[0]
    assert found[1] == pytest.approx([plain, without], abs=1e-4)
    assert found[2] == pytest.approx([without], abs=1e-4)
    assert abs(plain - without) > 1e-3
