"""A study compares what its arms are asked, called as recipes ask it or as scores name it; known before training."""

from types import SimpleNamespace

import pytest

from evaluation.study.runs import of_task
from fgtrain.errors import UserError
from fgtrain.jobs import match
from fgtrain.recipe.study_checks import _could_mean

ASKED = ("fgbmk/drawn/species/choice", "fgbmk/drawn/genus/choice", "drawn/count", "drawn/count@blank", "frow/cub")
CALLED = [  # (measure, the entry of evaluation.tasks that it could be of, the tasks that it is made of)
    ("drawn_count", "drawn_count", ["drawn/count"]),
    ("drawn/count", "drawn_count", ["drawn/count"]),
    ("drawn_count", "drawn/count", ["drawn/count"]),
    ("drawn/count@blank", "drawn_count", ["drawn/count@blank"]),
    ("fgbmk", "fgbmk", ["fgbmk/drawn/species/choice", "fgbmk/drawn/genus/choice"]),
    ("fgbmk/drawn/genus", "fgbmk", ["fgbmk/drawn/genus/choice"]),
    ("frow", "frow", ["frow/cub"]),
    ("drawn_chart", "drawn_count", []),
    ("drawn/chart", "drawn_count", []),
    ("fgbmk/cub/species", "fgbmk", []),
]


@pytest.mark.parametrize(("measure", "entry", "tasks"), CALLED)
def test_a_measure_is_refused_before_training_or_made_of_tasks(measure, entry, tasks, monkeypatch):
    assert [task for task in ASKED if of_task(task, measure)] == tasks
    possible = _could_mean(measure.partition("@")[0], entry)
    assert possible or not tasks
    monkeypatch.setattr(match, "asked_questions", lambda recipe: dict.fromkeys(ASKED, "hash"))
    study = SimpleNamespace(name="s", recipes=[SimpleNamespace(recipe=None)], measure=("general", measure))
    if tasks:
        match._check_measures(study)
    else:
        with pytest.raises(UserError, match=f"study s: answer.measure holds {measure}, but no arm is asked {measure}"):
            match._check_measures(study)
