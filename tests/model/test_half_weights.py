"""Asking in bf16 with weights cast once and narrow keys: answers as autocast gives them, and the model as before."""

from pathlib import Path

import pytest
import torch
from family_fakes import FAMILIES, built, write_family, write_pictures
from torch import nn

import evaluation.asking.answerers.running as running
from evaluation.protocols import ImageQuestions, Question
from fgtrain.training.answerer import ModelAnswerer


def questions(pictures: Path) -> list[ImageQuestions]:
    texts = ("what is it?", "a gull or a tern, and which of the two?")
    asked = tuple(Question(text, 8, ("yes", "no", "a tern")) for text in texts)
    return [ImageQuestions(image, asked) for image in (pictures / "wide.png", pictures / "large.png", None)]


def types(lvlm: nn.Module) -> dict[str, torch.dtype]:
    return {name: parameter.dtype for name, parameter in lvlm.named_parameters(remove_duplicate=False)}


@pytest.mark.parametrize("kind", FAMILIES)
def test_weights_cast_once_answer_as_weights_cast_in_every_pass(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cached = set()

    class Watched(running.RoomyCache):
        def __init__(self, layers, *rest) -> None:
            cached.update(states.dtype for layer in layers for states in layer)
            super().__init__(layers, *rest)

    monkeypatch.setattr(running, "RoomyCache", Watched)
    lvlm = built(write_family(kind, tmp_path))
    groups = questions(write_pictures(tmp_path))
    before = dict(lvlm.named_parameters(remove_duplicate=False))
    answerer = ModelAnswerer(lvlm, "model", precision="bf16")
    expected = answerer.answer(groups), answerer.text_log_likelihood(["a gull is no tern"])
    assert cached == {torch.bfloat16}
    assert set(types(lvlm).values()) == {torch.float32}, "asked outside of `prepared`: nothing is copied"
    with answerer.prepared():
        assert set(types(lvlm).values()) == {torch.float32}, "nothing asked yet: nothing is copied"
        answerer.expect([group.image for group in groups[:2]])
        assert len(answerer.ahead.coming) == 2
        assert (answerer.answer(groups), answerer.text_log_likelihood(["a gull is no tern"])) == expected
        assert not answerer.ahead.coming, "what threads have made ready was taken"
        products = [module for module in lvlm.modules() if isinstance(module, nn.Linear | nn.Conv2d | nn.Conv3d)]
        assert {module.weight.dtype for module in products} == {torch.bfloat16}
    answerer.expect(())
    after = dict(lvlm.named_parameters(remove_duplicate=False))
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    with answerer.prepared(keep=False):
        assert answerer.answer(groups) == expected[0]
    assert torch.bfloat16 in types(lvlm).values(), "the fp32 weights are gone"


def test_a_model_in_fp32_is_asked_as_it_is(tmp_path: Path):
    lvlm = built(write_family("llava", tmp_path))
    answerer = ModelAnswerer(lvlm, "model")
    with answerer.prepared(keep=False):
        answerer.answer(questions(write_pictures(tmp_path)))
    assert set(types(lvlm).values()) == {torch.float32}


def test_without_room_for_copies_the_weights_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lvlm = built(write_family("llava", tmp_path))
    groups = questions(write_pictures(tmp_path))
    answerer = ModelAnswerer(lvlm, "model", precision="bf16")
    expected, made = answerer.answer(groups), []
    real = torch.Tensor.to

    def full(tensor, *args, **kwargs):
        if args == (torch.bfloat16,) and isinstance(tensor, nn.Parameter):
            made.append(tensor)
            if len(made) > 5:
                raise torch.OutOfMemoryError
        return real(tensor, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "to", full)
    with answerer.prepared():
        assert answerer.answer(groups) == expected
        assert set(types(lvlm).values()) == {torch.float32}
    assert len(made) == 6
