"""How far two judges agree on the same answers: quadratically weighted kappa with an interval over images."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
from rich.table import Table

from data_builders.shared.errors import UserError

from ..scoring.answer_formats import shortened
from ..scoring.statistics import cluster_sums, interval, ratio
from .judge_files import by_question, has_absolute_images, judge_name, read_judged
from .verdict import FACT_MOST, ITEM_MOST, filed_scores, on_the_scale

SCALES = {"item": ITEM_MOST, "fact": FACT_MOST}
SHOWN = 3


def kappa(totals: np.ndarray) -> np.ndarray:
    """Quadratically weighted kappa from the sums of 1, a, b, a*a, b*b, a*b; NaN where both give always the same.

    1 - mean (a - b)^2 over its mean when a and b are drawn independently. So it needs no table of grades, and holds
    for grades between the whole ones.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b, aa, bb, ab = (totals[..., place] / totals[..., 0] for place in range(1, 6))
        observed, by_chance = aa + bb - 2 * ab, aa + bb - 2 * a * b
        # what rounding leaves of a zero is no chance to differ
        return np.where(by_chance > 1e-12, 1 - observed / by_chance, np.nan)


def columns(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.stack([np.ones(len(a)), a, b, a * a, b * b, a * b], axis=1)


def plain_kappa(totals: np.ndarray) -> np.ndarray:
    """Cohen's kappa without weights, from the sums of 1, a == b, and each side's grades as 0 and 1 (first, second)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = np.split(totals[..., 2:] / totals[..., :1], 2, axis=-1)
        equal, by_chance = totals[..., 1] / totals[..., 0], (first * second).sum(-1)
        return np.where(by_chance < 1 - 1e-12, (equal - by_chance) / (1 - by_chance), np.nan)


def grade_columns(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    grades = np.union1d(a, b)
    said = [(side[:, None] == grades).astype(float) for side in (a, b)]
    return np.concatenate([np.ones((len(a), 1)), (a == b)[:, None], *said], axis=1)


def agreement_of(a: np.ndarray, b: np.ndarray, images: list[str], address: str) -> dict:
    """Kappa (weighted by squared differences, and plain), share of equal grades and mean difference (second minus
    first), each with its 95 % interval."""
    measures = {
        "kappa": (columns(a, b), kappa),
        "plain_kappa": (grade_columns(a, b), plain_kappa),
        "equal": (np.stack([(a == b).astype(float), np.ones(len(a))], axis=1), ratio),
        "difference": (np.stack([b - a, np.ones(len(a))], axis=1), ratio),
    }
    found: dict = {}
    for name, (values, statistic) in measures.items():
        sums = cluster_sums(images, values)
        low, high = interval(sums, statistic, address=("agreement", address, name))
        numbers = (float(statistic(sums.sum(0))), low, high)
        found[name] = dict(
            zip(("value", "low", "high"), (one if math.isfinite(one) else None for one in numbers), strict=True)
        )
    return found


def compare_files(first: Path, second: Path) -> dict:
    """Both judges' grades side by side. UserError when the files are not about the same answers.

    Rows that either judge left unjudged, or graded outside the scale, are counted and left out.
    """
    rows = [read_judged(path) for path in (first, second)]
    whole = not any(map(has_absolute_images, rows))
    sides = [by_question(path, one, whole_path=whole) for path, one in zip((first, second), rows, strict=True)]
    same_answers(first, second, *sides)
    pairs, images, unjudged = [], [], Counter()
    for key, row in sides[0].items():
        grades = [grades_of(one) for one in (row, sides[1][key])]
        for name, one in zip(("first", "second"), grades, strict=True):
            unjudged[name] += one is None
        if None not in grades:
            pairs.append(grades)
            images.append(key[0])
    if not pairs:
        raise UserError(f"{first} and {second}: no answer is judged in both")
    table_NJ2 = np.asarray(pairs, float)
    found: dict = {
        "first": judge_name(first, sides[0]),
        "second": judge_name(second, sides[1]),
        "answers": len(sides[0]),
        "judged_by_both": len(pairs),
        "unjudged_by_first": unjudged["first"],
        "unjudged_by_second": unjudged["second"],
        "images": len(set(images)),
    }
    for place, (name, most) in enumerate(SCALES.items()):
        a, b = table_NJ2[:, 0, place], table_NJ2[:, 1, place]
        found[name] = agreement_of(a, b, images, name) | {"table": confusion(a, b, most)}
    return found


def same_answers(first: Path, second: Path, a: dict, b: dict) -> None:
    for missing, path in (([key for key in a if key not in b], second), ([key for key in b if key not in a], first)):
        if missing:
            named = "; ".join(f"{shortened(image)}, {shortened(question)}" for image, question in missing[:SHOWN])
            raise UserError(
                f"{path} has no row for {len(missing)} of the answers in the other file: {named}. "
                "Both must judge the same answers (unjudged ones have rows too, beside the file)"
            )
    other = [key for key in a if "answer" in a[key] and "answer" in b[key] and a[key]["answer"] != b[key]["answer"]]
    if other:
        raise UserError(
            f"{first} and {second} judge different answers to {len(other)} questions, the first about "
            f"{shortened(other[0][0])}: they are about two models, or two answers of one"
        )


def grades_of(row: dict) -> tuple[float, float] | None:
    try:
        item, fact = filed_scores(row)
    except UserError:
        return None
    return (item, fact) if on_the_scale(item, fact) else None


def confusion(a: np.ndarray, b: np.ndarray, most: int) -> list[list]:
    """Rows [grade of the first, grade of the second, answers]; all whole grades, and others that occur."""
    counts = Counter(zip(a.tolist(), b.tolist(), strict=True))
    grades = [sorted({float(one) for one in range(most + 1)} | set(side.tolist())) for side in (a, b)]
    return [[one, other, counts[one, other]] for one in grades[0] for other in grades[1]]


def print_agreement(found: dict) -> None:
    from ..compare.tables import wide_console

    console = wide_console()
    n = found["judged_by_both"]
    console.print(f"first {found['first']}, second {found['second']}; 95 % intervals over {found['images']} images")
    table = Table()
    for column in ("grade", "weighted kappa", "kappa", "equal (%)", "second minus first", "n"):
        table.add_column(column, justify="left" if column == "grade" else "right")
    for name in SCALES:
        one = found[name]
        kappas = [kappa_text(one[which]) for which in ("kappa", "plain_kappa")]
        table.add_row(name, *kappas, shown(one["equal"], 1, 100), shown(one["difference"], 2, sign="+"), f"{n:,}")
    console.print(table)
    console.print("how many answers got which grades: rows first, columns second")
    for name in SCALES:
        console.print(confusion_table(name, found))
    for side in ("first", "second"):
        if count := found[f"unjudged_by_{side}"]:
            console.print(f"{count} of {found['answers']} answers are unjudged by {found[side]}", markup=False)


def kappa_text(measure: dict) -> str:
    return shown(measure, 2) if measure["value"] is not None else "undefined: no grade varies"


def shown(measure: dict, digits: int, factor: float = 1, sign: str = "") -> str:
    if measure["value"] is None:
        return "undefined"
    value = f"{factor * measure['value']:{sign}.{digits}f}"
    if measure["low"] is None or measure["high"] is None:
        return value
    return f"{value} [{factor * measure['low']:{sign}.{digits}f}, {factor * measure['high']:{sign}.{digits}f}]"


def confusion_table(name: str, found: dict) -> Table:
    cells = {(one, other): count for one, other, count in found[name]["table"]}
    others = sorted({other for _, other in cells})
    table = Table()
    table.add_column(name)
    for other in others:
        table.add_column(f"{other:g}", justify="right")
    for one in sorted({one for one, _ in cells}):
        table.add_row(f"{one:g}", *(str(cells[one, other]) for other in others))
    return table
