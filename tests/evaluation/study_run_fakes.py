"""Made-up run folders of a study, arms x seeds: answers drawn from what the arm, the seed and each image are like."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data_builders.shared.files import write_json, write_jsonl
from data_builders.shared.seeding import address_hash, draw
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.task_files import task_without_items

FINE, GENERAL = "fgbmk/cub/species/choice", "drawn/count"
GROUPS = {FINE: "fine_grained", GENERAL: "general"}


def make_run(
    folder: Path,
    skill: Mapping[str, Sequence[float]],
    *,
    seed: int,
    images: int = 80,
    seed_spread: float = 0.0,
    first: int = 0,
    hash_of: object = None,
    image_root: str = "images",
    names: Sequence[str] = ("start", "align", "sft", "fg"),
) -> Path:
    """A run folder. `skill`: task -> log-odds at each checkpoint (start, align, sft, ...) of an image of middling
    difficulty; `seed_spread`: how much the odds vary with the seed; `first`: the number of the first question."""
    names = names[: max(len(one) for one in skill.values())]
    checkpoints = []
    for place, checkpoint in enumerate(names):
        scores = {}
        for task, odds in skill.items():
            moved = odds[place] + seed_spread * float(draw("seed", folder.name, seed, task).normal())
            rows = [row(task, number, moved, seed, checkpoint, folder.name) for number in range(first, first + images)]
            write_jsonl(folder / "answers" / checkpoint / f"{task.replace('/', '__')}.jsonl", rows)
            scores[task] = {**score_answers(task_without_items(task), rows).to_json(), "image_root": image_root}
        checkpoints.append(
            {
                "name": checkpoint,
                "stage": None if checkpoint == "start" else checkpoint,
                "samples_seen": 100 * place,
                "step": 10 * place,
                "model_hash": f"{address_hash(hash_of or (folder.name, seed), checkpoint):032x}"[:16],
                "tasks": scores,
                "questions": dict.fromkeys(skill, f"{first}-{images}"),
            }
        )
    write_json(folder / "scores.json", {"run": folder.name, "checkpoints": checkpoints})
    return folder


def row(task: str, number: int, odds: float, seed: int, checkpoint: str, name: str) -> dict:
    hard = 1.5 * float(draw("hard", task, number).normal())
    right = draw("answer", task, number, seed, checkpoint, name).random() < 1 / (1 + math.exp(hard - odds))
    gold, other = ("Blue Jay", "House Wren") if task == FINE else ("3", "5")
    return {
        "task": task,
        "question_id": number,
        "image": f"{number:04d}.jpg",
        "category": gold,
        "question": "What is it?",
        "prompt": "What is it?",
        "gold": gold,
        "answer": gold if right else other,
        "finished": True,
    }


def make_arms(
    root: Path, arms: Mapping[str, tuple[float, float]], seeds: Sequence[int] = (17, 18, 19), **more
) -> dict[str, dict[int, Path]]:
    """arm -> (log-odds of the fine-grained task, of the general one) at the end; before it they are -2 and 2."""
    return {
        arm: {
            seed: make_run(root / f"{arm}_{seed}", {FINE: (-2.0, fine), GENERAL: (2.0, general)}, seed=seed, **more)
            for seed in seeds
        }
        for arm, (fine, general) in arms.items()
    }


def mean_right(folder: Path, checkpoint: str, task: str) -> np.ndarray:
    path = folder / "answers" / checkpoint / f"{task.replace('/', '__')}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return np.asarray([one["answer"] == one["gold"] for one in rows], float)
