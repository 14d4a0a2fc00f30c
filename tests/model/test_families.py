"""Released families are trained and asked as transformers itself would, in packed rows or not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from family_fakes import (
    FAMILIES,
    ROWS,
    built,
    native_inputs,
    one_by_one,
    pixels_of,
    samples_of,
    write_family,
    write_pictures,
)
from model_fakes import gradients
from torch import Tensor
from transformers import AutoModelForImageTextToText

from evaluation.protocols import ImageQuestions, Question
from fgtrain.batch import IGNORE_INDEX
from fgtrain.data.packing import pack
from fgtrain.data.sample import Sample
from fgtrain.model import LVLM, load_checkpoint, save_checkpoint, set_trainable
from fgtrain.model.generation import Generator
from fgtrain.recipe.model_schema import TrainPart
from fgtrain.training.answerer import ModelAnswerer

PARTS = {part: TrainPart(lr=1.0) for part in ("vision_encoder", "projector", "language_model")}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("families")
    return {kind: write_family(kind, place / kind) for kind in FAMILIES} | {"pictures": write_pictures(place)}


@pytest.fixture(params=FAMILIES)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def lvlm(kind: str, folders: dict[str, Path]) -> LVLM:
    # Of a model so small a long system text leaves nothing of the question.
    return built(folders[kind], **({"chat": "qa"} if kind == "llava" else {}))


def logits_BTV(lvlm: LVLM, samples: list[Sample]) -> Tensor:
    batch = pack(samples, 10_000, pixels_NCHW=pixels_of(lvlm, samples))
    return lvlm.lm_head(lvlm.hidden_BTD(lvlm.embed(batch), batch))


@torch.no_grad()
def test_logits_are_those_of_transformers(kind: str, lvlm: LVLM, folders: dict[str, Path]):
    native = AutoModelForImageTextToText.from_pretrained(folders[kind], dtype=torch.float32).eval()
    for sample in samples_of(lvlm, folders["pictures"]):
        ours_TV = logits_BTV(lvlm, [sample])[0]
        for branch in range(1, sample.branch_ids.max() + 1):
            mine = torch.from_numpy(np.isin(sample.branch_ids, [0, branch]))
            theirs_TV = native(**native_inputs(kind, lvlm, sample, branch)).logits[0]
            torch.testing.assert_close(ours_TV[mine], theirs_TV, rtol=1e-5, atol=1e-5)


def run(lvlm: LVLM, groups: list[list[Sample]], pack_tokens: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(losses of each row, gradient of their sum), one batch a group."""
    losses: dict[str, list[Tensor]] = {}
    for samples in groups:
        labels = {sample.name: sample.labels for sample in samples}
        batch = pack(samples, pack_tokens, pixels_NCHW=pixels_of(lvlm, samples))
        losses_S = lvlm.token_losses_S(batch)
        losses_S.sum().backward()
        pieces = losses_S.detach().split([labels[name] for name in batch.samples])
        for name, piece in zip(batch.samples, pieces, strict=True):
            losses.setdefault(name, []).append(piece)
    return {name: torch.cat(pieces) for name, pieces in losses.items()}, gradients(lvlm)


def test_packing_and_sharing_a_prefix_change_neither_losses_nor_gradients(lvlm: LVLM, folders: dict[str, Path]):
    set_trainable(lvlm, PARTS)
    lvlm.eval()
    samples = samples_of(lvlm, folders["pictures"])
    losses, gradient = run(lvlm, [[sample] for sample in one_by_one(lvlm, folders["pictures"])], 1)
    trainable = {name for name, parameter in lvlm.named_parameters() if parameter.requires_grad}
    assert gradient.keys() == trainable
    for groups, room in (([samples], 10_000), ([samples], 150), ([samples[::-1]], 10_000), ([[s] for s in samples], 1)):
        found_losses, found_gradient = run(lvlm, groups, room)
        for name, expected in losses.items():
            torch.testing.assert_close(found_losses[name], expected, rtol=1e-6, atol=1e-5)
            assert float(found_losses[name].sum()) == pytest.approx(float(expected.sum()), rel=1e-6)
        for name, expected in gradient.items():
            largest = max(float(g.abs().max()) for n, g in gradient.items() if n.split(".")[:4] == name.split(".")[:4])
            off = float((found_gradient[name] - expected).abs().max())
            assert off <= 1e-5 * largest, f"{name} is off by {off} at a scale of {largest}"


