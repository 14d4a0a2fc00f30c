"""What a row of answers.jsonl holds, and when it still answers a question."""

from typing import TYPE_CHECKING, Any

from data_builders.shared.thoughts import without_thoughts

from ..protocols import Answer, Answerer
from ..shared.number_lists import read, written
from .asked import Asked
from .option_probabilities import options_of, weighed

if TYPE_CHECKING:
    from ..tasks.task import Item, Task

Outcome = dict[str, Any]  # what the model gave, as it stands in a row


def outcome_of(answer: Answer | tuple[float, int], item: "Item") -> Outcome:
    """Plain text has no answer but a log-likelihood and a number of predicted tokens."""
    if not isinstance(answer, Answer):
        return {"answer": "", "finished": True, "log_likelihood": float(answer[0]), "tokens": int(answer[1])}
    text, thoughts = without_thoughts(answer.text)
    given: Outcome = {"answer": text, "finished": answer.finished}
    if thoughts or answer.thoughts:
        given["thoughts"] = thoughts + answer.thoughts
    if any(answer.served_by):
        given["served_by"] = list(answer.served_by)
    if answer.unsaid:
        given["ending_unsaid"] = True
    if answer.options:
        given["options_log_probability"] = weighed(item, answer.options)
    return given


def names_outcome(answer: Answer, prior: Answer, task: "Task") -> Outcome:
    """The likeliest name as the answer; what the model makes of every name behind the picture, and behind none."""
    likeliest = max(range(len(task.names)), key=answer.names.__getitem__)
    lists = {"log_probability": written(answer.names), "prior": written(prior.names)}
    return {"answer": task.names[likeliest], "finished": True, "names": lists}


def read_outcome(row: dict, asked: Asked) -> Outcome:
    """What the model gave, from its row. KeyError, TypeError or ValueError when the row does not hold it."""
    if asked.task.is_text:
        return {
            "answer": "",
            "finished": True,
            "log_likelihood": float(row["log_likelihood"]),
            "tokens": int(row["tokens"]),
        }
    given: Outcome = {"answer": str(row["answer"]), "finished": bool(row["finished"])}
    if names := asked.task.names:
        given["names"] = {key: row["names"][key] for key in ("log_probability", "prior")}
        if any(len(read(values)) != len(names) for values in given["names"].values()):
            raise ValueError("another list of names")
    given |= {key: row[key] for key in ("thoughts", "served_by", "ending_unsaid") if key in row}
    options = row.get("options_log_probability")
    if isinstance(options, dict) and tuple(options) == options_of(asked.item):
        given["options_log_probability"] = options
    return given


def answer_row(asked: Asked, answerer: Answerer, given: Outcome) -> dict:
    """One row of answers.jsonl."""
    task, item = asked.task, asked.item
    return {
        "task": task.name,
        "question_id": item.question_id,
        "image": item.image,
        "category": item.category,
        "question": item.question,
        "prompt": item.prompt,
        "gold": item.gold,
        **({"options": list(item.options)} if item.options else {}),
        **({"details": dict(item.details)} if item.details and task.spec_hash else {}),
        **({"gold_place": task.names.index(item.gold)} if task.names else {}),
        **given,
        "model": answerer.name,
        "model_hash": answerer.model_hash,
        "image_hash": asked.image_hash,
        "prompt_hash": asked.prompt_hash,
        "settings_hash": asked.settings_hash,
    }


def identity_of(row: dict) -> tuple:
    """What the answer of a row is an answer to, apart from the model; see `Asked.identity`."""
    return row.get("image_hash"), row.get("prompt_hash"), row.get("settings_hash")


def still_valid(row: dict, asked: Asked, answerer: Answerer) -> bool:
    """Does this row answer exactly this question, of this model, about this image, asked in this way?"""
    try:
        same = (row["model_hash"], *identity_of(row)) == (answerer.model_hash, *asked.identity)
        return same and bool(read_outcome(row, asked))
    except (KeyError, TypeError, ValueError):
        return False


def key_of(task: "Task", row: dict) -> tuple | None:
    """(task, question id) of a row in this task's file; None when it is of another task."""
    return (task.name, row.get("question_id")) if row.get("task") == task.name else None
