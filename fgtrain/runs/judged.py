"""What a judge behind an endpoint says of a checkpoint's open-world answers: where it lies in the store.

<runs_root>/.stages/<fingerprint>/answers/judged/<judge>/<task>.jsonl   the verdicts, beside the answers
<runs_root>/.stages/<fingerprint>/judged/<identity>.json                their scores, for every run that judges it so
<runs_root>/.stages/<fingerprint>/judged/<identity>.paid.json           what was sent for them, over all starts
"""

from pathlib import Path
from typing import Any

from data_builders.shared.files import read_json, write_json
from evaluation.judging.judge_scores import with_judged
from evaluation.judging.own import VERSION as OWN_VERSION
from evaluation.judging.own import own_hash
from evaluation.judging.prompt import VERSION, prompt_hash
from evaluation.scoring.score_files import TaskScore
from fgtrain.errors import UserError
from fgtrain.recipe import Recipe
from fgtrain.recipe.evaluation_schema import Judge

from .identity import identity_of

FOLDER = "judged"
TOGETHER = "judge"  # <study>/judge.paid.json, of all judging that starts together; of a run alone in its folder
DECISIVE = {"model", "base_url", "tasks", "with_image", "temperature", "max_tokens", "accept_no_finish_reason"}


def decisive(judge: Judge) -> set[str]:
    """Keys of the recipe's section that decide the verdicts."""
    return {"own", "options", "tasks"} if judge.own else DECISIVE


def judged_path(evaluation: Path, recipe: Recipe) -> Path:
    """Where the scores lie. `evaluation`: the file of the evaluation whose answers are judged.

    Replies are known by what was sent to whom, so of our code only the prompt counts, and how a reply is read; of a
    user's own judge all of its code.
    """
    judge = recipe.evaluation.judge
    chosen = judge.model_dump(mode="json", include=decisive(judge))
    prompt = [OWN_VERSION, own_hash(judge.own, judge.options)] if judge.own else [VERSION, prompt_hash({})]
    decides = {"evaluation": evaluation.stem, "judge": chosen, "prompt": prompt}
    key = identity_of(decides)
    return evaluation.parent.parent / FOLDER / f"{key}.json"


def with_verdicts(found: dict[str, Any], path: Path) -> dict[str, Any]:
    """An evaluation as it lies in the store with the judge's scores behind the rules' own, where they are there."""
    if not path.is_file():
        return found
    tasks = dict(found["tasks"])
    for name, score in read_json(path)["tasks"].items():
        if name in tasks:
            tasks[name] = with_judged(TaskScore.from_json(tasks[name]), TaskScore.from_json(score)).to_json()
    return found | {"tasks": tasks}


def paid(path: Path) -> tuple[int, int]:
    """(requests, tokens) that earlier starts have sent for the scores at `path`. A count that cannot be read is 0:
    what was answered is kept anyway."""
    try:
        values = read_json(path.with_suffix(".paid.json"))
        return int(values["requests"]), int(values["tokens"])
    except (UserError, KeyError, TypeError, ValueError):
        return 0, 0


def note_paid(path: Path, requests: int, tokens: int) -> None:
    write_json(path.with_suffix(".paid.json"), {"requests": requests, "tokens": tokens})
