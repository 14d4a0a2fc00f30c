"""`check` over more and more images: is its time linear, and what does it save over comparing all pairs?

    python benchmarks/check_scale.py [--sizes 10000,30000,100000] [--pixels 96]

Draws that many small JPEGs (half of them training images, half a benchmark's), one in 500 of the benchmark's a
re-encoded, smaller copy of a training image. Runs the command with an empty cache and again with a full one. Beside it,
on the same hashes and in the same process: the search by bands, and all pairs with numpy, a row at a time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from data_builders.builder_code import builder_code
from data_builders.leakage.image_files import Files
from data_builders.leakage.near import near
from data_builders.leakage.picture_hashes import NEAR_BITS, same_colours
from data_builders.records import conversation, write_training_set
from data_builders.shared.files import write_jsonl
from data_builders.shared.seeding import draw

COPY_EVERY = 500
MOST_PAIRS = 3e8  # all pairs up to here: about ten seconds


def picture(number: int, pixels: int) -> Image.Image:
    """Soft shapes in colour under some noise: all different, and quick to draw."""
    rng = draw("check_scale", number)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    fine = Image.fromarray(rng.integers(96, 160, (pixels * 3 // 8, pixels // 2, 3), dtype=np.uint8))
    size = (pixels, pixels * 3 // 4)
    return Image.blend(coarse.resize(size, Image.Resampling.BICUBIC), fine.resize(size), 0.3)


def write_pictures(folder: Path, first: int, last: int, pixels: int, training: int) -> None:
    """The training images come first; the benchmark's follow."""
    for number in range(first, last):
        copy = number >= training and (number - training) % COPY_EVERY == 0
        image = picture(number - training if copy else number, pixels)
        if copy:
            image = image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.BICUBIC)
        stream = BytesIO()
        image.save(stream, "JPEG", quality=70 if copy else 88)
        path = folder / "images" / f"{number // 1000:03}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stream.getvalue())


def make(folder: Path, count: int, pixels: int) -> None:
    place, training = folder / "general/copies", count // 2
    steps = [(place, start, min(start + 1000, count), pixels, training) for start in range(0, count, 1000)]
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        list(pool.map(write_pictures, *zip(*steps, strict=True)))
    names = [f"images/{number // 1000:03}/{number:06}.jpg" for number in range(count)]
    asked = {"question": "What is it?", "answer": "a shape"}
    rows = ({"question_id": i, "image": name, **asked} for i, name in enumerate(names[training:]))
    write_jsonl(folder / "general/copies/questions.jsonl", rows)
    kind = {"source": "drawn", "kind": "shape", "category": "shape"}
    write_training_set(
        folder / "train",
        (
            {"id": n, "image": n, "conversations": conversation("What is it?", "a shape"), **kind}
            for n in names[:training]
        ),
        name="train",
        builder="llava",
        code=builder_code("llava"),
        image_root=place,
        sources=["drawn"],
        splits=["train"],
    )


def seconds_of_command(folder: Path) -> tuple[float, str]:
    command = [
        sys.executable,
        "-m",
        "data_builders",
        "check",
        "--root",
        str(folder / "train"),
        "--against",
        str(folder),
    ]
    start = time.perf_counter()
    done = subprocess.run([*command, "--out", str(folder / "found")], capture_output=True, text=True)
    if done.returncode != 2:
        raise SystemExit(f"the copies were not found:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start, done.stdout.splitlines()[0]


def all_pairs(left: np.ndarray, right: np.ndarray) -> int:
    """Near pairs, each left hash against all right ones."""
    words = [np.ascontiguousarray(one["hash"]).view(np.uint64) for one in (left, right)]
    found = 0
    for row, look in zip(words[0], left, strict=True):
        bits = np.bitwise_count(words[1] ^ row).sum(1)
        close = np.flatnonzero(bits <= NEAR_BITS)
        if len(close):
            same = same_colours(np.repeat(look["colours"][None], len(close), 0), right["colours"][close], bits[close])
            found += int(same.any())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,30000,100000")
    parser.add_argument("--pixels", type=int, default=96)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as top:
        os.environ["XDG_CACHE_HOME"] = f"{top}/cache"
        for count in map(int, options.sizes.split(",")):
            folder = Path(top) / str(count)
            start = time.perf_counter()
            make(folder, count, options.pixels)
            drawn = time.perf_counter() - start
            cold, found = seconds_of_command(folder)
            warm, _ = seconds_of_command(folder)
            paths = sorted(str(path) for path in (folder / "general/copies/images").rglob("*.jpg"))
            with Files(paths) as files:
                looks = files.looks(np.arange(count))
            left, right = looks[: count // 2], looks[count // 2 :]
            start = time.perf_counter()
            by_bands = len(list(near(left, right, NEAR_BITS)))
            bands = time.perf_counter() - start
            print(
                f"{count:,} images (drawn in {drawn:.0f} s): check {cold:.1f} s, {1e3 * cold / count:.2f} ms an image; "
                f"again {warm:.1f} s, {1e3 * warm / count:.3f} ms an image\n    {found}",
                flush=True,
            )
            line = f"    search alone: bands {bands:.2f} s"
            if (count / 2) ** 2 <= MOST_PAIRS:
                start = time.perf_counter()
                by_pairs = all_pairs(left, right)
                pairs = time.perf_counter() - start
                line += f", all pairs {pairs:.2f} s ({pairs / bands:.1f}x); found {by_bands} and {by_pairs}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
