"""Exact retrieval over growing galleries: time a query, and how much memory it holds.

    python benchmarks/retrieval_scale.py [--largest 100000] [--queries 256] [--features 1024]

Each size runs in a process of its own, the gallery memory mapped from a file. "held" is the largest anonymous memory of
the process beyond what it held before (the similarities of one block, and one block of gallery rows); mapped pages of
the gallery's file are the system's to drop and are counted apart. The bound is 256 MiB of similarities + 96 MiB.
The smallest gallery is also ranked by a plain full sort, which must give the same numbers. Exit status 1 when the bound
is broken or the numbers differ.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from evaluation.features.retrieval import retrieve
from evaluation.features.similarity import MEMORY, normalised

CLASSES = 500
BOUND = MEMORY + 96 * 2**20


def anonymous() -> int:
    """Bytes of this process's memory that no file stands behind."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return 1024 * int(line.split()[1])
    return 0


def write_gallery(path: Path, rows: int, features: int) -> None:
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(CLASSES, features)).astype(np.float32)
    out = np.lib.format.open_memmap(path, "w+", np.float32, (rows, features))
    for start in range(0, rows, 10_000):
        labels = np.arange(start, min(start + 10_000, rows)) % CLASSES
        out[start : start + len(labels)] = centres[labels] + 4 * generator.standard_normal(
            (len(labels), features), np.float32
        )


def one_size(path: Path, queries: int, check: bool) -> None:
    gallery = np.load(path, mmap_mode="r")
    labels = np.arange(len(gallery)) % CLASSES
    generator = np.random.default_rng(1)
    chosen = generator.permutation(len(gallery))[:queries]
    query = gallery[chosen] + 2 * generator.standard_normal((queries, gallery.shape[1]), np.float32)
    held, most, done = anonymous(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            most[0] = max(most[0], anonymous() - held)

    thread = threading.Thread(target=watch)
    thread.start()
    started = time.perf_counter()
    found = retrieve(query, labels[chosen], gallery, labels)
    seconds = time.perf_counter() - started
    done.set()
    thread.join()
    result = {"seconds": seconds, "held": most[0], "map": float(found.ap.mean()), "hit": float(found.hit[1].mean())}
    if check:
        scores = normalised(query) @ normalised(gallery[:]).T
        order = np.argsort(-scores, axis=1, kind="stable")
        relevant = labels[order] == labels[chosen][:, None]
        precision = relevant.cumsum(1) / np.arange(1, len(gallery) + 1)
        result["plain"] = float(((precision * relevant).sum(1) / relevant.sum(1)).mean())
    print(json.dumps(result))


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--largest", type=int, default=100_000)
    options.add_argument("--queries", type=int, default=256)
    options.add_argument("--features", type=int, default=1_024)
    options.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.one:
        one_size(arguments.one, arguments.queries, arguments.check)
        return 0
    sizes, wrong, before = [arguments.largest // part for part in (16, 8, 4, 2, 1)], False, None
    print(
        f"{arguments.queries} queries, {arguments.features} features, {CLASSES} classes, bound {BOUND / 2**20:.0f} MiB"
    )
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "gallery.npy"
            write_gallery(path, size, arguments.features)
            command = [sys.executable, __file__, "--one", str(path), "--queries", str(arguments.queries)]
            command += ["--check"] * (size == sizes[0])
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        result = json.loads(done.stdout)
        each = 1000 * result["seconds"] / arguments.queries
        grown = "" if before is None else f", {each / before:.2f}x the half"
        before = each
        print(
            f"{size:>9,} gallery pictures: {each:7.2f} ms a query{grown}, held {result['held'] / 2**20:.0f} MiB, "
            f"mAP {100 * result['map']:.2f}"
        )
        wrong |= result["held"] > BOUND
        if "plain" in result:
            print(f"          a plain full sort gives mAP {100 * result['plain']:.2f}")
            wrong |= abs(result["plain"] - result["map"]) > 1e-9
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
