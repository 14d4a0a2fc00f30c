"""How far people, rules and models agree on a drawn sample, and what people found of audited rows."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import numpy as np
from rich.table import Table

from ..compare.tables import wide_console
from ..judging.agreement import agreement_of, confusion, confusion_table, grades_of, kappa_text, shown
from ..judging.judge_files import judge_name, read_judged
from ..scoring.intervals import score_of
from ..scoring.metrics import Measure, frow_measures
from ..scoring.statistics import cluster_index, cluster_sums, interval, ratio, share_interval
from .filled import Grades
from .sheet import ANSWERS, KINDS, YES_NO

Judges = dict[str, dict[str, tuple[float, ...]]]  # who -> row -> grades


def judges_of(key: dict) -> Judges:
    """The grades of rules and models for the drawn answers: as the key has them, and as lie beside the answers now."""
    found: Judges = {}
    for one in key["rows"]:
        for name, grades in one.get("grades", {}).items():
            found.setdefault(name, {})[one["row"]] = tuple(grades)
    by_file: dict[str, list[dict]] = {}
    for one in key["rows"]:
        by_file.setdefault(one["answers"], []).append(one)
    for path, drawn in by_file.items():
        for judged in judged_files(Path(path)):
            rows = {(row.get("image"), row.get("question")): row for row in read_judged(judged)}
            name = judge_name(judged, rows)
            for one in drawn:
                row = rows.get((one["image"], one["question"]))
                if row is not None and row.get("answer") == one["answer"] and (grades := grades_of(row)):
                    found.setdefault(name, {})[one["row"]] = grades
    return found


def judged_files(answers: Path) -> Iterator[Path]:
    """Where `judge` writes: one file in judged/ stands for the task, others lie in a folder of their judge."""
    folder = answers.parent / "judged"
    yield from (path for path in (folder / answers.name, *sorted(folder.glob(f"*/{answers.name}"))) if path.exists())


def compare_people(people: dict[str, Grades], key: dict) -> dict:
    """Every pair of people and judges, per kind of grade; of audited rows the shares that each person found."""
    kind = KINDS[key["kind"]]
    judges = judges_of(key) if kind.name == "answers" else {}
    everyone: Judges = {**people, **{name: one for name, one in judges.items() if name not in people}}
    images = {one["row"]: one["image"] for one in key["rows"]}
    pairs = []
    for first, second in combinations(everyone, 2):
        a, b = everyone[first], everyone[second]
        both = [row for row in images if row in a and row in b]
        if not both:
            continue
        about = {"first": first, "second": second, "rows": len(both), "images": len({images[row] for row in both})}
        for place, (name, values) in enumerate(kind.cells.items()):
            x, y = (np.asarray([one[row][place] for row in both], float) for one in (a, b))
            measured = agreement_of(x, y, [images[row] for row in both], f"{first}/{second}/{name}")
            about[name] = measured | {"table": confusion(x, y, len(values) - 1)}
        if kind is ANSWERS:
            about["final"] = final_difference(a, b, both, images, (first, second))
        pairs.append(about)
    common = [row for row in images if all(row in one for one in everyone.values())]
    return {
        "draw": key["draw"],
        "kind": kind.name,
        "rows": len(images),
        "graded": {name: len(one) for name, one in everyone.items()},
        "people": list(people),
        "judges": [name for name in everyone if name not in people],
        "shares": {who: shares(one, images, who, list(kind.cells)) for who, one in people.items()}
        if YES_NO in kind.cells.values()
        else {},
        "scores": {who: frow_scores(one, common, images, who) for who, one in everyone.items()}
        if kind is ANSWERS and common
        else {},
        "pairs": pairs,
    }


def frow_scores(grades: dict[str, tuple], rows: list[str], images: dict[str, str], who: str) -> list[dict]:
    """FROW's percentages by one judge on the rows that everybody has graded."""
    item, fact = (np.asarray([grades[row][place] for row in rows], float) for place in (0, 1))
    index = cluster_index([images[row] for row in rows])
    measures = frow_measures(item, fact)
    return [asdict(score_of(who, one, index, ("people", who, one.metric))) for one in measures]


def final_difference(a: dict, b: dict, rows: list[str], images: dict[str, str], who: tuple[str, str]) -> dict:
    """FROW's final score by the second minus that by the first, in points."""
    moved = np.asarray([sum(b[row]) - sum(a[row]) for row in rows], float)
    measure = Measure("difference", np.stack([moved, np.full(len(rows), 5.0)], axis=1), ratio, bounded=False)
    index = cluster_index([images[row] for row in rows])
    one = score_of("final", measure, index, ("people", *who, "final"))
    return {"value": one.value, "low": one.low, "high": one.high}


def shares(grades: Grades, images: dict[str, str], who: str, names: list[str]) -> dict[str, dict]:
    """column -> share of "yes" with its 95 % interval over pictures."""
    rows = [row for row in images if row in grades]
    found = {}
    for place, name in enumerate(names):
        yes = np.asarray([grades[row][place] for row in rows], float)
        sums = cluster_sums([images[row] for row in rows], np.stack([yes, np.ones(len(yes))], axis=1))
        value = float(yes.mean())
        low, high = share_interval(value, *interval(sums, ratio, address=("audit", who, name)), len(sums))
        found[name] = {"value": value, "low": low, "high": high, "n": len(rows)}
    return found


def print_people(found: dict) -> None:
    console, kind = wide_console(), KINDS[found["kind"]]
    graded = ", ".join(f"{name} {count}" for name, count in found["graded"].items())
    console.print(f"draw {found['draw']}: {found['rows']} rows; graded by {graded}", markup=False)
    if found["shares"]:
        table = Table(title="share of yes (%), 95 % intervals over pictures")
        for column in ("who", *kind.cells, "n"):
            table.add_column(column)
        for who, one in found["shares"].items():
            cells = [shown(one[name], 1, 100) for name in kind.cells]
            table.add_row(who, *cells, f"{next(iter(one.values()))['n']:,}")
        console.print(table)
    if found["scores"]:
        table = Table(title="FROW's scores by each, on the rows that all have graded")
        for column in ("who", "final", "recognition", "content", "n"):
            table.add_column(column)
        for who, scores in found["scores"].items():
            table.add_row(who, *(shown(one, 1) for one in scores), f"{scores[0]['n']:,}")
        console.print(table)
    if not found["pairs"]:
        return
    table = Table(title="agreement, 95 % intervals over pictures")
    for column in ("grade", "first", "second", "weighted kappa", "kappa", "equal (%)", "second minus first", "n"):
        table.add_column(column, overflow="fold")
    for name in kind.cells:
        for one in found["pairs"]:
            measured = one[name]
            table.add_row(
                name,
                one["first"],
                one["second"],
                kappa_text(measured["kappa"]),
                kappa_text(measured["plain_kappa"]),
                shown(measured["equal"], 1, 100),
                shown(measured["difference"], 2, sign="+"),
                f"{one['rows']:,}",
            )
    console.print(table)
    for one in found["pairs"]:
        if "final" in one:
            moved = f"final score by {one['second']} minus that by {one['first']}: {shown(one['final'], 1, sign='+')}"
            console.print(f"{moved} points, n = {one['rows']:,}", markup=False)
    console.print("how many rows got which grades: rows the first, columns the second")
    for one in found["pairs"]:
        for name in kind.cells:
            console.print(f"{one['first']}, {one['second']}", markup=False)
            console.print(confusion_table(name, one))
