"""What a judge says of one answer, and how its scores stand in a file."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from data_builders.shared.errors import UserError

from ..scoring.answer_formats import shortened

ITEM_MOST, FACT_MOST = 2, 3
ITEM, FACT = "Item_accuracy_score", "Fact_accuracy_score"


@dataclass(frozen=True)
class Judgement:
    """Scores with their reasons, under FROW's published field names in `fields()`."""

    item: float
    item_reason: str
    fact: float
    fact_reason: str

    def fields(self) -> dict:
        return {
            "Item_accuracy": self.item_reason,
            ITEM: self.item,
            "Fact_accuracy": self.fact_reason,
            FACT: self.fact,
            "final_score": (self.item + self.fact) / 2,
        }


@dataclass(frozen=True)
class Identity:
    """Which judge it was. `prompt`: a hash of all that decides what an endpoint's model is asked, or of a user's own
    judge's code and options; "" of the judge by rules."""

    name: str
    version: int
    prompt: str = ""

    def fields(self) -> dict:
        return {"judge": self.name, "judge_version": self.version} | (
            {"judge_prompt": self.prompt} if self.prompt else {}
        )


def judged_by(rows: Iterable[dict]) -> list[str]:
    """A note that names the judge of these rows with its version, as far as they tell."""
    found = set()
    for row in rows:
        if "judge" in row and "judge_version" in row:
            prompt = f", prompt {row['judge_prompt']}" if "judge_prompt" in row else ""
            name, *_ = row.get("judge_served_by") or [""]
            replies = f", replies by {name}" if name not in ("", row["judge"]) else ""
            found.add(f"{row['judge']}, version {row['judge_version']}{prompt}{replies}")
    return [f"judged by {' and by '.join(sorted(found))}"] if found else []


def filed_scores(row: dict) -> tuple[float, float]:
    """The two scores of a judge's row as FROW's grading reads them (Python's float). UserError where it has none."""
    missing = [key for key in (ITEM, FACT) if key not in row]
    if missing:
        raise UserError(str(row["unjudged"]) if "unjudged" in row else f"no {missing[0]}")
    try:
        item, fact = float(row[ITEM]), float(row[FACT])
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"scores {shortened(row[ITEM])} and {shortened(row[FACT])} are not two numbers") from None
    if not math.isfinite(item) or not math.isfinite(fact):
        raise UserError(f"scores {item}, {fact} are not finite")
    return item, fact


def on_the_scale(item: float, fact: float) -> bool:
    return 0 <= item <= ITEM_MOST and 0 <= fact <= FACT_MOST
