"""A judge in the recipe: its verdicts stand beside the rules' in scores, figures and report, and are paid once."""

import json
import sys
from pathlib import Path

import pytest
from run_fakes import jobs_left, one_kind, recipe_values, run_recipe, study_of, write_recipe

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "evaluation"))

from judging_fakes import BIRDS, KEY, Reply, endpoint, fair, make_frow, material, rows_of, said, verdict

from data_builders.shared.files import read_json
from fgtrain.errors import UserError
from fgtrain.graph.begin import begin
from fgtrain.jobs import function_of
from fgtrain.processes import Group
from fgtrain.recipe import Recipe, load_recipe

MODEL = "some/judge"


@pytest.fixture(autouse=True)
def own_replies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "replies"))
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def judged_recipe(folder: Path, url: str, name: str = "judged", limit: int | None = None, **judge: object) -> Recipe:
    """Six open-world questions to the untrained model, judged by the endpoint."""
    values = recipe_values(folder, name=name, prepare=[], data={}, stages={}, network=True)
    settings = {"base_url": url, "model": MODEL, "concurrency": 1, "timeout_seconds": 5.0, **judge}
    values["evaluation"] = {"tasks": ["frow"], "data": [str(make_frow(folder / "benchmarks"))], "limit": limit}
    values["evaluation"]["judge"] = settings
    return load_recipe(write_recipe(folder, values))


def rules(recipe: Recipe) -> dict[str, int]:
    """Rule -> answers that it has judged, as the run's scores have it."""
    (checkpoint,) = read_json(recipe.run_folder / "scores.json")["checkpoints"]
    return {one["rule"]: one["n"] for one in checkpoint["tasks"]["frow/cub"]["scores"]}


def answers(recipe: Recipe) -> Path:
    return recipe.run_folder / "answers" / "start" / "frow__cub.jsonl"


def test_verdicts_stand_beside_the_rules_and_a_second_start_does_nothing(tmp_path: Path) -> None:
    with endpoint(fair) as server:
        recipe = judged_recipe(tmp_path, server.url)
        assert [job.name for job in jobs_left(recipe) if job.kind == "judge"] == ["judged/judge-start"]
        report = run_recipe(recipe).read_text()
        assert len(server.requests) == len(BIRDS)
        assert jobs_left(recipe) == []
    assert len(rows_of(answers(recipe), "some_judge")) == len(BIRDS)
    assert rules(recipe) == {"deterministic_judge": len(BIRDS), MODEL: len(BIRDS)}
    assert MODEL in report
    rows = [json.loads(line) for line in (recipe.run_folder / "metrics.jsonl").read_text().splitlines()]
    assert {row["rule"] for row in rows if row["kind"] == "eval" and not row["primary"]} >= {MODEL}
    assert all(row["rule"] != MODEL for row in rows if row["kind"] == "eval" and row["primary"])


def test_another_run_with_the_same_answers_has_the_verdicts_already(tmp_path: Path) -> None:
    with endpoint(fair) as server:
        run_recipe(judged_recipe(tmp_path, server.url))
        other = judged_recipe(tmp_path, server.url, name="other")
        assert {job.kind for job in jobs_left(other)} == {"prepare", "report"}
        run_recipe(other)
        assert len(server.requests) == len(BIRDS)
    assert MODEL in rules(other)


def test_what_was_paid_before_a_failure_is_not_paid_again(tmp_path: Path) -> None:
    mended: list[int] = []

    def breaks(number: int, body: dict) -> Reply:
        return fair(number, body) if number < 4 or mended else Reply("no", status=401)

    with endpoint(breaks) as server:
        recipe = judged_recipe(tmp_path, server.url)
        with pytest.raises(UserError, match="OPENAI_API_KEY"):
            run_recipe(recipe)
        mended.append(sent := len(server.requests))
        run_recipe(recipe)
        assert len(server.requests) == sent + len(BIRDS) - 3
    assert rules(recipe)[MODEL] == len(BIRDS)


