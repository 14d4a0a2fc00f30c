"""The small benchmark that several files of tests ask about."""

import pytest
from evaluation_fakes import HIERARCHY, make_benchmark, published_rows

from evaluation.tasks.load import load_tasks


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_benchmark(tmp_path_factory.mktemp("benchmark"))


@pytest.fixture(scope="module")
def tasks(data):
    return load_tasks(["fgbmk", "frow", "drawn", "perplexity"], [data])


@pytest.fixture
def questions(data):
    return data / HIERARCHY / "cub" / "species" / "species_question_choice.jsonl"


@pytest.fixture
def published(questions):
    return published_rows(questions)
