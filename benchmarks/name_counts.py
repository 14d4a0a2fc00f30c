"""Time and peak memory of `python -m data_builders name_counts` on a file as large as llava_v1_5_mix665k.json.

    python benchmarks/name_counts.py [--rows 665298] [--categories 200] [--naming 0.05]

Makes a Flowers-like folder data set of that many categories with names of one to four words, and rows as
llava_full_size.py makes them (about 1.1 GB), a share of them with names in one of their texts. The counts are compared
with what was put in. Exit status 1 when it takes more than 120 s or 1 GiB.
"""

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from llava_full_size import ROWS, rows, run
from PIL import Image

from data_builders.shared.files import read_json

SECONDS, GIBIBYTES = 120, 1.0
SYLLABLES = ("ka", "lo", "mi", "ta", "re", "su", "no", "ve", "bi", "gra", "dun", "pel", "tor", "wen", "fis", "hul")


def names(rng: random.Random, count: int) -> list[str]:
    """Made-up names of one to four words, the last of which some share, as birds do."""

    def word() -> str:
        return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 3)))

    last, found = [word() for _ in range(max(1, count // 8))], {}
    while len(found) < count:
        end = rng.choice(last) if rng.random() < 0.8 else word()
        found[" ".join([*(word() for _ in range(rng.randint(0, 3))), end])] = None
    return list(found)


def spelt(name: str, rng: random.Random) -> str:
    """The name as a text may have it."""
    text = rng.choice((name, name.title(), name.upper(), name.replace(" ", "-", 1), name + "s"))
    return text + rng.choice(("", ".", ",", "'s", " (a rare one)")) if not text.endswith("s") else text


def make(folder: Path, options: argparse.Namespace) -> Counter:
    """The data set and the file of rows; returns rows a category."""
    rng, put = random.Random(1), Counter()
    known = names(rng, options.categories)
    for number, name in enumerate(known):
        place = folder / "set" / ("train" if number else "test") / name
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(place / "1.jpg")
    with open(folder / "mix.json", "w", encoding="utf-8") as out:
        for number, row in enumerate(rows(options.rows / ROWS)):
            if rng.random() < options.naming:
                name, turn = rng.choice(known), rng.choice(row["conversations"])
                turn["value"] += f" It is a {spelt(name, rng)}"
                put[name] += 1
            # The published rows are English; the words of llava_full_size.py are not all.
            text = json.dumps(row, indent=2).replace("\\u9ce5", "bird") if number % 50 else json.dumps(row, indent=2)
            out.write(("[\n" if number == 0 else ",\n") + text)
        out.write("\n]\n")
    return put


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows of the file (default {ROWS})")
    parser.add_argument("--categories", type=int, default=200)
    parser.add_argument("--naming", type=float, default=0.05, help="share of rows with a name (default 0.05)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        put = make(folder, options)
        size = (folder / "mix.json").stat().st_size
        print(f"mix.json: {size / 1e9:.2f} GB, {options.rows:,} rows, {put.total():,} with a name", flush=True)
        command = ["-m", "data_builders", "name_counts", "--source", "folder", "--root", str(folder / "set")]
        command += ["--data", f"mix={folder / 'mix.json'}", "--out", str(folder)]
        seconds, gib, cpu = run([sys.executable, *command])
        print(f"name_counts: {seconds:.1f} s ({cpu:.1f} s CPU), peak {gib:.2f} GiB")
        found = read_json(folder / "name_counts" / "folder.json")["categories"]
        wrong = [name for name, one in found.items() if one["mix"]["rows"] != put[name]]
        if wrong:
            first = wrong[0]
            sys.exit(f"{len(wrong)} counts are wrong, of {first!r}: {found[first]['mix']}, put in {put[first]}")
        if seconds > SECONDS or gib > GIBIBYTES:
            sys.exit(f"over the bounds of {SECONDS} s and {GIBIBYTES} GiB")


if __name__ == "__main__":
    main()
