"""The tiny parts that stages are trained from."""

from pathlib import Path

import pytest
from stage_fakes import write_parts


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    write_parts(folder)
    return folder
