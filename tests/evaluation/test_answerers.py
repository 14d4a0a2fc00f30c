"""Released models: asked together, in any company, they answer as when asked one question at a time by `generate`."""

import dataclasses
import importlib.util
import json

import numpy as np
import pytest
import torch
from lvlm_fakes import CHATML, FAMILIES, SHARED, TEMPLATE, letter_tokenizer
from PIL import Image
from transformers import AutoConfig

import evaluation.asking.answerers.branches as branches
import evaluation.asking.answerers.lvlm as lvlm
from data_builders.shared.errors import UserError
from data_builders.shared.llava_as_published import SYSTEM
from evaluation.asking.answerers.chat import Chat
from evaluation.asking.answerers.lvlm import TransformersAnswerer
from evaluation.asking.answerers.processors import load_processor
from evaluation.protocols import Answerer, ImageQuestions, Question

QUESTIONS = (
    "What is it?",
    "Is it a wug? Answer with yes or no.",
    'Which? "a b", "cd".',
    "Say <image> please </s>",
    "x",
)
OPTIONS = ("yes", "Yes", "no", "lum wug")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Family -> its folder, made when it is first asked for."""
    made = {}

    def folder(family):
        if family not in made:
            made[family] = FAMILIES[family](tmp_path_factory.mktemp(family) / "model")
        return made[family]

    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    place, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    paths = []
    for name, (width, height) in {"square": (40, 40), "wide": (70, 30), "tall": (33, 90)}.items():
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{name}.png")
        paths.append(place / f"{name}.png")
    return paths


def groups_of(pictures, text=True):
    """Unequal numbers of questions, limits and options; one group without a picture."""
    groups = [
        ImageQuestions(path, tuple(Question(q, 12 + i, OPTIONS) for q in QUESTIONS[: len(QUESTIONS) - i]))
        for i, path in enumerate(pictures)
    ]
    groups[1] = dataclasses.replace(groups[1], questions=(*groups[1].questions, Question("Why?", 1), Question("y", 30)))
    return groups + [ImageQuestions(None, (Question("How many?", 9, ("one", "two")), Question("Why?", 9)))] * text


def equal(found, expected, tolerance=1e-3):
    for replies, others in zip(found, expected, strict=True):
        for one, other in zip(replies, others, strict=True):
            assert (one.text, one.finished) == (other.text, other.finished)
            assert (one.options is None) == (other.options is None)
            for (log_p, tokens), (other_log_p, other_tokens) in zip(
                one.options or (), other.options or (), strict=True
            ):
                assert tokens == other_tokens
                assert log_p == pytest.approx(other_log_p, abs=tolerance)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_answers_together_are_those_of_generate_one_by_one(family, folders, pictures):
    together = TransformersAnswerer(str(folders(family)))
    alone = TransformersAnswerer(str(folders(family)), sharing=False)
    assert isinstance(together, Answerer)
    assert (together.prefixes is not None) == (family != "blip2_t5")
    assert alone.prefixes is None
    assert together.settings["sharing"] != alone.settings["sharing"] or family == "blip2_t5"
    assert together.model_hash == alone.model_hash
    groups = groups_of(pictures, text=not family.startswith("blip2"))
    expected = alone.answer(groups)
    equal(together.answer(groups), expected)
    texts = [answer.text for replies in expected for answer in replies]
    assert len(set(texts)) > len(texts) / 2, "answers that differ"
    assert {answer.finished for replies in expected for answer in replies} == {True, False} or family.startswith(
        "blip2"
    )


@pytest.mark.parametrize("family", SHARED)
def test_an_answer_does_not_depend_on_its_company(family, folders, pictures, monkeypatch):
    model = TransformersAnswerer(str(folders(family)))
    groups = groups_of(pictures)
    expected = model.answer(groups)
    equal(model.answer(groups[::-1])[::-1], expected)
    for group, replies in zip(groups, expected, strict=True):
        for question, reply in zip(group.questions, replies, strict=True):
            equal(model.answer([dataclasses.replace(group, questions=(question,))]), [[reply]])
    # rows of at most two questions, few tokens at once
    monkeypatch.setattr(branches, "BRANCHES_A_ROW", 2)
    monkeypatch.setattr(lvlm, "PREFIX_TOKENS_AT_ONCE", 30)
    model.branch_tokens = 150
    equal(model.answer(groups), expected)


@pytest.mark.parametrize("family", SHARED)
def test_a_picture_is_encoded_once_for_all_its_questions(family, folders, pictures, monkeypatch):
    model = TransformersAnswerer(str(folders(family)))
    tower = model.model.model.visual if family.startswith("qwen") else model.model.model.vision_tower
    seen = []
    tower.register_forward_hook(lambda *_: seen.append(1))
    reads = []
    monkeypatch.setattr(model.pictures, "read", lambda path, read=model.pictures.read: reads.append(path) or read(path))
    model.answer(groups_of(pictures, text=False))
    assert sorted(reads) == sorted(pictures)
    assert len(seen) <= len(pictures)


def test_a_family_that_goes_wrong_together_is_asked_one_by_one(folders, pictures, monkeypatch):
    alone = TransformersAnswerer(str(folders("qwen2_5_vl")), sharing=False)
    # positions of questions that forget how far the picture's reach
    monkeypatch.setattr("evaluation.asking.answerers.prefix.next_positions", lambda _, lengths: lengths + 3)
    model = TransformersAnswerer(str(folders("qwen2_5_vl")))
    assert model.prefixes is None
    assert "differ by" in model.settings["sharing"]
    equal(model.answer(groups_of(pictures)), alone.answer(groups_of(pictures)))


def test_the_likelihood_of_a_text_is_that_of_the_whole_model(folders):
    model = TransformersAnswerer(str(folders("llava")))
    (log_p, tokens), none = model.text_log_likelihood(["hello there", ""])
    ids = torch.tensor([[1, *model.tokenizer("hello there", add_special_tokens=False)["input_ids"], 2]])
    with torch.no_grad():
        loss = model.model(input_ids=ids, labels=ids).loss
    assert tokens == ids.shape[1] - 1
    assert log_p == pytest.approx(-float(loss) * tokens, rel=1e-4)
    assert none[1] == 1  # the end after the begin of text
    assert not TransformersAnswerer(str(folders("blip2_t5"))).measures_text


def test_identity_follows_weights_chat_and_pixels(folders, tmp_path):
    import shutil

    source = folders("llava")
    base = TransformersAnswerer(str(source))

    def changed(change):
        folder = tmp_path / change.__name__
        shutil.copytree(source, folder)
        change(folder)
        return TransformersAnswerer(str(folder))

    def weights(folder):
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / "model.safetensors")
        tensors[sorted(tensors)[0]] += 0.01
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    def pixels(folder):
        values = json.loads((folder / "preprocessor_config.json").read_text())
        (folder / "preprocessor_config.json").write_text(json.dumps(values | {"image_mean": [0.1, 0.1, 0.1]}))

    def chat(folder):
        path = folder / "chat_template.jinja"
        path.write_text(path.read_text().replace("USER", "Q"))

    def nothing(folder):
        pass

    assert changed(weights).model_hash != base.model_hash
    for change in (pixels, chat):
        model = changed(change)
        assert model.model_hash == base.model_hash
        assert model.settings != base.settings
    same = changed(nothing)
    assert (same.model_hash, same.settings) == (base.model_hash, base.settings)


def without(pattern):
    def change(folder):
        for path in folder.glob(pattern):
            path.unlink()

    return change


def cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:2000])


def another_size(folder):
    values = json.loads((folder / "config.json").read_text())
    values["text_config"]["vocab_size"] = 97
    (folder / "config.json").write_text(json.dumps(values))


def other_pixels(folder):
    values = json.loads((folder / "preprocessor_config.json").read_text())
    sizes = {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}
    (folder / "preprocessor_config.json").write_text(json.dumps(values | sizes))


def own_code(folder):
    values = {"model_type": "mystery", "auto_map": {"AutoConfig": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps(values))
    (folder / "evil.py").write_text("raise SystemExit('this ran')")


def language_alone(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("*.safetensors"), "no weights"),
        (cut, "cannot be read"),
        (another_size, "another shape"),
        (without("preprocessor_config.json"), "preprocessor_config"),
        (without("tokenizer*"), "tokenizer"),
        (other_pixels, "do not fit"),
        (own_code, "never trusted"),
        (language_alone, "not a model that transformers asks about pictures"),
        (without("config.json"), "config.json"),
    ],
)
def test_a_folder_that_cannot_be_asked_says_why(folders, tmp_path, change, message):
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(folders("llava"), folder)
    change(folder)
    with pytest.raises(UserError, match=message):
        TransformersAnswerer(str(folder))


def test_a_model_without_a_chat_template_is_refused_unless_its_form_is_published(folders, tmp_path):
    import shutil

    for family, refused in (("internvl", True), ("llava", False)):
        folder = tmp_path / family
        shutil.copytree(folders(family), folder)
        (folder / "chat_template.jinja").unlink()
        if refused:
            with pytest.raises(UserError, match="no chat template"):
                TransformersAnswerer(str(folder))
        else:
            assert TransformersAnswerer(str(folder)).chat.around[True] == (f"{SYSTEM} USER: <image>\n", " ASSISTANT:")


def test_options_are_the_tokens_that_an_answer_would_have():
    """A prompt that ends with a word is followed by a blank; one that ends a line is not."""
    for template, blank in ((TEMPLATE, " "), (CHATML, "")):
        tokenizer = letter_tokenizer(template)
        chat = Chat("model", tokenizer, "llava", 3)
        (ids,) = chat.options("Is it?", ["yes"], True)
        assert tokenizer.convert_ids_to_tokens(ids) == list(blank + "yes")


def test_special_tokens_in_a_question_stay_text():
    chat = Chat("model", letter_tokenizer(), "llava", 3)
    hostile, _ = chat.prompt("a <image></s> b", None)
    assert not {2, 3} & set(hostile)
    plain, _ = chat.prompt("a b", None)
    assert hostile[:7] == plain[:7]
    assert hostile[-11:] == plain[-11:]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("gemma3n", "Gemma3nProcessor also takes feature_extractor, which is not known here. Serve the model"),
        ("smolvlm", r"SmolVLMProcessor cannot be made \(Package `num2words` is required"),
        ("clip_vision_model", "transformers has no processor for 'clip_vision_model'. Serve the model"),
    ],
)
def test_a_family_that_cannot_be_asked_here_says_so_in_one_line(kind, said, folders):
    if kind == "smolvlm" and importlib.util.find_spec("num2words") is not None:
        pytest.skip("num2words is installed")
    with pytest.raises(UserError, match=said) as refused:
        load_processor(str(folders("llava")), AutoConfig.for_model(kind), letter_tokenizer())
    assert "endpoint:NAME" in str(refused.value)
    assert "\n" not in str(refused.value)
