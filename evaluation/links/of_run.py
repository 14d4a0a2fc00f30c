"""The links of a run: shares at each checkpoint with intervals, and what became of each question between two."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from data_builders.shared.files import read_json, write_json

from ..ledger.run import Checkpoint, Run
from ..scoring.intervals import score_of
from ..scoring.metrics import accuracy
from ..scoring.statistics import cluster_index
from .items import LINKS, items_of, known_categories, link_of, tasks_about_categories
from .probes import predictions_at

FILE = "links.json"  # in a run's folder


def links_of_run(run: Run) -> list[dict[str, Any]]:
    """An entry a task and part of the model behind which a probe was trained:

    {"task", "title", "part", "checkpoints": [{"name", "samples_seen", "n", "left_out", "shares": {link: score}}],
    "transitions": [{"before", "after", "n", "counts": {link before: {link after: questions}}}]}

    A score has value, low and high in percent. Empty where no checkpoint has both probes and questions about knowledge.
    """
    found: dict[tuple[str, str], dict[str, dict]] = {}  # (task, part) -> checkpoint -> its links
    for checkpoint in run.checkpoints:
        probes = predictions_at(run.folder, checkpoint.name)
        known = known_categories(run, checkpoint) if probes else {}
        if not known:
            continue
        for task in tasks_about_categories(checkpoint):
            items = items_of(run, checkpoint, task)
            for part, predictions in probes.items():
                links = {one.question_id: (link_of(one, predictions, known), one.image) for one in items}
                if any(link for link, _ in links.values()):
                    found.setdefault((task, part), {})[checkpoint.name] = links
    return [
        {
            "task": task,
            "title": str(run.task_score(task)["title"]),
            "part": part,
            "checkpoints": [
                _shares(one, links[one.name], (task, part)) for one in run.checkpoints if one.name in links
            ],
            "transitions": _transitions(links),
        }
        for (task, part), links in found.items()
    ]


def _shares(checkpoint: Checkpoint, links: dict, address: tuple) -> dict[str, Any]:
    joined = [(link, image) for link, image in links.values() if link is not None]
    index = cluster_index([image for _, image in joined])
    shares = {}
    for name in LINKS:
        measure = accuracy([float(link == name) for link, _ in joined])
        score = score_of(name, measure, index, (*address, name))
        shares[name] = {"value": score.value, "low": score.low, "high": score.high}
    return {
        "name": checkpoint.name,
        "samples_seen": checkpoint.samples_seen,
        "n": len(joined),
        "left_out": len(links) - len(joined),
        "shares": shares,
    }


def _transitions(links: dict[str, dict]) -> list[dict[str, Any]]:
    """From each checkpoint to the next, over the questions that have a link at both."""
    found = []
    for before, after in pairwise(links):
        table = np.zeros((len(LINKS), len(LINKS)), int)
        for key, (link, _) in links[before].items():
            later = links[after].get(key, (None, ""))[0]
            if link is not None and later is not None:
                table[LINKS.index(link), LINKS.index(later)] += 1
        counts = {a: dict(zip(LINKS, map(int, row), strict=True)) for a, row in zip(LINKS, table, strict=True)}
        found.append({"before": before, "after": after, "n": int(table.sum()), "counts": counts})
    return found


def write_links(run: Run) -> list[dict[str, Any]]:
    """The run's links, written into <run>/links.json where there are any; an older file goes where there are none."""
    found, path = links_of_run(run), run.folder / FILE
    if found:
        write_json(path, found)
    else:
        path.unlink(missing_ok=True)
    return found


def read_links(folder: Path) -> list[dict[str, Any]]:
    """What `write_links` left in a run's folder; [] where it left nothing."""
    path = Path(folder) / FILE
    return read_json(path) if path.is_file() else []
