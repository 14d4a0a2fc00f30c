"""The answer on disk: answer.json for programs, answer.md in words."""

import math
from dataclasses import asdict
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import atomic_write, read_json, write_json

from .answer import ArmAnswer, ArmMean, Contrast, MeasureFacts, StudyAnswer
from .costs import ArmCost
from .over_run import Curve, OverRun
from .pareto import Ends, ParetoPlace
from .retained import Change, Retained
from .summary import summary
from .words import (
    answer_words,
    checkpoint_words,
    contrast_words,
    ends,
    figure,
    label,
    matched_words,
    measured_on_words,
    number,
    retained_words,
)

VERSION = 1


def write_answer(answer: StudyAnswer, folder: Path) -> None:
    """answer.json and answer.md in `folder`, each whole or not at all."""
    folder = Path(folder)
    write_json(folder / "answer.json", to_json(answer))
    with atomic_write(folder / "answer.md") as file:
        file.write(markdown(answer))


def read_answer(folder: Path) -> StudyAnswer:
    """What `write_answer` wrote. UserError: it is not there, or not of this program."""
    return from_json(read_json(Path(folder) / "answer.json"))


def to_json(answer: StudyAnswer) -> dict:
    """All of it; what is not defined is null, and the sentences stand under "words"."""
    return finite({"version": VERSION, "words": answer_words(answer), **asdict(answer)})


def from_json(values: dict) -> StudyAnswer:
    """The inverse of `to_json`. UserError: it is no answer of this program."""
    try:
        own = {key: value for key, value in values.items() if key not in ("version", "words")}
        return StudyAnswer(
            **{
                **own,
                "arms": [_arm(one) for one in own["arms"]],
                "measures": [MeasureFacts(**one) for one in own["measures"]],
                "contrasts": [Contrast(**_with_seeds(one)) for one in own["contrasts"]],
                "pareto": [_place(one) for one in own["pareto"]],
                "retained": [_retained(one) for one in own["retained"]],
                "over_run": [_over_run(one) for one in own["over_run"]],
            }
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"not the answer of a study (at {error}); make it again from the runs") from None


def _retained(values: dict) -> Retained:
    return Retained(**{**values, "arms": {arm: Change(**one) for arm, one in values["arms"].items()}})


def _over_run(values: dict) -> OverRun:
    return OverRun(**{**values, "curves": [Curve(**_with_seeds(one)) for one in values["curves"]]})


def _arm(values: dict) -> ArmAnswer:
    means = {name: one and ArmMean(**_with_seeds(one)) for name, one in values["means"].items()}
    runs = {int(seed): folder for seed, folder in values["runs"].items()}
    cost = values["cost"] and ArmCost(**values["cost"])
    return ArmAnswer(**{**values, "runs": runs, "means": means, "cost": cost})


def _place(values: dict) -> ParetoPlace:
    return ParetoPlace(**{**values, **{name: Ends(**values[name]) for name in ("fine_grained", "forgetting")}})


def _with_seeds(values: dict) -> dict:
    return {**values, "per_seed": {int(seed): value for seed, value in values["per_seed"].items()}}


def finite(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown(answer: StudyAnswer) -> str:
    """The answer in words, then the table of arms, what was matched, what was not measured, and how it was read."""
    lines = [f"# {answer.name or 'Study'}", "", answer.question or "", ""]
    lines += [f"- {sentence.text}" for sentence in summary(answer)]
    lines += ["", "## Arms", "", *arm_table(answer), "", "## Measured on", ""]
    for one in answer.measures:
        lines.append(f"- {measured_on_words(one)}" + (f" ({', '.join(one.tasks)})" if one.tasks else ""))
    lines += [f"- {one.arm}: at the checkpoint {checkpoint_words(one)}" for one in answer.arms]
    for title, sentences in (
        ("Contrasts", [contrast_words(one) for one in answer.contrasts]),
        ("Immediate and retained", [text for one in answer.retained for text in retained_words(one)]),
        ("Matched", [matched_words(one) for one in answer.matched] or ["nothing was asked to be equal"]),
        ("Not measured", answer.not_measured or ["nothing that was asked for"]),
        ("How to read the numbers", answer.notes),
    ):
        if sentences:
            lines += ["", f"## {title}", "", *(f"- {sentence}" for sentence in sentences)]
    return "\n".join(lines) + "\n"


def arm_table(answer: StudyAnswer) -> list[str]:
    heads = ["arm", *(label(one.name) for one in answer.measures), "seeds", "training, device seconds", "peak GiB"]
    heads.append("planned device hours")
    rows = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for one in answer.ranked():
        cells = [
            "not measured" if mean is None else f"{number(mean.value)} ({ends(mean)})"
            for mean in (one.means[facts.name] for facts in answer.measures)
        ]
        hours = "unknown" if one.hours is None else figure(round(one.hours, 2))
        seconds = "unknown" if one.cost is None else f"{one.cost.seconds:,.0f} ({one.cost.unit})"
        memory = "unknown" if one.cost is None or one.cost.memory_gib is None else number(one.cost.memory_gib)
        rows.append("| " + " | ".join([one.arm, *cells, str(len(one.runs)), seconds, memory, hours]) + " |")
    return rows
