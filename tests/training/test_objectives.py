"""A loss of several parts: each is a mean over the whole step, however it is dealt out, and a stage resumes with it."""

import signal
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
from launching import launch
from safetensors.torch import load_file
from stage_fakes import Case, Spread, rows, run_case, weights, write_parts

from fgtrain.errors import UserError
from fgtrain.recipe import load_recipe
from fgtrain.training.trainer import StageInterruptedError

BOTH = {"spread": 0.5, "counted": 1e-3}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("parts")
    write_parts(folder)
    return str(folder)


@pytest.mark.parametrize("images", ["even", "none"])
def test_the_mean_of_an_added_part_does_not_depend_on_how_a_step_is_dealt(parts: str, images: str):
    """One micro-batch a step, four, and two ranks. Micro-batches differ in images and labels, so a mean of means would
    differ; where a step has no image, nothing is added."""
    added = {"spread": 0.5}
    whole = Case(parts, f"whole-{images}", per_device=8, images=images, added=added)
    apart = Case(parts, f"apart-{images}", per_device=2, images=images, added=added)
    expected, found = weights(run_case(whole)), weights(run_case(apart))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6, msg=name)
    shown, shown_apart = rows(whole), rows(apart)
    for one, other in zip(shown, shown_apart, strict=True):
        assert one.get("terms", {}) == pytest.approx(other.get("terms", {}), rel=1e-4)
        assert set(one.get("terms", {})) == ({"spread", "spread/tokens"} if images == "even" else set())
    alone = weights(run_case(Case(parts, f"alone-{images}", per_device=8, images=images)))
    same = all(torch.equal(alone[name], value) for name, value in expected.items())
    assert same == (images == "none")
    if images == "even":
        two = {"per_device": 2, "devices": 2, "added": added}
        cases = [
            Case(parts, strategy, strategy=strategy, **two, save=str(Path(parts) / f"{strategy}.safetensors"))
            for strategy in ("ddp", "fsdp")
        ]
        kept = Case(parts, "kept", strategy="ddp", per_device=2, devices=2, keep=2.0)
        kept = replace(kept, save=str(Path(parts) / "kept.safetensors"))
        launch([*cases, kept])
        expected_kept = weights(run_case(Case(parts, "kept-whole", per_device=8, keep=2.0)))
        assert any(not torch.equal(expected_kept[name], value) for name, value in alone.items())
        for case, wanted in [*((case, expected) for case in cases), (kept, expected_kept)]:
            ranks = load_file(case.save)
            for name, value in wanted.items():
                torch.testing.assert_close(ranks[name], value, rtol=1e-5, atol=1e-6, msg=f"{case.name} {name}")


def test_a_part_with_a_state_goes_on_where_it_was(parts: str):
    added = {"added": BOTH, "keep": 2.0}
    expected = weights(run_case(Case(parts, "straight", **added)))
    with pytest.raises(StageInterruptedError):
        run_case(Case(parts, "stopped", **added, signal_at=1, signal=int(signal.SIGUSR1)))
    found = weights(run_case(Case(parts, "stopped", **added)))
    assert all(torch.equal(found[name], value) for name, value in expected.items())


class Gained(Spread):
    def __init__(self, gain: float) -> None:
        self.gain = gain


def installed(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    point = EntryPoint("gained", value, "fgtrain.objectives")
    monkeypatch.setattr("fgtrain.recipe.objective_schema.entry_points", lambda group: [point])


RECIPE = """
name: own
model: {vision_encoder: a, projector: linear, language_model: b}
data: {some: {path: here, rows: 8}}
stages:
  sft:
    train: {projector: 1.0e-3}
    mix: {some: 1}
    global_batch_size: 8
"""


def test_a_users_own_part_is_added_by_name_and_its_file_decides_the_stage(tmp_path: Path, monkeypatch):
    from fgtrain.plan.versions import training_code

    path = tmp_path / "own.yaml"
    path.write_text(RECIPE)
    with pytest.raises(UserError, match=r"stages\.sft\.auxiliary\.gained is nothing that can be added"):
        load_recipe(path, ["stages.sft.auxiliary.gained=1"])
    with pytest.raises(UserError, match=r"stages\.sft\.objective is answer, which is none\. Did you mean answers\?"):
        load_recipe(path, ["stages.sft.objective=answer"])
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "gains.py").write_text("a = 1\n")
    installed(monkeypatch, "gains:Gained")
    recipe = load_recipe(path, ["stages.sft.auxiliary.gained=1", "stages.sft.options.gained.gain=2.0"])
    stage = recipe.stages["sft"]
    assert stage.trained_by == "answers+gained"
    assert load_recipe(path, ["stages.sft.auxiliary.gained=0"]).stages["sft"].trained_by == "answers"
    before = training_code(stage.trained_by)
    (tmp_path / "gains.py").write_text("a = 2\n")
    after = training_code(stage.trained_by)
    assert before.hash != after.hash
    assert before.files.keys() == after.files.keys()


def test_a_users_own_part_is_made_with_its_options(tmp_path: Path, monkeypatch):
    from types import SimpleNamespace

    from fgtrain.training.objectives.making import stage_loss

    installed(monkeypatch, f"{__name__}:Gained")
    stage = SimpleNamespace(objective="answers", auxiliary={"gained": 0.5}, keep=None)
    stage.options = {"gained": {"gain": 2.0}}
    making = SimpleNamespace(stage=stage, planned=SimpleNamespace(name="sft"))
    ((weight, part),) = stage_loss(making).added
    assert (weight, part.name, part.gain) == (0.5, "gained", 2.0)
    stage.options = {"gained": {"grain": 2.0}}
    with pytest.raises(UserError, match=r"gained .* cannot be made with options .*grain"):
        stage_loss(making)


def test_sgd_is_taken_where_it_is_named(parts: str, monkeypatch):
    from fgtrain.recipe.objective_schema import OptimizerChoice
    from fgtrain.training.optimizers import build_optimizer

    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.tensor([1.0, 2.0])
    sgd = build_optimizer(OptimizerChoice(name="sgd", momentum=0.0), [{"params": [weight], "lr": 0.1}], 0.0)
    sgd.step()
    assert weight.tolist() == pytest.approx([0.9, 0.8])
    assert build_optimizer(None, [{"params": [weight], "lr": 0.1}], 0.1).defaults["betas"] == (0.9, 0.999)
