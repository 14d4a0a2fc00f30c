"""The model card of a checkpoint: README.md as the Hugging Face hub reads it, with what is known and nothing else.

Written with the checkpoint, its scores filled in by report and export. It is no part of the checkpoint's checksums: who
publishes the model adds a licence and words of their own, which stay.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from data_builders.shared.files import atomic_write
from data_builders.shared.made_with import made_with
from data_builders.shared.state_files import read_checked
from evaluation.scoring.score_files import TaskScore
from fgtrain.checksums import CARD
from fgtrain.plan import PartPlan, Plan, StagePlan
from fgtrain.recipe import Recipe

from .evaluations import FOLDER as EVALUATIONS
from .watched import BEST, watch_lines

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
LICENCE = (
    "# license: to be written by whoever publishes this model. It follows from the licences of the models and the\n"
    "# terms of the data below; nothing here decides it.\n"
)
SCORES, EXPORT, MADE = "## Scores", "## This export", "## Made with"
UNMEASURED = "No score of this checkpoint has been measured here."


def model_card(recipe: Recipe, plan: Plan, stage: str, left_out: int, best: bool = False) -> str:
    """The card of the checkpoint after a stage. `left_out`: rows that the stage could not use; `best`: it is not the
    stage's last checkpoint, but its best.
    """
    names = [one.name for one in plan.stages]
    trained = plan.stages[: names.index(stage) + 1]
    model = recipe.model
    base = [one for one in (model.checkpoint, model.vision_encoder, model.language_model) if one is not None]
    head: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": "image-text-to-text", "tags": ["fgtrain"]}
    if hub := [one for one in base if HUB_ID.fullmatch(one) and not Path(one).expanduser().exists()]:
        head["base_model"] = hub
    lines = [f"# {recipe.name}, {'best of' if best else 'after'} {stage}", ""]
    lines += [f"Trained by the recipe `{recipe.name}` (seed {recipe.seed}), stage {len(trained)} of {len(names)}.", ""]
    lines += ["## Trained from", ""]
    if model.checkpoint is not None:
        lines += [f"- {model.checkpoint}"]
    else:
        drawn = dict.fromkeys(model.from_scratch, " (its weights drawn, none loaded)")
        lines += [
            f"- vision encoder: {model.vision_encoder}{drawn.get('vision_encoder', '')}",
            f"- projector: {model.projector}, drawn anew",
            f"- language model: {model.language_model}{drawn.get('language_model', '')}",
        ]
    for number, one in enumerate(trained, 1):
        lines += ["", f"## Stage {number}: {one.name}", "", *_stage_lines(one)]
        if said := watch_lines(one):
            lines += ["", *(f"- {text}" for text in said)]
    if left_out:
        lines += ["", f"{left_out} rows of {stage} could not be used and were left out."]
    made = made_with()
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    lines += ["", SCORES, "", UNMEASURED, "", MADE, "", f"{versions}; commit {made['commit'] or 'not known'}."]
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}{LICENCE}---\n\n" + "\n".join(lines) + "\n"


def _stage_lines(stage: StagePlan) -> list[str]:
    if stage.objective == "best":
        return [f"- the best checkpoint of {stage.starts_from}, nothing trained", f"- fingerprint {stage.fingerprint}"]
    if stage.batch is None:
        of = [", ".join(f"{share:g} {name}" for name, share in part.shares.items()) for part in stage.parts]
        shares = "; ".join(f"{part.part}: {text}" for part, text in zip(stage.parts, of, strict=True))
        return [f"- weights averaged, nothing trained: {shares}", f"- fingerprint {stage.fingerprint}"]
    learnt = [_part_text(part) for part in stage.parts if part.learns]
    return [
        f"- learnt: {'; '.join(learnt)}",
        f"- {_count(stage.steps)} optimizer steps of {stage.batch.global_batch_size:,} samples, objective "
        f"{stage.trained_by}, fingerprint {stage.fingerprint}",
        "",
        "| data set | rows | passes | samples | sha256 of rows and pictures |",
        "|---|---|---|---|---|",
        *(
            f"| {data.name} | {_count(data.rows)} | {data.passes:g} | {_count(data.samples)} | {data.sha256 or '?'} |"
            for data in stage.data
        ),
    ]


def _part_text(part: PartPlan) -> str:
    how = {
        "peak learning rate {:g}": part.learning_rate,
        "only {}": part.only,
        "layers {}": part.layers,
        "LoRA of rank {}": part.lora_rank,
        "{}": part.adapter,
        "{:,} parameters": part.trainable,
    }
    return f"{part.part} ({', '.join(text.format(value) for text, value in how.items() if value is not None)})"


def _count(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def with_scores(card: str, checkpoint: Path) -> str:
    """The card with all scores that lie beside its checkpoint; what else stands in it is left."""
    return _replaced(card, SCORES, [SCORES, "", *score_lines(scores_beside(checkpoint))], before=MADE)


def with_export(card: str, kind: str, dtype: str | None) -> str:
    """The card with a word on the format of the weights beside it."""
    how = f"Exported for {kind}, weights " + (f"rounded to {dtype}" if dtype else "as they were trained") + "."
    if dtype:
        how += " The scores were measured before rounding."
    return _replaced(card, EXPORT, [EXPORT, "", how], before=MADE)


def _replaced(card: str, title: str, lines: list[str], before: str) -> str:
    """The card with a section in place of the one of that title, or in front of another; at the end if need be."""
    text = "\n".join(lines) + "\n\n"
    found = re.search(rf"^{re.escape(title)}\n.*?(?=^## |\Z)", card, re.DOTALL | re.MULTILINE)
    if found is not None:
        return card[: found.start()] + text + card[found.end() :]
    place = re.search(rf"^{re.escape(before)}$", card, re.MULTILINE)
    at = place.start() if place is not None else len(card)
    return card[:at] + text + card[at:]


def scores_beside(checkpoint: Path) -> dict[str, TaskScore]:
    """Task -> score of every evaluation of the checkpoint in the store; of several, the latest."""
    found: dict[str, TaskScore] = {}
    if checkpoint.resolve().name == BEST:  # those beside it are of the stage's last
        return found
    folder = checkpoint.resolve().parent / EVALUATIONS
    for path in sorted(folder.glob("*.json"), key=lambda one: (one.stat().st_mtime_ns, one.name)):
        if (kept := read_checked(path)) is not None and "tasks" in kept:
            found |= {name: TaskScore.from_json(values) for name, values in kept["tasks"].items()}
    return found


def score_lines(scores: Mapping[str, TaskScore]) -> list[str]:
    if not scores:
        return [UNMEASURED]
    rows = [_score_row(scores[name]) for name in sorted(scores)]
    return [
        "With 95 % intervals over images. Chance is what guessing comes to.",
        "",
        "| task | rule | score | interval | questions | chance |",
        "|---|---|---|---|---|---|",
        *rows,
    ]


def _score_row(task: TaskScore) -> str:
    score = task.main
    unit = " %" if score.unit == "percent" else f" {score.unit}"
    value = "not defined" if score.value is None else f"{score.value:.1f}{unit}"
    interval = "none" if score.low is None or score.high is None else f"{score.low:.1f} to {score.high:.1f}"
    chance = "" if task.chance is None else f"{task.chance:.1f} %"
    return f"| {task.task} | {score.rule} ({score.metric}) | {value} | {interval} | {task.n:,} | {chance} |"


def fill_cards(checkpoints: Iterable[Path]) -> None:
    """Put the scores of by now into the cards of checkpoints; one whose card was taken away has none."""
    for checkpoint in checkpoints:
        path = checkpoint / CARD
        if not path.is_file():
            continue
        before = path.read_text(encoding="utf-8")
        if (after := with_scores(before, checkpoint)) != before:
            with atomic_write(path) as file:
                file.write(after)