def test_an_answer_at_which_the_endpoint_failed_for_a_moment_is_judged_all_the_same(tmp_path: Path) -> None:
    def hiccups(number: int, body: dict) -> Reply:
        return Reply("no", status=401) if number == 4 else fair(number, body)

    with endpoint(hiccups) as server:
        recipe = judged_recipe(tmp_path, server.url)
        run_recipe(recipe)
        assert len(server.requests) == len(BIRDS) + 1
    assert rules(recipe)[MODEL] == len(BIRDS)


def test_the_budget_is_of_all_starts_together(tmp_path: Path) -> None:
    with endpoint(fair) as server:
        few = judged_recipe(tmp_path, server.url, requests=4)
        for _ in range(2):
            with pytest.raises(UserError, match=r"evaluation\.judge\.requests is 4"):
                run_recipe(few)
            assert len(server.requests) == 4
        assert one_kind(judged_recipe(tmp_path, server.url, requests=6), "judge") == ["judge start"]
        assert len(server.requests) == len(BIRDS)


def test_what_starts_together_has_one_budget_as_well(tmp_path: Path) -> None:
    """Two checkpoints' worth of answers, and requests for one and a bit: the second one says which bound it has met."""
    with endpoint(fair) as server:
        one = judged_recipe(tmp_path, server.url, name="one", requests_in_all=len(BIRDS) + 2)
        other = judged_recipe(tmp_path, server.url, name="other", model="another", requests_in_all=len(BIRDS) + 2)
        study = study_of(one, other)

        def start() -> None:
            for job in begin(study).left:
                if job.kind in ("prepare", "evaluate", "judge"):
                    function_of(job.kind)(job.recipe, Group(), **job.arguments)

        for _ in range(2):
            with pytest.raises(
                UserError, match=rf"evaluation\.judge\.requests_in_all is {len(BIRDS) + 2}, .* together"
            ):
                start()
            assert len(server.requests) == len(BIRDS) + 2
        assert run_recipe(other)  # alone it has a budget of its own, and what was paid is kept
        assert len(server.requests) == 2 * len(BIRDS)


def test_another_judge_judges_anew_and_how_it_is_asked_changes_nothing(tmp_path: Path) -> None:
    with endpoint(fair) as server:
        run_recipe(judged_recipe(tmp_path, server.url))
        for change in ({"model": "another"}, {"temperature": 1.0}, {"with_image": False}, {"max_tokens": 9}):
            assert "judge" in {job.kind for job in jobs_left(judged_recipe(tmp_path, server.url, **change))}, change
        for change in ({"requests": 7}, {"concurrency": 2}, {"timeout_seconds": 60.0}, {"tokens": 10**6}):
            assert jobs_left(judged_recipe(tmp_path, server.url, **change)) == [], change


def test_only_the_answers_that_the_recipe_asks_for_are_judged(tmp_path: Path) -> None:
    with endpoint(fair) as server:
        run_recipe(judged_recipe(tmp_path, server.url, name="all", requests=6))
        few = judged_recipe(tmp_path, server.url, name="few", limit=2)
        run_recipe(few)
        assert len(server.requests) == len(BIRDS)  # they are among those that were paid
    assert rules(few) == {"deterministic_judge": 2, MODEL: 2}


def test_an_answer_without_a_verdict_is_counted_and_none_at_all_is_refused(tmp_path: Path) -> None:
    def refuses(number: int, body: dict) -> Reply:
        refused = BIRDS[0] in material(body)["reference"]
        return Reply("filtered", status=400) if refused else said(verdict(1, 1))

    with endpoint(refuses) as server:
        recipe = judged_recipe(tmp_path, server.url)
        run_recipe(recipe)
        assert rules(recipe)[MODEL] == len(BIRDS) - 1
        assert jobs_left(recipe) == []
    with endpoint(lambda number, body: Reply("filtered", status=400)) as server:
        with pytest.raises(UserError, match=r"none of the first|no answer of start|answered 400"):
            run_recipe(judged_recipe(tmp_path, server.url, name="none", model="other"))
