"""A judge of a user's own: the page on judges as it stands."""

import pytest
from extending_pages import commands, installed, write_example
from judging_fakes import BIRDS, added, make_frow, make_run, rows_of

from data_builders.shared.code_imports import source_file
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json
from evaluation import __main__ as command
from evaluation.judging.candidate import Candidate
from evaluation.judging.own import OwnJudge
from fgtrain.jobs.judge import _judge
from fgtrain.recipe import load_recipe
from fgtrain.runs.judged import DECISIVE, decisive, judged_path

RECIPE = """
name: plain
model: {vision_encoder: a, projector: linear, language_model: b}
data: {some: {path: here, rows: 8}}
stages:
  sft: {train: {projector: 1.0e-3}, mix: {some: 1}, global_batch_size: 8}
evaluation: {data: [data]}
"""


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """Six answers in the folder that we are in; one of them is empty."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return make_run(tmp_path / "run", make_frow(tmp_path / "data"), {2: " ", 3: "a bird that eats 5 berries"})


def edit(package):
    path = package / "overlap.py"
    path.write_text(path.read_text().replace("named = ", "named = 1 < "))
    source_file.cache_clear()


def test_the_page_on_judges_runs_as_written(answers, tmp_path, capsys):
    points = write_example("judges", tmp_path / "package")
    first, again = (words[3:] for words in commands("judges"))
    assert command.main(first) == 2
    assert "--judge is overlap, which is no judge of your own; none is installed" in capsys.readouterr().err
    with installed(tmp_path / "package", points):
        assert command.main(first) == 0
        assert [row["Item_accuracy_score"] for row in rows_of(answers, "overlap")] == [2, 0, 2, 2, 2]
        (empty,) = rows_of(answers, "overlap", unjudged=True)
        assert (empty["name"], empty["unjudged"]) == (BIRDS[1], "the answer is empty")
        assert added(answers, "overlap")
        capsys.readouterr()
        assert command.main(again) == 0
        assert "5 verdicts of an earlier start still hold" in capsys.readouterr().out
        (checkpoint,) = read_json(tmp_path / "run/scores.json")["checkpoints"]
        assert checkpoint["tasks"]["frow/cub"]["primary"] == "overlap"
        edit(tmp_path / "package")
        assert command.main(first) == 0
        assert "judged again" in capsys.readouterr().err
        for wrong in (["--option", "least"], ["--option", "lest=1"], ["--deterministic"]):
            assert command.main([*first, *wrong]) == 2
    assert "write KEY=VALUE" in (said := capsys.readouterr().err)
    assert "overlap = 'overlap:OverlapJudge' of evaluation.judges cannot be made" in said


def test_a_recipe_has_its_answers_judged_by_it_without_a_network(answers, tmp_path):
    package = tmp_path / "package"
    points = write_example("judges", package)
    (tmp_path / "judged.yaml").write_text((package / "judged.yaml").read_text())
    with pytest.raises(UserError, match=r"evaluation\.judge\.own is overlap, which is no judge of your own"):
        load_recipe("judged.yaml")
    with pytest.raises(UserError, match=r"evaluation\.judge\.options are options of a judge of your own"):
        load_recipe("judged.yaml", ["evaluation.judge.own=null"])
    with installed(package, points):
        recipe = load_recipe("judged.yaml")
        path = judged_path(tmp_path / "evaluations/1.json", recipe)
        _judge(recipe, "start", answers.parent, path, tmp_path / "judge")
        kept = read_json(path)
        edit(package)
        assert judged_path(tmp_path / "evaluations/1.json", recipe) != path
    assert kept["judge"]["judge"] == "overlap"
    assert kept["unjudged"] == {"frow/cub": 1}
    asked = load_recipe("recipe.yaml", ["evaluation.tasks=[frow]", "evaluation.judge={}", "network=true"])
    assert decisive(asked.evaluation.judge) == DECISIVE


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 1 / 0", "judge odd, image 1.jpg, question 7: ZeroDivisionError: division by zero"),
        ("return None", "question 7: it gave a NoneType; expected is a Judgement, or a text"),
        ("return Judgement(3, '', 0, '')", "it gave 3 and 0; the scales are 0 to 2 and 0 to 3"),
    ],
)
def test_what_a_judge_does_wrong_is_said_with_the_answer(body, message, tmp_path):
    lines = ["from evaluation.judging.verdict import Judgement", "class Odd:", "    def judge(self, one):"]
    (tmp_path / "odd.py").write_text("\n".join([*lines, f"        {body}"]) + "\n")
    one = Candidate(7, "1.jpg", None, "gull", "What is it?", "A gull.", "a gull")
    with installed(tmp_path, {"evaluation.judges": {"odd": "odd:Odd"}}), pytest.raises(UserError, match=message):
        OwnJudge("odd", {}, "--option").judge([one], lambda *taken: None)
