"""One tiny world for all tests of whole runs."""

import shutil
from pathlib import Path

import pytest
from run_fakes import WORLD

from data_builders.build import build


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "world"
    build("drawn", root=None, out=folder, options=WORLD)
    return folder


@pytest.fixture
def place(tmp_path: Path, tiny_world: Path) -> Path:
    """A folder of the test's own with a copy of the world in it."""
    shutil.copytree(tiny_world, tmp_path / "world")
    return tmp_path
