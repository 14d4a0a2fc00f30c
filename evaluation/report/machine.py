"""FG-BMK's machine-oriented track beside a run: Tables 3, 4 and 5 and the critical-distance diagram.

`python -m evaluation features` and `friedman` write their files wherever they are told to; what lies in the run folder
or in a folder inside it (features/ by custom) is shown. What a run measures itself lies at features/CHECKPOINT/PART,
and checkpoints that share what was measured are one column.
"""

import base64
import json
from pathlib import Path

from ..ledger import Run, known, primary
from ..study.over_run import places_of
from .curves import sizes, stage_spans
from .figures import Figure, Line, Point
from .line_names import own_ends
from .text import num

DEPTH = ("features.json", "*/features.json", "*/*/features.json")
OWN = "features/*/*/features.json"
RANKS = ("*.json", "features/*.json", "features/*/*.json")
MEASURES = {
    "probe": "Linear probe (LC)",
    "knn": "Nearest neighbours",
    "retrieval": "Image retrieval",
    "robustness": "Under attack",
    "meta_class": "Single and multiple meta-classes",
}


def machine_tables(runs: list[Run]) -> list[dict]:
    """For each run that has feature scores: {"index", "run", "tables", "diagrams", "curve"}."""
    found = []
    for index, run in enumerate(runs):
        entries, diagrams = feature_scores(run), rank_diagrams(run.folder)
        if entries or diagrams:
            own = {"tables": tables(entries, run), "diagrams": diagrams, "curve": feature_curve(index, run, entries)}
            found.append({"index": index, "run": run, **own})
    return found


def feature_curve(index: int, run: Run, entries: list[dict]) -> dict[str, Figure]:
    """Each measure's first number over the run, behind the encoder (strong) and the projector (thin), where the run has
    measured them at two checkpoints or more; else empty."""
    place = dict(zip((one.name for one in run.checkpoints), places_of(run), strict=True))
    marks: dict[tuple[str, str], dict[int, tuple[str, dict]]] = {}
    for entry in entries:
        for name in entry["at"]:
            for task, score in entry["tasks"].items() if name in place else ():
                if isinstance(score.get("scores"), list) and score["scores"] and known(score["scores"][0].get("value")):
                    title = f"{score.get('title', task)}{entry['behind']}"
                    marks.setdefault((title, entry["behind"]), {})[place[name]] = (name, score["scores"][0])
    if max(map(len, marks.values()), default=0) < 2:
        return {}
    lines, points = [], []
    for (title, behind), found in marks.items():
        xy = [(x, one["value"]) for x, (_, one) in sorted(found.items())]
        lines.append(Line(index, xy, "task" if behind else "mean", title))
        for x, (name, one) in found.items():
            text = f"{title}, {name}: {one['rule']}, {one['metric']} {num(one['value'])}, n = {one['n']:,}"
            ends = {} if behind else {"low": one.get("low"), "high": one.get("high")}
            points.append(Point(index, x, one["value"], text, large=not behind, **ends))
    return sizes(
        {"wide": (600, 340), "narrow": (364, 280)},
        f"Features of {run.name}, %",
        x_range=(0, max([1, *place.values()])),
        y_range=(0, 100),
        lines=sorted(lines, key=lambda line: line.kind == "mean"),
        points=sorted(points, key=lambda point: point.large),
        spans=stage_spans(index, run),
        ends=own_ends(lines),
        x_label="samples seen" if any(c.samples_seen for c in run.checkpoints) else "checkpoints",
    )


def feature_scores(run: Run) -> list[dict]:
    """The feature scores in a run folder, whole ones only (another program's features.json is none of ours): its own
    in the order of training, then others."""
    own = {path: path.parent.parent.name for path in sorted(run.folder.glob(OWN))}
    order = [one.name for one in run.checkpoints]
    ordered = sorted(own, key=lambda path: order.index(own[path]) if own[path] in order else len(order))
    others = (path for pattern in DEPTH for path in sorted(run.folder.glob(pattern)))
    found: dict[Path, dict] = {}
    for path in dict.fromkeys((*ordered, *others)):
        entry = _json(path)
        if not (isinstance(entry, dict) and isinstance(entry.get("tasks"), dict) and "model" in entry):
            continue
        part = (entry.get("settings") or {}).get("part") if isinstance(entry.get("settings"), dict) else None
        behind = " after its projector" if part == "projector" else ""
        one = found.setdefault(path.resolve(), {"names": [], "at": [], "behind": behind, "tasks": entry["tasks"]})
        one["names"].append(own.get(path, str(entry["model"])))
        one["at"] += [own[path]] if path in own else []
    return [{**one, "label": " = ".join(one["names"]) + one["behind"]} for one in found.values()]


