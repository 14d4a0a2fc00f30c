"""The jobs of runs and studies: equal work stands there once, and each job waits for all that it needs."""

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "run"))

from run_fakes import recipe_values, study_of, write_recipe

from fgtrain.graph import Graph, build_graph
from fgtrain.graph.begin import light_plans
from fgtrain.graph.status import print_status
from fgtrain.recipe import Recipe, load_recipe
from fgtrain.recipe.study_load import load_study


def recipe(place: Path, name: str, *words: str, **sft: object) -> Recipe:
    values = recipe_values(place, name=name)
    values["stages"]["sft"] |= sft
    return load_recipe(write_recipe(place, values), list(words))


def graph_of(*recipes: Recipe) -> Graph:
    study = study_of(*recipes)
    return build_graph(study, light_plans(study))


def kinds(graph: Graph) -> dict[str, int]:
    return dict(Counter(job.kind for job in graph))


def all_before(graph: Graph, name: str) -> set[str]:
    """What is done by the time that the job begins."""
    found = set(graph[name].after)
    return found.union(*(all_before(graph, before) for before in found))


ONE = {"build": 3, "prepare": 1, "encode": 1, "train": 2, "evaluate": 3, "report": 1}


def test_a_run_has_each_job_once(tmp_path: Path) -> None:
    assert kinds(graph_of(recipe(tmp_path, "a"))) == ONE


def test_what_two_runs_have_in_common_is_done_once(tmp_path: Path) -> None:
    """They differ in the second stage alone: data, start and first stage are the same work."""
    a = recipe(tmp_path, "a")
    graph = graph_of(a, recipe(tmp_path, "b", mix={"count": 2}))
    several = {job.name for job in graph if job.runs == ("a", "b")}
    assert several == {job.name for job in graph if job.kind == "build"} | {
        "a/evaluate-start",
        "a/train-align",
        "a/evaluate-align",
        "together/answer",
    }
    assert kinds(graph) == {**ONE, "prepare": 2, "encode": 2, "train": 3, "evaluate": 4, "report": 2, "answer": 1}


@pytest.mark.parametrize("changes", [{"global_batch_size": 16}, {"train": {"projector": 2e-3}}, {"clip_norm": 2.0}])
def test_what_decides_a_stages_result_makes_a_stage_of_its_own(tmp_path: Path, changes: dict) -> None:
    graph = graph_of(recipe(tmp_path, "a"), recipe(tmp_path, "b", **changes))
    assert {job.name for job in graph if job.kind == "train"} == {"a/train-align", "a/train-sft", "b/train-sft"}


def test_devices_and_names_make_no_stage_of_its_own(tmp_path: Path) -> None:
    words = ["devices.count=2", "devices.per_device_batch_size=2", "devices.workers=1"]
    graph = graph_of(recipe(tmp_path, "a"), recipe(tmp_path, "b", *words))
    assert {job.name for job in graph if job.kind in ("train", "evaluate")} == {
        "a/train-align",
        "a/train-sft",
        "a/evaluate-start",
        "a/evaluate-align",
        "a/evaluate-sft",
    }


def test_seeds_share_their_data_and_nothing_that_is_drawn(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, recipe_values(tmp_path, name="seeds"))
    study = load_study([str(path), "seed=17,18,19"])
    graph = build_graph(study, light_plans(study))
    assert kinds(graph) == {**{kind: 3 * number for kind, number in ONE.items()}, "build": 3, "answer": 1}


def test_a_stage_waits_for_its_own_pictures_even_where_the_stage_before_is_another_runs(tmp_path: Path) -> None:
    graph = graph_of(recipe(tmp_path, "a"), recipe(tmp_path, "b", mix={"document": 2}))
    assert {"a/train-align", "b/encode-start", "b/prepare"} <= set(graph["b/train-sft"].after)


def test_nothing_begins_before_what_it_reads_is_there(tmp_path: Path) -> None:
    a, b = recipe(tmp_path, "a"), recipe(tmp_path, "b", train={"vision_encoder": 1e-3}, mix={"count": 2})
    graph = graph_of(a, b)
    for job in graph:
        before = all_before(graph, job.name)
        run, _, what = job.name.rpartition("/")
        if job.kind in ("encode", "train", "evaluate", "report"):
            assert f"{run}/prepare" in before, job.name
        if job.kind == "prepare":
            assert {one.name for one in graph if one.kind == "build"} <= before
        if what in ("train-sft", "evaluate-align"):
            assert "a/train-align" in before
        if what == "evaluate-sft":
            assert f"{run}/train-sft" in before
        if job.kind == "report":
            asked = {one.name for one in graph if one.kind in ("train", "evaluate") and run in one.runs}
            assert asked <= before
    assert {"a/report", "b/report"} <= set(graph["together/answer"].after)


