"""Small run folders: a task is the answers that each checkpoint gives, and its scores are what these come to."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from data_builders.shared.files import write_json, write_jsonl
from evaluation.ledger import Run, load_run
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.task_files import task_without_items

CHOICE, SPECIES, PRESENCE = "fgbmk/cub/species/choice", "fgbmk/cub/species/true_false", "drawn/presence"
COUNT, DOCUMENT, FROW, PEOPLE = "drawn/count", "drawn/document", "frow/cub", "fgbmk/fungi/species/choice"
OPTIONS = 'Which? Choose one answer from the following list: "ani", "jay", "owl", "tit".'


def rows_of(task: str, answers: Sequence[object], images: int | None = None) -> list[dict]:
    """True: the gold is answered, False: something else, text: that."""
    found = []
    for number, said in enumerate(answers):
        gold, other = "yes" if number % 2 else "no", "no" if number % 2 else "yes"
        question = "Is it?"
        if task.endswith("choice"):
            gold, other, question = "jay", "owl", OPTIONS
        elif task not in (SPECIES, PRESENCE):
            gold, other, question = str(number + 3), "a house", "What?"
            gold = "annual report" if task == DOCUMENT else gold
        answer = said if isinstance(said, str) else gold if said else other
        image = f"{number % (images or len(answers)):04d}.png"
        about = {"task": task, "question_id": number, "image": image, "category": "x"}
        found.append({**about, "question": question, "gold": gold, "answer": answer})
    return found


def make_run(
    folder: Path, tasks: Mapping[str, Sequence[Sequence[object]]], *, keep: bool = True, groups: Mapping = {}
) -> Run:
    """`tasks`: task -> its answers at each checkpoint (start, align, sft). `keep`: leave the answers files, too."""
    names = ("start", "align", "sft")[: max((len(one) for one in tasks.values()), default=2)]
    checkpoints = []
    for place, name in enumerate(names):
        scores = {}
        for task, answers in tasks.items():
            rows = rows_of(task, answers[place])
            if keep:
                write_jsonl(folder / "answers" / name / f"{task.replace('/', '__')}.jsonl", rows)
            score = score_answers(task_without_items(task), rows).to_json()
            scores[task] = score | ({"group": groups[task]} if task in groups else {})
        place_of = {"stage": None if name == "start" else name, "samples_seen": 100 * place, "step": place}
        checkpoints.append({"name": name, **place_of, "model_hash": f"{folder.name}{place}", "tasks": scores})
    write_json(folder / "scores.json", {"run": folder.name, "checkpoints": checkpoints})
    return load_run(folder)
