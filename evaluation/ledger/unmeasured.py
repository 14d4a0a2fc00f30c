"""What a run has no number for, in words: a skill that no task asks about was not kept, it was not measured."""

from collections.abc import Mapping, Sequence

from .floor import nothing_to_forget
from .run import Run, is_accuracy
from .store import shared_tasks

MEASURES = {"gain": "fine_grained", "forgetting": "general"}  # -> the group of tasks that it is made of
NAMES = {"fine_grained": "fine-grained", "general": "general"}


def unmeasured(run: Run) -> dict[str, str]:
    """gain, forgetting -> why the run has no number for it; without those that it has one for."""
    reasons = {measure: reason(run, group) for measure, group in MEASURES.items()}
    if len(run.checkpoints) < 2:
        return {
            measure: text or "not measured: one checkpoint has no other to stand beside"
            for measure, text in reasons.items()
        }
    general = shared_tasks(run, "general")
    if general and len(nothing := nothing_to_forget(run, general)) == len(general):
        reasons["forgetting"] = f"nothing there to forget: {named(run, nothing)}"
    return {measure: text for measure, text in reasons.items() if text}


def reason(run: Run, group: str) -> str:
    asked = [score for score in run.last.tasks.values() if score["group"] == group]
    if not any(map(is_accuracy, asked)):
        apart = f" with a score in percent (only {asked[0]['title']})" if asked else ""
        return f"not measured: no {NAMES[group]} task{apart} was asked"
    return "" if shared_tasks(run, group) else f"not measured: no {NAMES[group]} task has a number at every checkpoint"


def left_out(run: Run) -> str:
    """The general tasks that are not in the forgetting, as they never stood above their floor; "" for none."""
    nothing = nothing_to_forget(run, shared_tasks(run, "general"))
    return named(run, nothing) if nothing else ""


def named(run: Run, nothing: Mapping[str, str], most: int = 4) -> str:
    """'Drawn counting at 0, POPE at chance and 3 more'."""
    words: Sequence[str] = [f"{run.task_score(task)['title']} {stands}" for task, stands in nothing.items()]
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
