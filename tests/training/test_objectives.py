"""A loss of several parts: each is a mean over the whole step, however it is dealt out, and a stage resumes with it."""

import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from extending_pages import installed, write_example
from launching import launch
from safetensors.torch import load_file
from stage_fakes import ADDED, Case, rows, run_case, weights

from data_builders.shared.code_identity import explain_change
from fgtrain.errors import UserError
from fgtrain.recipe import load_recipe
from fgtrain.training.trainer import StageInterruptedError

BOTH = {"spread": 0.5, "counted": 1e-3}


@pytest.mark.parametrize("images", ["even", "none"])
def test_the_mean_of_an_added_part_does_not_depend_on_how_a_step_is_dealt(parts: Path, images: str):
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
            Case(parts, strategy, strategy=strategy, **two, save=str(parts / f"{strategy}.safetensors"))
            for strategy in ("ddp", "fsdp")
        ]
        kept = Case(parts, "kept", strategy="ddp", per_device=2, devices=2, keep=2.0)
        kept = replace(kept, save=str(parts / "kept.safetensors"))
        launch([*cases, kept])
        expected_kept = weights(run_case(Case(parts, "kept-whole", per_device=8, keep=2.0)))
        assert any(not torch.equal(expected_kept[name], value) for name, value in alone.items())
        for case, wanted in [*((case, expected) for case in cases), (kept, expected_kept)]:
            ranks = load_file(case.save)
            for name, value in wanted.items():
                torch.testing.assert_close(ranks[name], value, rtol=1e-5, atol=1e-6, msg=f"{case.name} {name}")


def test_a_part_with_a_state_goes_on_where_it_was(parts: Path):
    added = {"added": BOTH, "keep": 2.0}
    expected = weights(run_case(Case(parts, "straight", **added)))
    with pytest.raises(StageInterruptedError):
        run_case(Case(parts, "stopped", **added, signal_at=1, signal=int(signal.SIGUSR1)))
    found = weights(run_case(Case(parts, "stopped", **added)))
    assert all(torch.equal(found[name], value) for name, value in expected.items())


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


def test_the_page_on_objectives_runs_as_written(parts: Path, tmp_path: Path, monkeypatch):
    """Its part is added by name, made with its options, learnt from, and its code decides about the stage."""
    from data_builders.shared.code_imports import source_file
    from fgtrain.plan.versions import training_code
    from fgtrain.training.objectives.making import stage_loss

    points = write_example("objectives", tmp_path)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    with pytest.raises(UserError, match=r"stages\.sft\.auxiliary\.confidence_penalty is nothing that can be added"):
        load_recipe(tmp_path / "confident.yaml")
    with pytest.raises(UserError, match=r"stages\.sft\.objective is answer, which is none\. Did you mean answers\?"):
        load_recipe(tmp_path / "recipe.yaml", ["stages.sft.objective=answer"])
    with installed(tmp_path, points):
        stage = load_recipe(tmp_path / "confident.yaml").stages["sft"]
        making = SimpleNamespace(stage=stage, planned=SimpleNamespace(name="sft"))
        ((weight, part),) = stage_loss(making).added
        assert (weight, part.name, part.enough) == (0.1, "confidence_penalty", 2.0)
        unknown = stage.model_copy(update={"options": {"confidence_penalty": {"enuf": 2.0}}})
        with pytest.raises(UserError, match=r"stages\.sft\.options\.confidence_penalty .* cannot be made: .*enuf"):
            stage_loss(SimpleNamespace(stage=unknown, planned=making.planned))
        before = training_code(stage.trained_by)
        (tmp_path / "confidence.py").write_text((tmp_path / "confidence.py").read_text().replace("1.0)", "1.5)"))
        source_file.cache_clear()  # what is read once a process
        after = training_code(stage.trained_by)
    assert stage.trained_by == "answers+confidence_penalty"
    assert explain_change(before.files, after.files) == "code of confidence.py changed since"
    assert before.hash != after.hash != training_code("answers").hash
    monkeypatch.setitem(ADDED, part.name, lambda: part)
    part.enough = 100.0  # more than there can be: all of it is pushed
    added = {part.name: 0.1}
    whole = Case(parts, "penalty", per_device=8, added=added)
    apart = Case(parts, "penalty apart", per_device=2, added=added)
    for case in (whole, apart):
        run_case(case)
    for one, other in zip(rows(whole), rows(apart), strict=True):
        assert one["terms"][part.name] == pytest.approx(100.0 - one["terms"][f"{part.name}/entropy"], rel=1e-4)
        assert other["terms"] == pytest.approx(one["terms"], rel=1e-3)


def test_sgd_is_taken_where_it_is_named(parts: Path, monkeypatch):
    from fgtrain.recipe.objective_schema import OptimizerChoice
    from fgtrain.training.optimizers import build_optimizer

    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.tensor([1.0, 2.0])
    sgd = build_optimizer(OptimizerChoice(name="sgd", momentum=0.0), [{"params": [weight], "lr": 0.1}], 0.0)
    sgd.step()
    assert weight.tolist() == pytest.approx([0.9, 0.8])
    assert build_optimizer(None, [{"params": [weight], "lr": 0.1}], 0.1).defaults["betas"] == (0.9, 0.999)
