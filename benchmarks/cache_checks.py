"""What it costs that everything kept on disk is checked when it is read: python benchmarks/cache_checks.py

Prints the share that the check has of reading, and what it adds to each picture or row. A stage of an 8 B model takes
some 30 ms of one H200 for a sample (at half of its peak); the miniature's some 10 ms of a core.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from data_builders.records import conversation, write_training_set
from data_builders.shared import array_store
from data_builders.shared.array_store import ArrayStore
from data_builders.shared.code_identity import CodeIdentity
from data_builders.shared.sealed import is_whole
from fgtrain.data.rows import Rows

PICTURES, SHAPE, BATCH = 512, (256, 1024), 16  # features of 1 MiB a picture
ROWS = 20_000


def best_of(times: int, what) -> float:
    """Seconds."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        what()
        found.append(time.perf_counter() - start)
    return min(found)


def features(folder: Path) -> None:
    store = ArrayStore(folder)
    rng = np.random.default_rng(0)
    keys = [f"{number:032x}" for number in range(PICTURES)]
    for start in range(0, PICTURES, BATCH):
        store.add(keys[start : start + BATCH], rng.standard_normal((BATCH, *SHAPE), np.float32))

    def read() -> None:
        for start in range(0, PICTURES, BATCH):
            store.get(keys[start : start + BATCH])

    checked = best_of(5, read)
    kept, array_store.ArrayStore._refuse_damaged = array_store.ArrayStore._refuse_damaged, lambda *_: None
    plain = best_of(5, read)
    array_store.ArrayStore._refuse_damaged = kept
    each = (checked - plain) / PICTURES * 1e3
    print(
        f"features of {np.prod(SHAPE) * 4 / 2**20:.0f} MiB: read {plain / PICTURES * 1e3:.2f} ms, check {each:.2f} ms"
    )


def rows(folder: Path) -> None:
    text = "What is in the picture? " * 20
    made = (
        {"id": str(n), "conversations": conversation(text, f"{text}{n}", with_image=False), "kind": "text"}
        for n in range(ROWS)
    )
    about = {"builder": "benchmark", "code": CodeIdentity("0" * 16, {}), "sources": [], "splits": []}
    write_training_set(folder / "set", made, name="set", image_root=folder, **about)
    Rows(folder / "set", folder)
    (path,) = folder.glob("*.arrow")
    opened = best_of(3, lambda: Rows(folder / "set", folder))
    check = best_of(3, lambda: is_whole(path))
    size = path.stat().st_size
    print(
        f"rows: opening {ROWS:,} takes {opened * 1e3:.0f} ms, {check * 1e3:.0f} ms of them the check of "
        f"{size / 1e6:.0f} MB ({size / check / 1e9:.1f} GB/s), {check / ROWS * 1e6:.1f} us a row, once a process"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        features(Path(place) / "features")
        rows(Path(place) / "rows")