def test_an_encoder_that_learns_is_asked_nothing_from_before(tmp_path: Path) -> None:
    graph = graph_of(recipe(tmp_path, "a", train={"vision_encoder": 1e-3, "projector": 1e-3}))
    (encode,) = [job for job in graph if job.kind == "encode"]
    assert encode.title == "encode pictures for align"
    assert encode.name in graph["a/train-align"].after


CUB = {"source": "cub", "root": "{data_root}/CUB_200_2011"}


def with_more(
    place: Path, name: str, align: dict | None = None, at: list[str] | None = None, **judge: object
) -> Recipe:
    """Features of every checkpoint, and a judge of open-world answers."""
    values = recipe_values(place, name=name, network=True)
    values["stages"]["align"] |= align or {}
    features = {"sources": [CUB], "at": at}
    values["evaluation"] = {"tasks": ["frow"], "features": features, "judge": {"base_url": "http://x", **judge}}
    return load_recipe(write_recipe(place, values))


def names(graph: Graph, kind: str) -> set[str]:
    return {job.name for job in graph if job.kind == kind}


def test_features_of_a_part_are_measured_where_it_has_changed_and_wait_for_that_stage_alone(tmp_path: Path) -> None:
    graph = graph_of(with_more(tmp_path, "a"))
    places = {
        f"a/features-{place}" for place in ("start-encoder", "start-projector", "align-projector", "sft-projector")
    }
    assert names(graph, "features") == places
    assert set(graph["a/features-align-projector"].after) == {"a/prepare", "a/train-align"}
    assert graph["a/features-start-encoder"].after == ("a/prepare",)
    assert places <= set(graph["a/report"].after)
    learnt = graph_of(with_more(tmp_path, "b", align={"train": {"vision_encoder": 1e-3}}))
    assert "b/features-align-encoder" in names(learnt, "features")
    assert "b/features-sft-encoder" not in names(learnt, "features")


def test_features_are_measured_on_the_recipes_devices_and_verdicts_are_not(tmp_path: Path) -> None:
    one = with_more(tmp_path, "a")
    two = one.model_copy(update={"devices": one.devices.model_copy(update={"count": 2, "per_device_batch_size": 2})})
    graph = graph_of(two)
    assert {(job.processes, job.computes) for job in graph if job.kind == "features"} == {(2, True)}
    assert {(job.processes, job.computes) for job in graph if job.kind == "judge"} == {(1, False)}


def test_each_asked_checkpoint_is_judged_once_for_all_runs_and_after_its_answers(tmp_path: Path) -> None:
    a, b = with_more(tmp_path, "a"), with_more(tmp_path, "b", at=["start"], requests=9)
    graph = graph_of(a, b)
    assert names(graph, "judge") == {f"a/judge-{name}" for name in ("start", "align", "sft")}
    for name in ("start", "align", "sft"):
        judge = graph[f"a/judge-{name}"]
        assert set(judge.after) == {"a/prepare", f"a/evaluate-{name}"}
        assert judge.runs == ("a", "b")
        assert judge.arguments["runs"] == ["a", "b"]
        assert judge.name in graph["b/report"].after
    another = graph_of(a, with_more(tmp_path, "b", model="another"))
    assert names(another, "judge") == {f"{run}/judge-{name}" for run in "ab" for name in ("start", "align", "sft")}
    assert len(names(another, "evaluate")) == 3


@pytest.mark.parametrize(
    "change", ["seed=18", "model.image_size=32", "data_root=elsewhere", "stages.align.mix.count=2"]
)
def test_other_pictures_or_another_encoder_are_other_work(tmp_path: Path, change: str) -> None:
    """`count` in twice as many passes shows the same pictures, but which of a part pass does not."""
    a, b = recipe(tmp_path, "a"), recipe(tmp_path, "b", change)
    assert len(names(graph_of(a, b), "encode")) == 2


def test_the_status_counts_what_is_measured_and_judged_and_the_plan_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = with_more(tmp_path, "a")
    print_status(study_of(one), {})
    said = capsys.readouterr().out
    assert [word in said for word in ("asked", "features", "judged")] == [True] * 3
    assert said.count("0/3") == 2
    assert "0/4" in said
    assert "without 4 jobs that measure features" in said
    notes = "\n".join(light_plans(study_of(one))["a"].notes)
    assert "Features measured at start, align, sft: probe, knn, retrieval on cub, behind the encoder and the" in notes
    assert "Judged by gpt-4o-mini at start, align, sft: frow, " in notes
    assert "at most 5,000 requests for each" in notes
    plain = recipe(tmp_path, "plain")
    print_status(study_of(plain), {})
    assert "judged" not in capsys.readouterr().out
    assert not any("Judged" in note or "Features" in note for note in light_plans(study_of(plain))["plain"].notes)
