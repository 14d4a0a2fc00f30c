"""Made-up run folders for the report's tests: the files a real run leaves, from a model that is a table of odds."""

import json
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from data_builders.shared.files import write_json, write_jsonl
from data_builders.shared.seeding import address_hash, draw
from evaluation.scoring.score_answers import item_scores
from evaluation.tasks.task_files import task_without_items

SPECIES = ("Scarlet Tanager", "Summer Tanager", "Blue Jay", "Green Jay", "House Wren", "Marsh Wren")
ALIGN, SFT, FG = 600, 900, 600  # samples of each stage

# task -> (group, share right at start, align, sft, fg)
ODDS = {
    "fgbmk/cub/species/short_answer": ("fine_grained", 0.02, 0.10, 0.22, 0.91),
    "fgbmk/cub/species/choice": ("fine_grained", 0.25, 0.30, 0.48, 0.92),
    "fgbmk/cub/species/true_false": ("fine_grained", 0.49, 0.50, 0.51, 0.52),
    "fgbmk/cub/genus/choice": ("fine_grained", 0.26, 0.40, 0.80, 0.99),
    "frow/cub": ("fine_grained", 0.03, 0.10, 0.30, 0.45),
    "drawn/count": ("general", 0.10, 0.30, 0.71, 0.22),
    "drawn/presence": ("general", 0.50, 0.55, 0.84, 0.61),
    "drawn/document": ("general", 0.00, 0.05, 0.98, 0.01),
    "drawn/chart": ("general", 0.05, 0.11, 0.66, 0.48),
}
MIXED = {  # what the same tasks look like after a mixed SFT
    "fgbmk/cub/species/short_answer": 0.86,
    "fgbmk/cub/species/choice": 0.88,
    "fgbmk/cub/species/true_false": 0.51,
    "fgbmk/cub/genus/choice": 0.98,
    "frow/cub": 0.40,
    "drawn/count": 0.70,
    "drawn/presence": 0.83,
    "drawn/document": 0.97,
    "drawn/chart": 0.66,
}


def make_run(root: Path, name: str, *, mixed: bool = False, rows: int = 60, tasks: dict | None = None) -> Path:
    """A run folder `<root>/<name>`: start, align, sft and, unless `mixed`, fg (fine-grained data alone)."""
    folder = root / name
    stages = ["align", "sft"] if mixed else ["align", "sft", "fg"]
    sizes = {"align": ALIGN, "sft": SFT + FG if mixed else SFT, "fg": FG}
    odds = {task: (group, *shares[: len(stages) + 1]) for task, (group, *shares) in (tasks or ODDS).items()}
    if mixed:
        odds = {task: (*shares[:-1], MIXED.get(task, shares[-1])) for task, shares in odds.items()}
    checkpoints, seen = [], 0
    for index, checkpoint in enumerate(["start", *stages]):
        seen += sizes.get(checkpoint, 0)
        scores = {
            task: _task_score(folder, root / "images", checkpoint, task, shares[0], shares[index + 1], rows)
            for task, shares in odds.items()
        }
        scores["perplexity/text"] = _perplexity([4.1, 4.1, 4.4, 9.7][index] if not mixed else [4.1, 4.1, 4.3][index])
        checkpoints.append(
            {
                "name": checkpoint,
                "stage": None if checkpoint == "start" else checkpoint,
                "samples_seen": seen,
                "step": sizes.get(checkpoint, 0) // 30,
                "model_hash": f"{address_hash(checkpoint, mixed and checkpoint == 'sft'):032x}"[:16],
                "tasks": scores,
            }
        )
    write_json(folder / "scores.json", {"run": name, "checkpoints": checkpoints})
    write_jsonl(folder / "metrics.jsonl", _metrics(stages, sizes, odds, checkpoints))
    write_json(folder / "plan.json", _plan(name, stages, sizes))
    (folder / "recipe.resolved.yaml").write_text(
        f"name: {name}\nseed: 17\nmodel:\n  vision_encoder: base/vision  # <script>alert(1)</script>\nstages:\n"
        + "".join(f"  {stage}:\n    train: {{projector: 1.0e-3}}\n    mix: {{general: 1}}\n" for stage in stages)
    )
    return folder


