"""Tasks of a user's own, from folders that commands and recipes name: the page on tasks as it stands."""

from pathlib import Path

import pytest
import yaml
from evaluation_fakes import FakeAnswerer, FakesInstalled
from extending_pages import commands, write_example
from PIL import Image

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json
from evaluation import __main__ as command
from evaluation.asking.answerers import find
from evaluation.tasks import task_files
from evaluation.tasks.load import load_tasks
from evaluation.tasks.task import questions_hash
from evaluation.tasks.task_files import all_specs, use_tasks_from

RECIPE = """
name: plain
model: {vision_encoder: a, projector: linear, language_model: b}
data: {some: {path: here, rows: 8}}
stages:
  sft: {train: {projector: 1.0e-3}, mix: {some: 1}, global_batch_size: 8}
"""


@pytest.fixture
def page(tmp_path, monkeypatch) -> Path:
    """Its files, in the folder that we are in; what this test makes known is forgotten after it."""
    write_example("tasks", tmp_path)
    for number, name in enumerate("abc"):
        Image.new("RGB", (8, 8), (number, 9, 9)).save(tmp_path / f"data/herbarium/margin/{name}.jpg")
    monkeypatch.setattr(task_files, "_own_folders", [])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_on_tasks_runs_as_written(page, monkeypatch, capsys):
    (page / "checkpoint").mkdir()
    (page / "checkpoint/fake").touch()
    monkeypatch.setattr(find, "ANSWERERS", FakesInstalled(lambda: FakeAnswerer(lambda image, _: "smooth")))
    lines = commands("tasks")
    assert [words[3] for words in lines] == ["run", "score", "compare"]
    for words in lines:
        monkeypatch.setattr(task_files, "_own_folders", [])  # each is a process of its own
        plain = [word for word in words[3:] if word not in ("--tasks-from", "tasks")]
        if words[3] != "compare":  # which then shows no single answers
            assert command.main(plain) == 2
            assert "--tasks-from DIR" in capsys.readouterr().err
        assert command.main(words[3:]) == 0
    (checkpoint,) = read_json(page / "out/scores.json")["checkpoints"]
    assert checkpoint["tasks"]["herbarium/margin"]["scores"][0]["value"] == pytest.approx(100 / 3)
    assert "Herbarium: margin of leaves" in (page / "out/report.html").read_text()


def test_a_recipe_tells_of_them_and_everything_in_the_file_is_in_the_identity(page, monkeypatch):
    from fgtrain.errors import UserError as Refused
    from fgtrain.jobs.report import know_their_tasks
    from fgtrain.recipe import load_recipe
    from fgtrain.runs.preflight import refuse_what_cannot_run

    (page / "recipe.yaml").write_text(RECIPE)
    with pytest.raises(Refused, match=r"evaluation\.tasks\.0 is herbarium, which no task file means"):
        load_recipe("with_herbarium.yaml", ["evaluation.tasks_from=[]"])
    refuse_what_cannot_run(load_recipe("with_herbarium.yaml"))
    with pytest.raises(Refused, match=r"evaluation\.tasks_from .*no folder nowhere"):
        load_recipe("with_herbarium.yaml", ["evaluation.tasks_from=[nowhere]"])
    (page / "run").mkdir()
    resolved = load_recipe("with_herbarium.yaml").model_dump(mode="json")
    (page / "run/recipe.resolved.yaml").write_text(yaml.safe_dump(resolved))
    monkeypatch.setattr(task_files, "_own_folders", [])
    know_their_tasks([page / "run", page / "of_another_program"])
    (task,) = load_tasks(["herbarium"], [Path("data")])
    spec = yaml.safe_load((page / "tasks/herbarium.yaml").read_text())
    (page / "edited").mkdir()
    (page / "edited/herbarium.yaml").write_text(yaml.safe_dump(spec | {"per_category": True}))
    monkeypatch.setattr(task_files, "_own_folders", [])
    use_tasks_from(["edited"])
    (edited,) = load_tasks(["herbarium"], [Path("data")])
    assert task.items == edited.items
    assert questions_hash(task) != questions_hash(edited)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "ai2d"}, "name ai2d is taken by another task file"),
        ({"name": "another"}, "name is 'another', not the file's name"),
        ({"task": "frow/{dataset}"}, r"names of frow \(frow/{dataset}\) may read the same"),
        ({"task": "{type}/{dataset}"}, "may read the same. Begin it with a word of your own"),
        ({"task": "herbarium/{species}"}, "in braces may stand dataset, level, type"),
        ({"task": "herbarium/../{type}"}, "parts of plain letters"),
        ({"rules": ["exakt"], "primary": "exakt"}, "rules names exakt, which is none; there are: .*exact"),
        ({"primary": "strict"}, "primary is strict, which is none of its rules"),
        ({"files": "../secret/*.jsonl"}, r"files names '\.\./secret/\*\.jsonl', .*outside the data folder"),
        ({"files": "/etc/*.jsonl"}, "outside the data folder"),
        ({"code": "mine.py"}, "code\n.*Extra inputs are not permitted"),
    ],
)
def test_what_an_own_task_file_may_not_say(change, message, page):
    spec = yaml.safe_load((page / "tasks/herbarium.yaml").read_text()) | change
    path = page / "tasks" / ("ai2d.yaml" if change.get("name") == "ai2d" else "herbarium.yaml")
    (page / "tasks/herbarium.yaml").unlink()
    path.write_text(yaml.safe_dump(spec))
    before = all_specs()
    with pytest.raises(UserError, match=message):
        use_tasks_from(["tasks"])
    assert all_specs() == before
