"""Starts at once, over whatever file system: the same work is done once."""

import json
from pathlib import Path

import pytest
from law_fakes import Run, law_recipe
from moments import counted, hooked
from run_fakes import finished, left_over, metrics, start


@pytest.mark.parametrize("locks", [True, False], ids=["flock", "no flock"])
def test_two_starts_at_once_are_one(place: Path, whole: Run, locks: bool) -> None:
    run = Run(place, law_recipe(place))
    both = [run.begin(locks=locks) for _ in range(2)]
    for process in both:
        status, output = finished(process)
        assert status == 0, output
        assert "Traceback" not in output
        assert not left_over(process)
        assert ("has no file locks that all machines share" in output) != locks, output
    run.is_as(whole)
    assert run.counted() == whole.kept["counted"]


@pytest.mark.parametrize("tries", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_recipes_started_at_once_over_unbuilt_data_build_everything_once(tmp_path: Path, tries: int) -> None:
    for number in range(tries):
        place = tmp_path / str(number)
        place.mkdir()
        counts = place / "counts"
        recipes = [
            law_recipe(place, name, seed=seed, evaluation={"tasks": []}) for seed, name in enumerate(("a", "b", "c"))
        ]
        started = []
        for recipe in recipes:
            variables = hooked(place / f"start-{recipe.stem}", counts=counts)
            started.append(start(recipe, **variables))
        said = ""
        for process in started:
            status, output = finished(process)
            assert status == 0, output
            assert "Traceback" not in output
            said += output
        assert said.count("short_answer: ") <= 1, said
        steps = {len(metrics(place / "runs" / recipe.stem)) for recipe in recipes}
        assert len(steps) == 1
        assert counted(counts)["micro-batches"] == 3 * steps.pop()
        manifests = [json.loads(path.read_text()) for path in place.glob("built/*/manifest.json")]
        assert len(manifests) == 1
