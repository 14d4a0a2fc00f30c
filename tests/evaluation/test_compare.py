"""Runs beside each other: one JSON with every number, a page, a ledger; whatever is missing."""

import json
import shutil

import numpy as np
import pytest
from imported import TRAINING, imported
from report_fakes import jsonl, make_run
from report_rich import make_rich_run

from data_builders.shared.files import read_json, write_json
from evaluation.__main__ import main
from evaluation.compare import compare_runs, to_json
from evaluation.compare.files import dominates
from evaluation.ledger import WORDS, load_run
from evaluation.scoring.statistics import holm, mcnemar_exact


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return [make_rich_run(root, "mixed", mixed=True), make_rich_run(root, "then_fg")]


@pytest.fixture(scope="module")
def written(folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "compared.html"
    ledger = out.with_name("ledger.jsonl")
    assert main(["compare", *map(str, folders), "--out", str(out), "--ledger", str(ledger)]) == 0
    return read_json(out.with_suffix(".json")), jsonl(ledger)


def right(folder, checkpoint, task):
    rows = jsonl(folder / "answers" / checkpoint / f"{task.replace('/', '__')}.jsonl")
    return {row["question_id"]: row["answer"] == row["gold"] for row in rows}


def test_changes_are_those_of_the_answers(folders, written):
    task, found = "drawn/count", written[0]["runs"][1]["tasks"]["drawn/count"]
    sides = {name: right(folders[1], name, task) for name in ("start", "sft", "fg")}
    for kind, first in (("change_from_the_base", "start"), ("change_from_the_stage_before", "sft")):
        change, a, b = found[kind]["fg"], sides[first], sides["fg"]
        assert change["change"] == pytest.approx(100 * (np.mean(list(b.values())) - np.mean(list(a.values()))))
        assert change["low"] < change["change"] < change["high"]
        assert change["worse"] == sum(a[key] and not b[key] for key in a)
        assert change["p"] == mcnemar_exact([a[key] for key in a], [b[key] for key in a])
        assert (change["n"], change["images"], change["paired"]) == (60, 30, True)


def test_p_values_are_adjusted_over_the_tasks_of_each_comparison(written):
    for run in written[0]["runs"]:
        for kind in ("change_from_the_base", "change_from_the_stage_before"):
            for name in [one["name"] for one in run["checkpoints"][1:]]:
                changes = [task[kind][name] for task in run["tasks"].values()]
                assert holm([one["p"] for one in changes]) == [one["p_holm"] for one in changes]


def test_format_and_knowledge_add_up_and_say_what_told_them(written):
    for run in written[0]["runs"]:
        for name, task in run["tasks"].items():
            for change in task["change_from_the_base"].values():
                split = change["split"]
                parts = split["format"]["value"] + split["knowledge"]["value"]
                assert parts == pytest.approx(change["change"], abs=1e-4)
                assert split["weighed"] == (split["moved"] if name == "fgbmk/cub/species/choice" else 0)


def test_every_number_has_n_and_interval(written):
    def check(value):
        if isinstance(value, dict):
            if "value" in value or "change" in value:
                assert {"low", "high"} <= set(value)
                assert "n" in value or set(value) == {"value", "low", "high"}  # a part of a change that has n
            for one in value.values():
                check(one)
        elif isinstance(value, list):
            for one in value:
                check(one)

    check(written[0]["runs"])
    check(written[0]["pareto"])


def test_forgetting_and_gain_at_every_stage(folders, written):
    run = written[0]["runs"][1]
    general = [task for task in run["tasks"].values() if task["group"] == "general"]
    names = ["start", "align", "sft", "fg"]
    for number, name in enumerate(names[1:], 1):
        lost = [
            max(task["scores"][one]["value"] for one in names[: number + 1]) - task["scores"][name]["value"]
            for task in general
        ]
        assert run["overall"]["forgetting"][name]["value"] == pytest.approx(sum(lost) / len(lost))
    fine = [task for task in run["tasks"].values() if task["group"] == "fine_grained"]
    gained = [task["scores"]["fg"]["value"] - task["scores"]["start"]["value"] for task in fine]
    assert run["overall"]["gain"]["fg"]["value"] == pytest.approx(sum(gained) / len(gained))


def test_the_front_holds_the_runs_that_no_other_betters(folders, written):
    rows = {row["run"]: row for row in written[0]["pareto"]}
    assert rows["mixed"]["on_front"]
    assert rows["mixed"]["forgetting"]["value"] < rows["then_fg"]["forgetting"]["value"]
    worse = rows["then_fg"]["gain"]["value"] <= rows["mixed"]["gain"]["value"]
    assert rows["then_fg"]["on_front"] != worse


@pytest.mark.parametrize(
    ("a", "b", "betters"),
    [((5, 1), (4, 2), True), ((5, 1), (5, 1), False), ((5, 2), (4, 1), False), ((5, 1), (5, 2), True)],
)
def test_a_run_betters_another_when_it_gains_as_much_and_forgets_as_little_and_one_of_them_more(a, b, betters):
    first, other = ({"gain": {"value": gain}, "forgetting": {"value": lost}} for gain, lost in (a, b))
    assert dominates(first, other) == betters


def test_the_ledger_has_every_item_at_every_checkpoint_and_the_steps_between(folders, written):
    rows = [row for row in written[1] if row["run"] == "then_fg" and row["task"] == "drawn/count"]
    assert len(rows) == 60
    for row in rows:
        for name, score in row["scores"].items():
            assert (score == 1) == right(folders[1], name, "drawn/count")[row["question_id"]]
        assert set(row["became"]) == {"align", "sft", "fg"}
        assert set(row["became"].values()) <= set(WORDS)
    with_steps = [row["with_steps"] for row in rows if "with_steps" in row]
    assert len(with_steps) == 30
    assert list(with_steps[0]) == ["start", "align", "sft", "fg step 10", "fg"]


def test_the_most_forgotten_are_those_of_the_ledger(written):
    item = written[0]["most_forgotten"][0]
    for name, history in item["right"].items():
        row = next(
            row for row in written[1]
            if (row["run"], row["task"], row["question_id"]) == (name, item["task"], item["question_id"])
        )  # fmt: skip
        assert [score >= 0.5 for score in row["scores"].values()] == history
    most = [one["times_forgotten"] for one in written[0]["most_forgotten"]]
    assert most == sorted(most, reverse=True)
    assert most[0] >= 2


def test_the_same_runs_give_the_same_numbers(folders, written):
    again = json.loads(json.dumps(to_json(compare_runs([load_run(folder) for folder in folders]))))
    assert again == written[0]


def test_without_answers_there_is_no_test_and_it_says_so(folders, tmp_path, capsys):
    shutil.copytree(folders[1], tmp_path / "bare", ignore=shutil.ignore_patterns("answers", "subset"))
    assert main(["compare", str(tmp_path / "bare"), "--out", str(tmp_path / "out.html")]) == 0
    assert "no paired test" in capsys.readouterr().out
    change = read_json(tmp_path / "out.json")["runs"][0]["tasks"]["drawn/count"]["change_from_the_base"]["fg"]
    assert (change["paired"], change["p"], change["split"]) == (False, None, None)
    assert change["low"] < change["change"] < change["high"]


def test_old_scores_without_groups_are_reported(tmp_path):
    folder = make_run(tmp_path, "old", rows=12)
    scores = read_json(folder / "scores.json")
    for checkpoint in scores["checkpoints"]:
        for task in checkpoint["tasks"].values():
            for key in ("groups", "categories", "notes", "disagreements", "version"):
                task.pop(key, None)
    write_json(folder / "scores.json", scores)
    assert main(["compare", str(folder), "--out", str(tmp_path / "out.html")]) == 0


def test_wrong_places_are_refused_before_anything_is_read(tmp_path, capsys):
    assert main(["compare", str(tmp_path / "none"), "--out", str(tmp_path / "out.json")]) == 2
    assert "name it" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "none"), "--out", str(tmp_path / "out.html")]) == 2
    assert "no run folder" in capsys.readouterr().err


def test_what_is_measured_beside_the_means_is_no_forgotten_item_and_does_not_stop_the_page(tmp_path):
    """Of names by likelihood, say: as a task of the means it is forgotten most often, and leads the list."""
    shares = (0.02, 0.98, 0.01, 0.01)
    for group in ("general", "beside"):
        tasks = {"drawn/count": ("general", 0.3, 0.5, 0.7, 0.6), "fgbmk/cub/order/choice": (group, *shares)}
        run = make_run(tmp_path / group, "then_fg", tasks=tasks)
        assert main(["compare", str(run), "--out", str(tmp_path / group / "page.html")]) == 0
        listed = {one["task"] for one in read_json(tmp_path / group / "page.json")["most_forgotten"]}
        assert ("fgbmk/cub/order/choice" in listed) == (group == "general")


def test_a_report_is_written_again_without_what_trains(tmp_path):
    run = make_run(tmp_path, "run", rows=8)
    assert imported(tmp_path, "evaluation", "report", run) & TRAINING == set()
    assert (run / "report.html").is_file()
