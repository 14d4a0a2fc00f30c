"""MathVista by task, skill, context ...: the official script's grouping of the first hundred questions of testmini."""

from collections import Counter

import pytest
from golden_rows import beside, totals
from PIL import Image

from data_builders.__main__ import main as build
from data_builders.shared.files import read_json, write_json
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.load import load_tasks

KEYS = ("task", "skills", "context", "grade", "language", "category", "question_type", "answer_type")


@pytest.fixture(scope="module")
def problems(shared):
    return read_json(shared / "data" / "format_samples" / "mathvista_testmini_first100.json")


@pytest.fixture(scope="module")
def task(problems, tmp_path_factory):
    """Our task over questions that the builder wrote from the official file, with stand-ins for its pictures."""
    root = tmp_path_factory.mktemp("mathvista")
    write_json(root / "download" / "data" / "testmini.json", problems)
    for number, one in enumerate(problems.values()):
        path = root / "download" / "data" / one["image"]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 255 - number, 90)).save(path)
    words = ["general", "--benchmark", "mathvista", "--root", str(root / "download"), "--out", str(root / "built")]
    build([*words, "--allow-partial"])
    (found,) = load_tasks(["mathvista"], [root / "built"])
    return found


def officially(problems: dict, right: dict[str, bool]) -> dict[str, Counter]:
    """(key, value) -> questions and right ones. A question is in every group that its metadata names."""
    counts = {"total": Counter(), "correct": Counter()}
    for pid, one in problems.items():
        for key in KEYS:
            values = one["metadata"][key] if key in one["metadata"] else one[key]
            for value in values if isinstance(values, list) else [values]:
                counts["total"][key, value] += 1
                counts["correct"][key, value] += right[pid]
    return counts


@pytest.mark.parametrize("system", ["random_guess", "frequent_guess"])
def test_every_group_has_the_officially_right_and_all_of_its_questions(shared, problems, task, system):
    rows = {row["pid"]: row for row in beside(shared, "mathvista.dev.jsonl") if row["system"] == system}
    answers = [
        {"question_id": item.question_id, "image": item.image, "category": item.category, "question": item.question}
        | {"gold": item.gold, "answer": "", "extraction": rows[item.question_id]["extraction"]}
        for item in task.items
    ]
    score = score_answers(task, answers)
    counts = officially(problems, {pid: rows[pid]["expected"]["true_false"] for pid in problems})
    # Every row has a `category` of its own, so the official one has another name.
    found = {(group.by.removeprefix("metadata_"), group.name): (group.n, group.value) for group in score.groups}
    assert found == {
        group: (n, pytest.approx(100 * counts["correct"][group] / n, abs=1e-9)) for group, n in counts["total"].items()
    }
    assert sum(n for (key, _), (n, _) in found.items() if key == "skills") > len(problems) == score.n
    # The whole of testmini, of which these are a part, has these groups by these names.
    whole = totals(shared, "mathvista.dev.total.json")["systems"][system]
    for (key, value), n in counts["total"].items():
        if value == "not applicable":  # a grade that the script's release of the questions called daily life
            continue
        assert n <= whole[key][value]["total"]
        assert counts["correct"][key, value] <= whole[key][value]["correct"]
