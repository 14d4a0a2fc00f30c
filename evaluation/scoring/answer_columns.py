"""What scoring keeps of the answers: columns of numbers and shared names, so that a million answers fit into memory."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from data_builders.shared.errors import UserError

from ..shared.texts import normalise
from ..tasks.question_files import quoted_options
from ..tasks.task import Task
from .group_values import MEANS_OF, values_of
from .matching import LIST_RULES, MATHVISTA_RULES, NO_DETAILS, YES_NO_RULES, golds_of
from .name_lists import standing
from .own_rules import matching_rules
from .rules.base import Verdict
from .rules.mathvista import types_from_query
from .statistics import cluster_index

NOTHING_SAID = Verdict(0.0, None)
LABELS = {"no": 0, "yes": 1, None: -1}


@dataclass
class Sheet:
    """Columns over the questions in the order of their ids. `rows` are kept only where a rule needs them whole."""

    clusters: list[str]
    categories: list[str]
    scores: dict[str, np.ndarray] = field(default_factory=dict)  # rule -> score of each question, 0..1
    labels: dict[str, np.ndarray] = field(default_factory=dict)  # yes/no rule -> 1 yes, 0 no, -1 neither
    gold_yes: np.ndarray | None = None
    lists: dict[str, np.ndarray] = field(default_factory=dict)  # rule -> `name_lists.standing` of each question
    # what a guess could be: the question's options (0: it has none), and its gold (1 yes, 0 no, -1 neither)
    options: np.ndarray | None = None
    gold_words: np.ndarray | None = None
    unparsed: dict[str, int] = field(default_factory=dict)
    unfinished: int = 0
    with_thoughts: int = 0  # answers that came with thoughts, which are left out
    groups: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)  # key -> values of each question
    ids: list[int | str] = field(default_factory=list)
    rows: list[dict] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # the answers as texts, where wordings are compared
    pictures: list[str | None] = field(default_factory=list)  # as the questions call them

    def __post_init__(self) -> None:
        self.index = cluster_index(self.clusters)

    def members(self, key: str) -> dict[str, np.ndarray]:
        """Value of `key` -> places of its questions, values in alphabetical order."""
        found: dict[str, list[int]] = {}
        for place, values in enumerate(self.groups[key]):
            for value in values:
                found.setdefault(value, []).append(place)
        return {value: np.asarray(found[value]) for value in sorted(found)}


def cluster_of(row: dict, key: str = "image") -> str:
    """What is resampled together: answers with the same `key` (Task.cluster); one without it stands for itself."""
    return str(row[key]) if row.get(key) and key != "question_id" else f"question {row['question_id']}"


def id_order(question_id: int | str) -> tuple[bool, int | str]:
    return isinstance(question_id, str), question_id


def details_of_row(row: dict, item_details: Mapping[str, object]) -> dict:
    """What the question says of itself: by its file, else by the row."""
    stored = row.get("details")
    return {**(stored if isinstance(stored, dict) else {}), **item_details}


def with_types(task: Task, row: dict, details: Mapping[str, object], options: Sequence[str]) -> dict:
    """The details that MathVista's rules need, too. UserError where nothing tells the answer's type."""
    found = {**types_from_query(row["question"], options), **details}
    if not found.get("answer_type"):
        raise UserError(
            f"task {task.name}, question {row['question_id']!r}: nothing says of which type the answer is; give the "
            "question file (--questions)"
        )
    return found | ({"extraction": row["extraction"]} if "extraction" in row else {})


def fill(task: Task, rows: Iterable[dict], rules: Sequence[str]) -> Sheet:
    """Every answer under each of `rules` that is a function of one answer and its gold, each row seen once and let go.

    UserError when a question has two answers, or none is there at all, and where a rule of a user's own fails.
    """
    matched = matching_rules(rules)
    lists: dict[str, list] = {rule: [] for rule in rules if rule in LIST_RULES}
    keep_rows = len(matched) + len(lists) < len(rules)
    typed = bool(MATHVISTA_RULES & matched.keys())
    items = {item.question_id: item for item in task.items}
    keys = list(dict.fromkeys([*task.groups, *([task.mean_of] if task.mean_of else [])]))
    keys += [MEANS_OF[key] for key in keys if key in MEANS_OF and MEANS_OF[key] not in keys]
    ids: list[int | str] = []
    clusters, categories, pictures, kept = [], [], [], []
    scores: dict[str, list[float]] = {rule: [] for rule in matched}
    labels: dict[str, bytearray] = {rule: bytearray() for rule in matched if rule in YES_NO_RULES}
    option_counts, gold_words = array("i"), bytearray()
    gold_yes, unparsed, unfinished, with_thoughts = bytearray(), dict.fromkeys(matched, 0), 0, 0
    groups: dict[str, list[tuple[str, ...]]] = {key: [] for key in keys}
    said: list[str] | None = [] if "wording" in keys else None
    names: dict[object, object] = {}  # equal names and values are one object in memory
    for row in rows:
        ids.append(row["question_id"])
        cluster, category = cluster_of(row, task.cluster), row["category"]
        clusters.append(names.setdefault(cluster, cluster))
        categories.append(names.setdefault(category, category))
        pictures.append(names.setdefault(row.get("image"), row.get("image")))
        unfinished += not row.get("finished", True)
        with_thoughts += bool(row.get("thoughts"))
        item = items.get(row["question_id"])
        known = item.details if item else NO_DETAILS
        if matched:
            options = (item.options if item else ()) or row.get("options") or quoted_options(row["question"])
            details, choices = details_of_row(row, known), None
            if typed:
                details = with_types(task, row, details, options)
                choices = details.get("choices")
            option_counts.append(len(set(map(str, choices or options))))
            gold_words.append(LABELS.get(yes_no_of(row["gold"]), -1) + 1)
            # Of thoughts alone no rule makes an answer, though POPE's takes an empty one for a yes.
            silent = bool(row.get("thoughts")) and not row["answer"].strip()
            for rule, judged in matched.items():
                try:
                    verdict = NOTHING_SAID if silent else judged(row["answer"], row["gold"], options, details)
                except UserError as error:
                    raise UserError(f"task {task.name}, question {row['question_id']!r}: {error}") from error
                scores[rule].append(verdict.score)
                unparsed[rule] += verdict.parsed is None
                if rule in labels:
                    labels[rule].append(LABELS[verdict.parsed] + 1)
            if labels:
                gold_yes.append(golds_of(row["gold"])[0] == "yes")
        for rule, standings in lists.items():
            standings.append(standing(row, rule))
        for key, values in groups.items():
            found = values_of(key, row, known)
            values.append(names.setdefault(found, found))
        if keep_rows:
            kept.append(row)
        if said is not None:
            text = normalise(row["answer"])
            said.append(names.setdefault(text, text))
    if not ids:
        raise UserError(f"task {task.name}: no answers to score")
    check_once(task, ids)
    # by id: sums of floats must not depend on the order in which the answers were written
    order = ordered(ids)
    return Sheet(
        clusters=[clusters[place] for place in order],
        categories=[categories[place] for place in order],
        scores={rule: np.asarray(column)[order] for rule, column in scores.items()},
        labels={rule: np.frombuffer(column, np.uint8).astype(np.int8)[order] - 1 for rule, column in labels.items()},
        lists={rule: np.asarray(column)[order] for rule, column in lists.items()},
        gold_yes=np.frombuffer(gold_yes, np.uint8).astype(bool)[order] if labels else None,
        options=np.asarray(option_counts)[order] if matched else None,
        gold_words=np.frombuffer(gold_words, np.uint8).astype(np.int8)[order] - 1 if matched else None,
        unparsed=unparsed,
        unfinished=unfinished,
        with_thoughts=with_thoughts,
        groups={key: [column[place] for place in order] for key, column in groups.items()},
        ids=[ids[place] for place in order],
        rows=[kept[place] for place in order] if keep_rows else [],
        said=[said[place] for place in order] if said is not None else [],
        pictures=[pictures[place] for place in order],
    )


def yes_no_of(gold: str | Sequence[str]) -> str | None:
    """Of a question that wants a yes or a no: which."""
    words = {one.strip().lower() for one in golds_of(gold)}
    return words.pop() if words in ({"yes"}, {"no"}) else None


def ordered(ids: Sequence[int | str]) -> list[int]:
    """Places of the ids in their order: numbers, then texts."""
    if all(type(one) is int and abs(one) < 1 << 62 for one in ids):
        return np.argsort(np.asarray(ids), kind="stable").tolist()
    return sorted(range(len(ids)), key=lambda place: id_order(ids[place]))


def check_once(task: Task, ids: Sequence[int | str]) -> None:
    if len(set(ids)) != len(ids):
        seen: set[int | str] = set()
        doubled = next(one for one in ids if one in seen or seen.add(one))
        raise UserError(f"task {task.name}: question {doubled!r} has more than one answer")
