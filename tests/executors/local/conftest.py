"""The tiny world of tests/run, and runs over it that nothing has stopped."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "run"))

from law_fakes import TWO, Run, law_recipe
from run_fakes import place, tiny_world

__all__ = ["place", "tiny_world"]


def never_stopped(tiny_world: Path, folder: Path, *words: str) -> Run:
    shutil.copytree(tiny_world, folder / "world")
    run = Run(folder, law_recipe(folder), words)
    status, output = run.start()
    assert status == 0, output
    run.remember()
    return run


@pytest.fixture(scope="session")
def whole(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """On one process."""
    return never_stopped(tiny_world, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="session")
def whole_of_two(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """On two processes."""
    return never_stopped(tiny_world, tmp_path_factory.mktemp("two"), *TWO)
