"""A small FROW with answers of a run, and an endpoint that judges."""

import json
import re
import sys
from pathlib import Path

from PIL import Image

from data_builders.shared.files import read_json, read_jsonl, write_jsonl
from evaluation import __main__ as command
from evaluation.scoring.score_answers import score_answers
from evaluation.scoring.score_files import add_checkpoint
from evaluation.tasks.load import load_tasks

sys.path.append(str(Path(__file__).resolve().parents[1] / "data_builders"))
from fake_endpoint import KEY, NEVER, Reply, endpoint, failed, said

__all__ = ["KEY", "NEVER", "Reply", "endpoint", "failed", "said"]

BIRDS = ["lum wug", "red wug", "tall dax", "old dax", "wet zif", "dry zif"]

FIELDS = ("Item_accuracy", "Item_accuracy_score", "Fact_accuracy", "Fact_accuracy_score", "final_score")


def make_frow(root: Path) -> Path:
    """A data folder with six questions, each about a picture of its own."""
    rows = []
    for number, name in enumerate(BIRDS):
        image = f"images/{number}.jpg"
        (root / "FROW" / "images").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number * 40, 90, 90)).save(root / "FROW" / image)
        reference = f"The bird is the {name}. It eats {number + 3} berries and sleeps in caves."
        rows.append({"image": image, "name": name, "question": "What does it eat?", "ref_answer": reference})
    write_jsonl(root / "FROW" / "cub_with_reference.jsonl", rows)
    return root


def make_run(run: Path, data: Path, answers: dict[int, str] | None = None) -> Path:
    """A run with one checkpoint that answered them; returns the answers' file."""
    (task,) = load_tasks(["frow"], [data])
    said = {item.question_id: f"{item.category} eats berries" for item in task.items} | (answers or {})
    rows = [
        {
            "task": task.name,
            "question_id": item.question_id,
            "image": item.image,
            "category": item.category,
            "question": item.question,
            "prompt": item.prompt,
            "gold": item.gold,
            "answer": said[item.question_id],
            "finished": True,
            "model_hash": "m",
        }
        for item in task.items
    ]
    path = run / "answers" / "start" / task.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(json.dumps(row) + "\n" for row in rows).encode())
    scores = {task.name: score_answers(task, rows)}
    add_checkpoint(run, "start", stage=None, samples_seen=0, step=0, model_hash="m", scores=scores)
    return path


def material(body: dict) -> dict:
    """Question, reference and answer as the judge was sent them."""
    text = body["messages"][0]["content"]
    text = text if isinstance(text, str) else text[-1]["text"]
    return json.JSONDecoder().raw_decode(text, text.index("{"))[0]


def verdict(item: object, fact: object, **changes: object) -> str:
    reply = {
        "Item_accuracy": "why",
        "Item_accuracy_score": item,
        "Fact_accuracy": "because",
        "Fact_accuracy_score": fact,
    }
    return json.dumps({**reply, "final_score": 99, **changes})


def fair(number: int, body: dict) -> Reply:
    """Judges by the name in the reference; the facts get 1."""
    asked = material(body)
    name = re.search(r"is the ([\w ]+)\.", asked["reference"]).group(1)
    return said(verdict(2 if name in asked["answer"] else 0, 1))


def judge(server, answers, data, *more, cache="cache"):
    root = answers.parents[3]
    base = ["judge", "--answers", answers, "--data", data, "--base-url", server.url, "--cache", root / cache]
    return command.main([str(one) for one in [*base, "--timeout", 2, *more]])


def rows_of(answers, name="gpt-4o-mini", unjudged=False):
    file = answers.name.replace(".jsonl", ".unjudged.jsonl") if unjudged else answers.name
    path = answers.parent / "judged" / name / file
    return list(read_jsonl(path)) if path.exists() else []


def added(answers, name="gpt-4o-mini"):
    scores = read_json(answers.parents[2] / "scores.json")["checkpoints"][0]["tasks"]["frow/cub"]["scores"]
    return [one for one in scores if one["rule"] == name]


def material_of_first(body):
    return material({"messages": body["messages"][:1]})["reference"]
