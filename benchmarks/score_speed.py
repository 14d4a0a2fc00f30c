"""Scoring 1.01 million answers, beside the plainest possible scorer under the released rule.

    python benchmarks/score_speed.py [--rows 1010000] [--one-file] [--folder DIR] [--keep]

Writes FG-BMK prediction files of that many rows in all, sized as its own files are (names are invented), and scores
them through the functions behind `python -m evaluation score`: rules released and strict, both accuracies with their
intervals over images, knowledge bias by category, and the checks of every row. `--one-file` puts all rows into one
file of one task. The peer reads the same files line by line, applies the released rule and counts right rows and
images; it checks nothing and gives no interval. Each runs in a process of its own, so that peak memory is its own.
Exit status 1 when a bound is broken: 60 s, 1 GiB, or another number of right answers than the peer's.
"""

import argparse
import json
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS, SECONDS, GIBIBYTES = 1_010_000, 60.0, 1.0
SYLLABLES = ("ba", "do", "fi", "gu", "ke", "lo", "mi", "nu", "pa", "re", "si", "tu")
KINDS = ("choice", "true_false", "short_answer")
LARGEST = 11_588  # rows of a file: knowledge bias of CUB


def names(count: int) -> list[str]:
    draw = random.Random(7)
    return ["-".join("".join(draw.choices(SYLLABLES, k=3)).title() for _ in range(2)) for _ in range(count)]


def prediction(draw: random.Random, number: int, kind: str, labels: list[str], bias: bool) -> dict:
    gold = draw.choice(labels)
    image = f"images/{labels.index(gold):03}.{gold}/{(number // (2 if bias else 1)):06}.jpg"
    right = draw.random() < 0.6
    if kind == "true_false":
        asked, truth = (gold, "yes") if number % 2 else (draw.choice(labels), "no")
        question = f"From your observation, is the species of the bird shown a {asked}? Answer with yes or no."
        wrong = {"yes": "No.", "no": "Yes, it is."}[truth]
        said = ({"yes": "Yes.", "no": "no"}[truth] if right else wrong) if draw.random() < 0.95 else "I cannot tell"
        return row(number, image, question, said, truth, gold if bias else "generic")
    options = [gold, *draw.sample(labels, 3)]
    draw.shuffle(options)
    question = "What is the species of the bird in this image? "
    if kind == "choice":
        listed = ", ".join(f'"{one}"' for one in options)
        question += f"Choose one answer from the following list: {listed}. Answer the question using a single word."
    else:
        question += "Directly answer with species names."
    said = f"The bird is a {gold if right else options[1]}."
    return row(number, image, question, said, gold, "generic")


def row(number: int, image: str, question: str, said: str, gold: str, category: str) -> dict:
    return {
        "question_id": number,
        "image": image,
        "prompt": question,
        "text": said,
        "class": gold,
        "category": category,
    }


def write_files(folder: Path, rows: int, one_file: bool) -> list[tuple[str, Path]]:
    """(task, file) of each file written."""
    labels, draw, written, files = names(200), random.Random(17), 0, []
    while written < rows:
        place = len(files)
        bias = place % 7 == 1 and not one_file
        kind = "choice" if one_file else "true_false" if bias else KINDS[place % 3]
        name = f"fgbmk/set{place}/knowledge_bias" if bias else f"fgbmk/set{place}/species/{kind}"
        count = rows if one_file else min(rows - written, LARGEST)
        path = folder / f"{place:04}.jsonl"
        with open(path, "w", encoding="utf-8") as file:
            for number in range(1, count + 1):
                file.write(json.dumps(prediction(draw, number, kind, labels, bias)) + "\n")
        files.append((name, path))
        written += count
    return files


def ours(files: list[tuple[str, Path]]) -> dict:
    from evaluation.scoring.predictions import read_predictions
    from evaluation.scoring.score_answers import score_answers
    from evaluation.tasks.task_files import task_without_items

    rows = right = 0
    for name, path in files:
        task = task_without_items(name)
        answers, notes = read_predictions(task, path)
        score = score_answers(task, answers, notes=notes)
        rows += score.n
        right += round(score.main.value * score.n / 100)
    return {"rows": rows, "right": right}


def peer(files: list[tuple[str, Path]]) -> dict:
    rows = right = 0
    for _, path in files:
        images: dict[str, bool] = {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                one = json.loads(line)
                said = re.sub(r"[_\-,]+", " ", one["text"]).lower().strip()
                gold = re.sub(r"[_\-,]+", " ", one["class"]).lower().strip()
                hit = gold in said
                rows, right = rows + 1, right + hit
                images[one["image"]] = images.get(one["image"], True) and hit
        sum(images.values()) / len(images)
    return {"rows": rows, "right": right}


def measured(which: str, folder: Path) -> dict:
    """Run one of the two in a process of its own."""
    command = [sys.executable, __file__, "--folder", str(folder), "--only", which]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def run_one(which: str, folder: Path) -> None:
    files = [(name, folder / path) for name, path in json.loads((folder / "files.json").read_text())]
    started, used = time.perf_counter(), time.process_time()
    found = {"ours": ours, "peer": peer}[which](files)
    found |= {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - used}
    found["gibibytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(found))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--one-file", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--only", choices=("ours", "peer"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        run_one(arguments.only, arguments.folder)
        return 0
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="score_speed."))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        files = write_files(folder, arguments.rows, arguments.one_file)
        (folder / "files.json").write_text(json.dumps([(name, path.name) for name, path in files]))
        results = {which: measured(which, folder) for which in ("ours", "peer")}
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)
    print(f"{arguments.rows:,} answers in {len(files)} files")
    for which, found in results.items():
        print(
            f"{which}: {found['seconds']:.1f} s wall, {found['cpu_seconds']:.1f} s CPU, "
            f"{found['rows'] / found['seconds']:,.0f} answers/s, peak {found['gibibytes']:.2f} GiB, "
            f"{found['right']:,} right"
        )
    own, other = results["ours"], results["peer"]
    print(f"ratio of the times: {own['seconds'] / other['seconds']:.1f}; bounds {SECONDS:g} s, {GIBIBYTES:g} GiB")
    kept = own["seconds"] <= SECONDS and own["gibibytes"] <= GIBIBYTES
    return 0 if kept and (own["rows"], own["right"]) == (other["rows"], other["right"]) else 1


if __name__ == "__main__":
    sys.exit(main())
