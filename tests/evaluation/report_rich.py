"""A made-up run that has everything a report can show: attributes, bias, judge's reasons, options' probabilities,
steps between checkpoints, feature scores and a critical-distance diagram."""

import json
from pathlib import Path

import numpy as np
from report_fakes import SPECIES, make_run

from data_builders.shared.files import write_json, write_jsonl
from data_builders.shared.seeding import draw
from evaluation.features.friedman import compare_models
from evaluation.scoring.score_answers import score_answers
from evaluation.scoring.score_judged import judge_rows
from evaluation.tasks.task_files import task_without_items

ATTRIBUTES = ("wing color", "back color", "wing pattern", "tail pattern", "bill shape", "size")
SHARES = {"start": 0.3, "align": 0.4, "sft": 0.6, "fg": 0.8}


def make_rich_run(root: Path, name: str, **more) -> Path:
    folder = make_run(root, name, **more)
    scores = json.loads((folder / "scores.json").read_text())
    for checkpoint in scores["checkpoints"]:
        share = SHARES[checkpoint["name"]]
        for task, rows in (
            ("fgbmk/cub/attributes", attribute_rows(share)),
            ("fgbmk/cub/knowledge_bias", bias_rows(share)),
        ):
            write_jsonl(folder / "answers" / checkpoint["name"] / f"{task.replace('/', '__')}.jsonl", rows)
            score = score_answers(task_without_items(task), rows)
            checkpoint["tasks"][task] = {**score.to_json(), "image_root": str(root / "images")}
        weigh_options(folder / "answers" / checkpoint["name"] / "fgbmk__cub__species__choice.jsonl")
        path = folder / "answers" / checkpoint["name"] / "frow__cub.jsonl"
        frow = [json.loads(line) for line in path.read_text().splitlines()]
        write_jsonl(path.parent / "judged" / path.name, judge_rows(task_without_items("frow/cub"), frow))
    write_json(folder / "scores.json", scores)
    make_steps(folder, scores)
    make_features(folder)
    return folder


def row(task: str, number: int, **values) -> dict:
    same = {"task": task, "question_id": number, "prompt": values["question"], "finished": True, "model_hash": "x"}
    return {**same, "image": f"fine_grained/{number % 30:04d}.jpg", **values}


def attribute_rows(share: float) -> list[dict]:
    rows = []
    for number in range(1, 181):
        attribute = ATTRIBUTES[number % len(ATTRIBUTES)]
        right = draw("attribute", number).random() < share
        question = f"What is the {attribute} of the bird? Choose one from the following list: brown, striped, small. "
        gold = ("brown", "striped", "small")[number % 3]
        answer = gold if right else ("striped", "small", "brown")[number % 3]
        more = {"options": ["brown", "striped", "small"], "category": attribute}
        rows.append(row("fgbmk/cub/attributes", number, question=question, gold=gold, answer=answer, **more))
    return rows


def bias_rows(share: float) -> list[dict]:
    rows = []
    for number in range(1, 241):
        category, gold = SPECIES[number // 2 % len(SPECIES)], ("yes", "no")[number % 2]
        easy = 0.25 * (SPECIES.index(category) - 2.5) / 2.5
        right = draw("bias", number).random() < share + easy
        question = f"Is the species of the bird in this photo {category}? Answer with yes or no."
        answer = gold if right else ("no", "yes")[number % 2]
        rows.append(
            row("fgbmk/cub/knowledge_bias", number, question=question, gold=gold, answer=answer, category=category)
        )
    return rows


def weigh_options(path: Path) -> None:
    """Every other wrong answer still finds the right option likeliest."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for one in rows:
        right = one["answer"] == one["gold"] or one["question_id"] % 2
        one["options"] = [one["gold"], "crow"]
        one["options_log_probability"] = {one["gold"]: [-1.0 if right else -3.0, 2], "crow": [-2.0, 1]}
    write_jsonl(path, rows)


def make_steps(folder: Path, scores: dict) -> None:
    """The subset asked in the middle of the last stage: every other question, answered as at the stage's end."""
    last = scores["checkpoints"][-1]
    stage, seen = last["stage"], (last["samples_seen"] + scores["checkpoints"][-2]["samples_seen"]) // 2
    rows = []
    for task in last["tasks"]:
        name = f"{task.replace('/', '__')}.jsonl"
        if (folder / "answers" / stage / name).exists():
            lines = (folder / "answers" / stage / name).read_text().splitlines(keepends=True)
            path = folder / "subset" / stage / "step00000010" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(lines[::2]))
            score = last["tasks"][task]["scores"][0]
            place = {"kind": "eval", "stage": stage, "step": 10, "samples_seen": seen, "subset": True, "task": task}
            rows.append({**place, **{key: score[key] for key in ("rule", "metric", "value", "low", "high", "n")}})
    with open(folder / "metrics.jsonl", "a") as file:
        file.write("".join(json.dumps(one) + "\n" for one in rows))


def make_features(folder: Path) -> None:
    """Two models on three data sets, and their ranks."""
    models, data_sets = ("DINOv2-L", "InternVL <tower>", "ViT"), ("cub", "dogs", "cars", "food")
    values = 60 + 30 * np.asarray([[draw(model, data).random() for model in models] for data in data_sets])
    for number, model in enumerate(models):
        tasks = {}
        for place, data in enumerate(data_sets):
            for measure, metrics in (
                ("probe", ("top-1, head chosen on validation", "top-1, head chosen on test")),
                ("robustness", ("top-1 before", "top-1 after")),
            ):
                value = float(values[place, number])
                scores = [
                    {"rule": "default", "metric": metric, "value": value - 30 * turn * (measure == "robustness"),
                     "low": value - 32, "high": value + 2, "n": 300, "unit": "percent"}
                    for turn, metric in enumerate(metrics)
                ]  # fmt: skip
                tasks[f"features/{data}/{measure}"] = {
                    "title": measure,
                    "primary": "default",
                    "scores": scores,
                    "notes": [],
                }
        settings = {"part": "projector" if number == 1 else "encoder"}
        write_json(
            folder / "features" / f"m{number}" / "features.json", {"model": model, "settings": settings, "tasks": tasks}
        )
    found = compare_models(values, models, data_sets, 0.05)
    write_json(folder / "features" / "ranks.json", found.to_json())


if __name__ == "__main__":
    import sys

    make_rich_run(Path(sys.argv[1]), "rich_align", mixed=True)
    make_rich_run(Path(sys.argv[1]), "rich_then_fg")
