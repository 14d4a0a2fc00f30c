"""What all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch or the hub client is imported: two threads on busy cores are slower than one, and nothing may go online.
# W&B takes a second of each job: only what is tested of it asks for it.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "disabled"

# An example may take as long as it likes: a busy machine is no defect.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


# Minutes each, the longest first: one that began last would leave the other core idle.
LONG = (
    "run/test_sharded_runs.py",
    "executors/local/test_stopped_at_any_moment.py",
    "executors/local/test_side_by_side.py",
    "run/test_unhappy_ranks.py",
    "run/test_family_runs.py",
    "run/test_wandb_online.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first; all else stays in its order."""
    here = Path(__file__).parent
    places = {here / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """Takes back what a test has set: Lightning with DeepSpeed leaves a rank, which a later test takes for its own."""
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data beside the repository; the test is skipped where it is not."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("no ../shared/data here")
    return folder
