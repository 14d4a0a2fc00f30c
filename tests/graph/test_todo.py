"""What is left of a graph: results that are not there, and only what those need."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgtrain.graph import Graph, Job, todo

SUPPORT = ("build", "prepare", "encode")
RUN = {  # name -> what it waits for: a run of two stages
    "build": (),
    "prepare": ("build",),
    "encode": ("prepare",),
    "evaluate-start": ("prepare", "encode"),
    "train-align": ("prepare", "encode"),
    "evaluate-align": ("prepare", "train-align"),
    "train-sft": ("prepare", "train-align", "encode"),
    "report": ("prepare", "evaluate-start", "train-align", "evaluate-align", "train-sft"),
}


def job(name: str, after: tuple[str, ...], done: bool, identity: str | None = None) -> Job:
    kind = name.rpartition("/")[2].partition("-")[0]
    identity = (identity or name,)
    return Job(name=name, kind=kind, title=name, identity=identity, folder=Path(name), done=lambda: done, after=after)


def run(*done: str) -> Graph:
    graph = Graph()
    for name, after in RUN.items():
        graph.add(job(name, after, name in done))
    return graph


def left(*done: str) -> dict[str, tuple[str, ...]]:
    return {found.name: found.after for found in todo(run(*done))}


def test_of_a_new_run_everything_is_left() -> None:
    assert left() == RUN


def test_of_a_done_run_nothing_is_left_whatever_became_of_what_it_was_made_from() -> None:
    assert left("evaluate-start", "train-align", "evaluate-align", "train-sft", "report") == {}


def test_a_result_that_is_missing_brings_back_only_what_it_needs() -> None:
    done = {"prepare", "evaluate-start", "train-align", "train-sft", "report"}
    assert left(*done) == {"evaluate-align": (), "report": ("evaluate-align",)}
    assert left(*done - {"prepare"}) == {
        "build": (),
        "prepare": ("build",),
        "evaluate-align": ("prepare",),
        "report": ("prepare", "evaluate-align"),
    }


def test_behind_what_is_left_out_a_job_waits_for_what_that_one_waited_for() -> None:
    """Pictures are encoded already, but the plan must be made anew: training may not begin before it is."""
    graph = Graph()
    for name, after, done in (("prepare", (), False), ("encode", ("prepare",), True), ("train", ("encode",), False)):
        graph.add(job(name, after, done))
    graph.add(job("report", ("train", "prepare"), False))
    found = {one.name: one.after for one in todo(graph)}
    assert found == {"prepare": (), "train": ("prepare",), "report": ("train", "prepare")}


@pytest.mark.parametrize("missing", ["evaluate-start", "train-sft", "evaluate-align"])
def test_a_report_is_written_anew_when_anything_before_it_is(missing: str) -> None:
    everything = set(RUN)
    assert left(*everything - {missing}) == {missing: (), "report": (missing,)}


def test_of_two_runs_only_the_one_with_something_open_is_reported_anew_and_their_answer_with_it() -> None:
    graph = Graph()
    for name in ("a", "b"):
        graph.add(job(f"{name}/train-sft", (), name == "a"))
        graph.add(job(f"{name}/report", (f"{name}/train-sft",), True))
    graph.add(job("answer", ("a/report", "b/report"), True))
    assert [found.name for found in todo(graph)] == ["b/train-sft", "b/report", "answer"]


def test_equal_work_is_one_job_for_all_runs() -> None:
    graph = Graph()
    graph.add(replace(job("a/train-sft", (), False, "sft"), runs=("a",)))
    assert graph.add(replace(job("b/train-sft", (), False, "sft"), runs=("b",))) == "a/train-sft"
    assert [(found.name, found.runs) for found in graph] == [("a/train-sft", ("a", "b"))]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    graph, names = Graph(), []
    for number in range(draw(st.integers(1, 12))):
        name = f"{draw(st.sampled_from([*SUPPORT, 'train', 'evaluate', 'report', 'answer']))}-{number}"
        after = tuple(draw(st.lists(st.sampled_from(names), unique=True, max_size=3))) if names else ()
        graph.add(job(name, after, draw(st.booleans())))
        names.append(name)
    return graph


@given(graphs())
def test_every_missing_result_is_left_and_each_job_waits_for_earlier_ones_alone(graph: Graph) -> None:
    found = todo(graph)
    names = [one.name for one in found]
    assert names == [one.name for one in graph if one.name in names]
    assert {one.name for one in graph if one.is_result and not one.done()} <= set(names)
    for number, one in enumerate(found):
        assert set(one.after) <= set(names[:number])
        if not one.is_result:  # somebody needs it
            assert not one.done()
            assert any(one.name in graph[later].after for later in names[number + 1 :])
