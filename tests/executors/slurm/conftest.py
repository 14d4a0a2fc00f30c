"""What every test of submitting needs."""

from pathlib import Path

import pytest
from submit_fakes import Submitter


@pytest.fixture
def submit(tmp_path: Path) -> Submitter:
    return Submitter(tmp_path)