def tables(entries: list[dict], run: Run) -> list[dict]:
    """A table a measure: a row a data set and number, a column a model."""
    result = []
    for measure, title in MEASURES.items():
        rows: dict[tuple[str, str, str], list[dict | None]] = {}
        notes: dict[str, None] = {}
        for column, entry in enumerate(entries):
            for name, task in entry["tasks"].items():
                if not name.endswith(f"/{measure}") or not isinstance(task.get("scores"), list):
                    continue
                notes |= dict.fromkeys(map(str, task.get("notes") or ()))
                for score in task["scores"]:
                    if known(score.get("value")):
                        key = (name.split("/")[1], str(score["rule"]), str(score.get("metric") or ""))
                        rows.setdefault(key, [None] * len(entries))[column] = score
        if not rows:
            continue
        lines = [{"data": d, "what": f"{rule}: {metric}", "cells": cells} for (d, rule, metric), cells in rows.items()]
        columns = [one["label"] for one in entries]
        if measure == "probe" and (answered := short_answers(run)):
            columns.append(f"short answers (SA) of {run.name}, {run.last.name}")
            for place, line in enumerate(lines):
                first = all(line["data"] != other["data"] for other in lines[:place])
                line["cells"] = [*line["cells"], answered.get(line["data"]) if first else None]
        lines.sort(key=lambda line: line["data"])
        result.append({"title": title, "columns": columns, "rows": lines, "notes": list(notes)})
    return result


def short_answers(run: Run) -> dict[str, dict]:
    """Table 3's other column, data set -> score: what the whole model answers at the end of the run (SA)."""
    found = {}
    for task, score in run.last.tasks.items():
        parts, one = task.split("/"), primary(score)
        if parts[0] == "fgbmk" and len(parts) > 2 and parts[-1] == "short_answer" and known(one["value"]):
            found[parts[1]] = one  # levels come from coarse to fine: the finest stays
    return found


def rank_diagrams(folder: Path) -> list[dict]:
    """Critical-distance diagrams, drawn anew from friedman's JSON: a foreign picture is not embedded."""
    found = []
    for path in dict.fromkeys(path for pattern in RANKS for path in sorted(folder.glob(pattern))):
        entry = _json(path)
        if isinstance(entry, dict) and {"average_ranks", "critical_distance", "models", "data_sets"} <= set(entry):
            try:
                found.append({"name": path.stem, "n": len(entry["data_sets"]), **_diagram(entry)})
            except (KeyError, TypeError, ValueError, IndexError, AttributeError):
                continue
    return found


def _diagram(entry: dict) -> dict:
    from ..features.friedman import Comparison as Ranks
    from .friedman_diagram import diagram

    test = entry.get("friedman") or {}
    ranks = Ranks(
        models=tuple(map(str, entry["models"])),
        data_sets=tuple(map(str, entry["data_sets"])),
        average_ranks=tuple(map(float, entry["average_ranks"])),
        chi_square=test.get("chi_square"),
        p_value=test.get("p_value"),
        nemenyi_p=tuple(map(tuple, entry.get("nemenyi_p") or ())),
        critical_distance=float(entry["critical_distance"]),
        alpha=float(entry.get("alpha") or 0.05),
    )
    picture = base64.b64encode(diagram(ranks).encode()).decode()
    return {"picture": f"data:image/svg+xml;base64,{picture}", "p": test.get("p_value"), "models": list(ranks.models),
            "ranks": list(ranks.average_ranks), "cd": ranks.critical_distance, "found": ranks}  # fmt: skip


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
