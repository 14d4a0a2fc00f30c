"""Tutorials as they are written: files are written, commands typed, in a folder of the reader's."""

import json
from pathlib import Path

import pytest
from documented import REPOSITORY, blocks_of, follow, typed_here, write_files

CLUSTER = "tutorials/ablation_on_a_cluster.md"
FEW = "--train-images-per-species=2 --test-images-per-species=1"


@pytest.fixture(scope="module")
def small_lvlm(tmp_path_factory) -> Path:
    """A checkpoint of the drawn miniature's parts with a fresh projector, in the place of a released model."""
    from fgtrain.model import build_model, save_checkpoint
    from fgtrain.recipe.model_schema import Model

    base = REPOSITORY / "recipes" / "mini" / "base"
    parts = {name: str(base / name) for name in ("vision_encoder", "language_model")}
    model = Model(**parts, projector="norm_mlp2x_gelu", image_size=64, image_tokens=16, max_tokens=256)
    folder = tmp_path_factory.mktemp("small") / "lvlm"
    save_checkpoint(build_model(model, network=False, seed=17), folder, {})
    return folder


def test_the_study_of_the_cluster_page_is_planned_and_the_unmatched_one_refused(here, capsys):
    write_files(CLUSTER, here)
    first, plan, refused = [block for block in blocks_of(CLUSTER) if block.commands][:3]
    for block in (first, plan):
        for command in block.commands:
            status, said = typed_here(command)
            assert status == 0, command
    assert "3 arms x 3 seeds (17, 18, 19) = 9 runs" in said
    assert "align is trained once for none, late" in said
    (command,) = refused.commands
    assert typed_here(command)[0] == 2
    assert "exposures.fg_short_answer: early" in capsys.readouterr().err


@pytest.mark.slow
def test_the_cluster_page_as_written(here):
    """With two steps a stage, one seed and few questions; what only Slurm can do is left out."""
    small = {
        "arms:\n  none": "changes: {stages.align.steps: 2, stages.sft.steps: 2, evaluation.limit: 2}\narms:\n  none",
        "seeds: [17, 18, 19]": "seeds: [17]",
    }
    assert len(follow(CLUSTER, here, small, without=("slurm",))) == 6
    assert "late - early" in (here / "runs/where/answer.md").read_text(encoding="utf-8")
    assert (here / "runs/where/report.html").is_file()


@pytest.mark.slow
def test_the_page_about_evaluating_as_written(here, endpoint, small_lvlm, monkeypatch):
    """Of one picture a species; the endpoint says yes, the local model is a tiny one."""
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint)
    monkeypatch.setenv("OPENAI_API_KEY", "anything")
    small = {"drawn --source cub": f"drawn --source cub {FEW}", "llava-hf/llava-1.5-7b-hf": str(small_lvlm)}
    assert len(follow("tutorials/evaluating_without_training.md", here, small)) == 9
    scores = json.loads((here / "scored/gpt/scores.json").read_text(encoding="utf-8"))
    assert "gpt-4o" in json.dumps(scores)
    assert "fgbmk/cub/species/choice" in (here / "compared.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_about_photos_as_written(here, small_lvlm):
    """Of few drawn photos, by a tiny model, in two steps."""
    small = {
        "drawn --source folder": f"drawn --source folder {FEW}",
        "llava-hf/llava-1.5-7b-hf": str(small_lvlm),
        "mine/recipe.yaml": "mine/recipe.yaml stages.sft.steps=2 evaluation.limit=2",
    }
    assert len(follow("tutorials/your_own_photos.md", here, small)) == 5
    assert (here / "mine/runs/photos/report.html").is_file()
    assert len((here / "answers.csv").read_text(encoding="utf-8").splitlines()) == 33