def test_what_the_vision_features_do_not_hang_on_stays_frozen(kind: str, lvlm: LVLM):
    set_trainable(lvlm, PARTS)
    frozen = {name.removeprefix("hf.model.") for name, p in lvlm.named_parameters() if not p.requires_grad}
    unused = {"llava": ["layers.2", "post_layernorm"], "llava_onevision": ["post_layernorm"]}
    expected = (unused | {"llava_next": unused["llava"]}).get(kind, [])
    assert all(any(name.startswith("vision_tower.") and one in name for one in expected) for name in frozen)
    assert all(any(one in name for name in frozen) for one in expected)


@pytest.mark.parametrize("learns", ["vision_encoder", "projector"])
def test_a_batch_without_image_runs_the_vision_parts_with_gradients_of_zero(
    lvlm: LVLM, folders: dict[str, Path], learns: str
):
    set_trainable(lvlm, {learns: TrainPart(lr=1.0), "language_model": TrainPart(lr=1.0)})
    text = samples_of(lvlm, folders["pictures"], ROWS[1:2])
    expected_S = lvlm.token_losses_S(pack(text, 500)).detach()
    lvlm.train()
    for samples in (text, []):
        losses_S = lvlm.token_losses_S(pack(samples, 500))
        if samples:
            torch.testing.assert_close(losses_S, expected_S)
        (losses_S.sum() + 0.0 * sum(p.sum() for p in lvlm.parts["language_model"].parameters())).backward()
        for name, parameter in lvlm.part_parameters(learns):
            assert not parameter.requires_grad or (parameter.grad is not None and not parameter.grad.any()), name
        lvlm.zero_grad()


@torch.no_grad()
def test_a_saved_checkpoint_is_the_model_for_transformers_alone(
    kind: str, lvlm: LVLM, folders: dict[str, Path], tmp_path: Path
):
    for parameter in lvlm.parameters():
        parameter *= 1.01
    save_checkpoint(lvlm, tmp_path / "saved", {})
    native = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved", dtype=torch.float32).eval()
    again = load_checkpoint(tmp_path / "saved")
    assert (again.image_spec, again.chat) == (lvlm.image_spec, lvlm.chat)
    sample = samples_of(lvlm, folders["pictures"], ROWS[3:])[0]
    expected_TV = logits_BTV(lvlm, [sample])[0]
    torch.testing.assert_close(logits_BTV(again, [sample])[0], expected_TV, rtol=0, atol=1e-6)
    theirs_TV = native(**native_inputs(kind, lvlm, sample, 1)).logits[0]
    torch.testing.assert_close(theirs_TV, expected_TV, rtol=1e-5, atol=1e-5)
    assert (sample.targets != IGNORE_INDEX).any()


@torch.no_grad()
def test_answers_are_those_of_transformers(kind: str, lvlm: LVLM, folders: dict[str, Path]):
    """Asked as evaluation asks: several questions about each picture at once, and about none."""
    native = AutoModelForImageTextToText.from_pretrained(folders[kind], dtype=torch.float32).eval()
    answerer = ModelAnswerer(lvlm, "model")
    images = [folders["pictures"] / f"{name}.png" for name in ("wide", "high", "large")]
    questions = tuple(Question(text, 12) for text in ("what is it?", "a gull or a tern, and which of the two?"))
    groups = [ImageQuestions(image, questions) for image in (*images, None)]
    found = answerer.answer(groups)
    native.generation_config.eos_token_id = Generator(lvlm).end.tolist()
    answers = []
    for group, replies in zip(groups, found, strict=True):
        for question, reply in zip(group.questions, replies, strict=True):
            turns = [{"from": "human", "value": question.prompt}, {"from": "gpt", "value": "yes"}]
            row = {"id": "asked", "conversations": turns}
            if group.image is not None:
                turns[0]["value"] = f"<image>\n{question.prompt}"
                row["image"] = group.image.name
            [sample] = samples_of(lvlm, folders["pictures"], [row])
            inputs = native_inputs(kind, lvlm, sample, 1)
            asked = int((sample.targets != IGNORE_INDEX).argmax()) + 1
            for name in ("input_ids", "mm_token_type_ids", "token_type_ids"):
                if name in inputs:
                    inputs[name] = inputs[name][:, :asked]
            made = native.generate(**inputs, max_new_tokens=12, do_sample=False)[0, asked:].tolist()
            ended = made[-1] in native.generation_config.eos_token_id
            text = lvlm.tokenizer.decode(made[:-1] if ended else made, skip_special_tokens=True).strip()
            assert (reply.text, reply.finished) == (text, ended)
            answers.append(text)
    assert len(set(answers)) > 4, "answers that hang on the picture and on the question"
