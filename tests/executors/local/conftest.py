"""The tiny world of tests/run, and runs over it that nothing has stopped."""

import os
import pickle
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "run"))

from law_fakes import TWO, Run, law_recipe
from run_fakes import place, tiny_world

from data_builders.shared.locks import locked

__all__ = ["place", "tiny_world"]


def never_stopped(tiny_world: Path, own: Path, name: str, *words: str) -> Run:
    """Carried out once for all of pytest's processes, by the one that needs it first. `own`: this one's base folder."""
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    kept = folder / "run.pickle"
    with locked(folder.with_suffix(".lock")):
        if not kept.exists():
            shutil.copytree(tiny_world, folder / "world")
            run = Run(folder, law_recipe(folder), words)
            status, output = run.start()
            assert status == 0, output
            run.remember()
            kept.write_bytes(pickle.dumps(run))
    return pickle.loads(kept.read_bytes())


@pytest.fixture(scope="session")
def whole(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """On one process."""
    return never_stopped(tiny_world, tmp_path_factory.getbasetemp(), "whole")


@pytest.fixture(scope="session")
def whole_of_two(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """On two processes."""
    return never_stopped(tiny_world, tmp_path_factory.getbasetemp(), "two", *TWO)
