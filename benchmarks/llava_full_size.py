"""Time and peak memory of `python -m data_builders llava` on a file as large as llava_v1_5_mix665k.json.

    python benchmarks/llava_full_size.py [--rows 665298] [--lines] [--keep DIR]

Makes the file (rows by image root as published, about 1 GB) and its 378,000 images as hard links to a few small JPEGs,
runs the command, and beside it what LLaVA's own training script does with the file: json.load of the whole. Exit
status 1 when the command takes more than 60 s or 1.5 GiB.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

ROWS = 665_298
SECONDS, GIBIBYTES = 60, 1.5
LINKS = 50_000  # to one file; some file systems allow 65,000
# Rows, image folder, its images, pairs a row, characters of a question and of an answer. Rows and image roots are the
# published counts; pairs and lengths are those of the data sets that were put together.
PARTS = (
    (157_712, "coco/train2017/{:012}.jpg", 118_287, 2.3, 70, 420),
    (82_783, "coco/train2017/{:012}.jpg", 118_287, 5.4, 40, 4),
    (75_158, "coco/train2017/{:012}.jpg", 118_287, 1.3, 150, 2),
    (48_447, "coco/train2017/{:012}.jpg", 118_287, 7, 110, 30),
    (72_140, "gqa/images/{}.jpg", 72_140, 10, 50, 5),
    (80_000, "ocr_vqa/images/{:010}.jpg", 80_000, 5, 45, 20),
    (21_953, "textvqa/train_images/{:016x}.jpg", 21_953, 1, 300, 60),
    (43_209, "vg/VG_100K/{}.jpg", 43_209, 8, 90, 25),
    (43_208, "vg/VG_100K_2/{}.jpg", 43_208, 8, 90, 25),
    (40_688, None, 0, 3, 250, 1300),
)
WORDS = ["a", "the", "of", "in", "on", "red", "small", "bird", "wing", "with", "person", "naïve", "鳥", "table", "near"]


def text(rng: random.Random, characters: int) -> str:
    words, length = [], 0
    while length < characters:
        words.append(rng.choice(WORDS))
        length += len(words[-1]) + 1
    return " ".join(words)


def rows(scale: float) -> Iterator[dict]:
    """Rows in drawn order, as the published file has its sources mixed."""
    rng = random.Random(0)
    pools = [[[text(rng, rng.randint(n // 2, n * 3 // 2)) for _ in range(500)] for n in part[4:]] for part in PARTS]
    which = [place for place, part in enumerate(PARTS) for _ in range(round(part[0] * scale))]
    rng.shuffle(which)
    for number, place in enumerate(which):
        _, path, images, pairs, _, _ = PARTS[place]
        questions, answers = pools[place]
        turns = []
        for pair in range(max(1, round(rng.expovariate(1 / pairs)))):
            lead = "<image>\n" if path and not pair else ""
            turns.append({"from": "human", "value": lead + questions[rng.randrange(500)]})
            turns.append({"from": "gpt", "value": answers[rng.randrange(500)]})
        if path is None:
            yield {"id": f"text_{number}", "conversations": turns}
            continue
        image = path.format(rng.randrange(max(1, round(images * scale))))
        yield {"id": image.rsplit("/", 1)[-1][:-4], "image": image, "conversations": turns}


def make(folder: Path, scale: float, lines: bool) -> Path:
    for _, path, images, *_ in PARTS:
        if path is None:
            continue
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        for number in range(max(1, round(images * scale))):
            there = folder / path.format(number)
            if number % LINKS == 0:
                original = there
                if not there.exists():
                    Image.new("RGB", (16, 16)).save(there)
            elif not there.exists():
                os.link(original, there)
    file = folder / ("mix.jsonl" if lines else "mix.json")
    with open(file, "w", encoding="utf-8") as out:
        for number, row in enumerate(rows(scale)):
            if lines:
                out.write(json.dumps(row) + "\n")
                continue
            out.write(("[\n" if number == 0 else ",\n") + json.dumps(row, indent=2))
        out.write("" if lines else "\n]\n")
    return file


def run(command: list[str]) -> tuple[float, float, float]:
    """Seconds, peak memory in GiB and processor seconds of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} ended with status {status}")
    return time.perf_counter() - start, usage.ru_maxrss / 2**20, usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows of the file (default {ROWS})")
    parser.add_argument("--lines", action="store_true", help="JSON lines instead of an array")
    parser.add_argument("--keep", type=Path, help="make the file here and keep it; used again when it is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        file = folder / ("mix.jsonl" if options.lines else "mix.json")
        if not file.is_file():
            make(folder, options.rows / ROWS, options.lines)
        print(f"{file.name}: {file.stat().st_size / 1e9:.2f} GB, {options.rows:,} rows", flush=True)
        out = Path(temporary) / "out"
        command = ["-m", "data_builders", "llava", "--root", str(folder), "--file", file.name, "--out", str(out)]
        ours = run([sys.executable, *command])
        print(f"data_builders llava: {ours[0]:.1f} s ({ours[2]:.1f} s CPU), peak {ours[1]:.2f} GiB", flush=True)
        load = "[json.loads(line) for line in file]" if options.lines else "json.load(file)"
        peer = run([sys.executable, "-c", f"import json\nwith open({str(file)!r}) as file: rows = {load}"])
        print(f"json.load, no more:  {peer[0]:.1f} s ({peer[2]:.1f} s CPU), peak {peer[1]:.2f} GiB")
        print(f"ratio:               time x {ours[0] / peer[0]:.2f}, memory x {ours[1] / peer[1]:.3f}")
        if ours[0] > SECONDS or ours[1] > GIBIBYTES:
            sys.exit(f"over the bounds of {SECONDS} s and {GIBIBYTES} GiB")


if __name__ == "__main__":
    main()