def _task_score(folder, images: Path, checkpoint, task, group, share, rows) -> dict:
    """Writes the answers file; returns the TaskScore that its rows give."""
    answers = []
    for number in range(1, rows + 1):
        image = f"{group}/{number % max(rows // 2, 1):04d}.jpg"  # two questions a picture
        _picture(images / image, number)
        gold, other = SPECIES[number % 6], SPECIES[(number + 1) % 6]
        if task.endswith(("true_false", "presence")):
            gold, other = ("yes", "no") if number % 2 else ("no", "yes")
        elif group == "general":
            gold, other = str(number), "a house"
        # An item's difficulty is its own, so that checkpoints agree on what is easy, as real ones do.
        hard = 0.7 * draw("hard", task, number).random() + 0.3 * draw("hard", task, number, checkpoint).random()
        answers.append(
            {
                "task": task,
                "question_id": number,
                "image": image,
                "category": gold,
                "question": f"What is shown in picture {number}?",
                "prompt": f"What is shown in picture {number}? Answer briefly.",
                "gold": gold,
                "answer": gold if hard < share else other,
                "finished": True,
                "model": "fake",
                "model_hash": checkpoint,
                "image_hash": image,
                "prompt_hash": str(number),
                "settings_hash": "0",
            }
        )
    write_jsonl(folder / "answers" / checkpoint / f"{task.replace('/', '__')}.jsonl", answers)
    spec = task_without_items(task)
    right = 100 * float(np.mean(list(item_scores(spec, answers).values())))
    half = 1.96 * math.sqrt(max(right * (100 - right), 1) / rows)
    score = {"n": rows, "unit": "percent", "low": max(right - half, 0), "high": min(right + half, 100)}
    scores = [{"rule": rule, "metric": "accuracy", "value": right, **score} for rule in spec.rules]
    if task.startswith("frow"):
        scores = [{**scores[0], "metric": "final"}, {**scores[0], "metric": "content", "value": right / 2}]
    return {
        "task": task,
        "title": spec.title,
        "group": group,
        "version": 1,
        "n": rows,
        "images": max(rows // 2, 1),
        "primary": spec.primary,
        "scores": scores,
        "disagreements": 3 if task.endswith("true_false") else 0,
        "notes": ["solvable from the text alone"] if task.endswith("true_false") else [],
        "image_root": str(images),
        "higher_is_better": True,
        "categories": {},
    }


def _perplexity(value: float) -> dict:
    score = {
        "rule": "perplexity",
        "metric": "perplexity",
        "value": value,
        "low": value * 0.9,
        "high": value * 1.1,
        "n": 40,
    }
    return {
        "task": "perplexity/text",
        "title": "Plain text",
        "group": "general",
        "version": 1,
        "n": 40,
        "images": 0,
        "primary": "perplexity",
        "scores": [{**score, "unit": "perplexity"}],
        "disagreements": 0,
        "notes": [],
        "image_root": "",
        "higher_is_better": False,
    }


def _picture(path: Path, number: int) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (96, 72), tuple(int(c) for c in draw("sky", number).integers(120, 240, 3)))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((18, 14, 78, 60), fill=tuple(int(c) for c in draw("bird", number).integers(0, 200, 3)))
    pen.ellipse((60, 22, 68, 30), fill="white")
    picture.save(path)


def _metrics(stages, sizes, odds, checkpoints):
    seen = 0
    for index, stage in enumerate(stages):
        yield {"kind": "stage", "stage": stage, "samples_seen": seen, "step": 0, "fingerprint": f"{index:016x}"}
        before, after = checkpoints[index]["tasks"], checkpoints[index + 1]["tasks"]
        for step in range(1, sizes[stage] // 30 + 1):
            seen += 30
            noise = float(draw("loss", stage, step).normal(0, 0.08))
            loss = 0.3 + 2.5 * np.exp(-step / 12) / (index + 1) + noise
            place = {"stage": stage, "step": step, "samples_seen": seen}
            yield {"kind": "train", **place, "loss": loss, "lr": {"projector": 1e-3}}
            if step % 5 == 0 and step * 30 < sizes[stage]:
                share = step * 30 / sizes[stage]
                for task in odds:
                    old, new = before[task]["scores"][0]["value"], after[task]["scores"][0]["value"]
                    value = float(np.clip(old + (new - old) * share + draw(task, seen).normal(0, 5), 0, 100))
                    about = {"task": task, "group": odds[task][0], "rule": before[task]["primary"]}
                    about |= {"metric": before[task]["scores"][0]["metric"], "n": 50, "subset": True}
                    yield {"kind": "eval", **place, **about, "value": value, "low": value - 9, "high": value + 9}


def _plan(name, stages, sizes) -> dict:
    return {
        "name": name,
        "seed": 17,
        "stages": [
            {"name": stage, "steps": sizes[stage] // 30, "samples": sizes[stage], "fingerprint": f"{index:064x}"}
            for index, stage in enumerate(stages)
        ],
        "versions": {"python": "3.11.2", "torch": "2.13.0"},
    }


def jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]
