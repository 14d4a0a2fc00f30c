"""An answer of a model that runs here is known by the code that asks, one of an endpoint by what was sent to whom."""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest
from evaluation_fakes import FakeAnswerer, make_benchmark

from data_builders.shared.code_identity import CodeIdentity, code_of
from evaluation.asking import ask
from evaluation.asking.answerers.endpoint import endpoint_answerer
from evaluation.tasks.load import load_tasks

_path = Path(__file__).parents[1] / "data_builders" / "fake_endpoint.py"
_spec = importlib.util.spec_from_file_location("fake_endpoint", _path)
fake = sys.modules.setdefault("fake_endpoint", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(fake)


@pytest.fixture
def tasks(tmp_path):
    return load_tasks(["fgbmk"], [make_benchmark(tmp_path / "data")])


@pytest.fixture
def change_engine(monkeypatch):
    """Makes the engine's code another."""
    return lambda: monkeypatch.setattr("evaluation.asking.asked.code_of", lambda *roots: CodeIdentity("other", {}))


def local(code: str) -> FakeAnswerer:
    model = FakeAnswerer()
    model.settings = {"chat": "qa", "code": code}
    return model


def asked(model: FakeAnswerer, tasks, out) -> int:
    ask(model, tasks, out)
    return len(model.asked)


def test_a_model_that_runs_here_is_asked_anew_by_other_code(tasks, tmp_path, change_engine):
    all_questions = asked(local("a"), tasks, tmp_path / "out")
    assert asked(local("a"), tasks, tmp_path / "out") == 0
    assert asked(local("b"), tasks, tmp_path / "out") == all_questions
    change_engine()
    assert asked(local("b"), tasks, tmp_path / "out") == all_questions


def test_an_endpoint_is_never_asked_again_because_our_code_changed(tasks, tmp_path, change_engine, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", fake.KEY)
    with fake.endpoint(lambda number, body: fake.said("yes")) as one:
        model = endpoint_answerer("endpoint:gpt-x", tmp_path / "replies", base_url=one.url)
        assert "code" not in model.settings
        ask(model, tasks, tmp_path / "out")
        paid = len(one.requests)
        assert paid
        shutil.rmtree(tmp_path / "replies")  # the rows alone must do
        change_engine()
        ask(endpoint_answerer("endpoint:gpt-x", tmp_path / "replies", base_url=one.url), tasks, tmp_path / "out")
        assert len(one.requests) == paid


@pytest.mark.parametrize(
    "asks", ["evaluation.asking.one_batch", "evaluation.asking.answerers.lvlm", "fgtrain.training.answerer"]
)
def test_what_only_scores_is_no_part_of_what_asks(asks):
    files = code_of(asks).files
    assert [path for path in files if path.startswith(("evaluation/scoring", "evaluation/tasks"))] == []
