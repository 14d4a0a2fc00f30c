"""Each measure on one data set's features, as task scores: every number with n and its 95 % interval."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from data_builders.shared.errors import UserError
from data_builders.shared.progress import progress
from data_builders.shared.seeding import draw

from ..protocols import Featurizer
from ..scoring.score_files import Score, TaskScore
from ..scoring.statistics import cluster_sums, interval, ratio, share_interval
from .cache import FeatureCache, VectorTable
from .labelled import Labelled
from .neighbours import NEIGHBOURS, nearest_centroid, nearest_neighbours
from .probe import Protocol, Trained, TrainedHead, train_heads
from .retrieval import fgbmk_class_map, retrieve
from .robustness import Attack, attack_batch
from .similarity import precision_for

VERSION = 1
RECALL_AT = (1, 5, 10)


@dataclass
class Measured:
    """A task's scores, what lies behind them, and one value a test picture (right, or average precision)."""

    score: TaskScore
    details: dict = field(default_factory=dict)
    values: np.ndarray | None = None


def mean_score(rule: str, metric: str, values: Sequence[float], address: tuple) -> Score:
    """Mean of one value in 0..1 a picture, in percent; pictures are resampled for the interval."""
    values = np.asarray(values, float)
    if not len(values):
        return Score(rule, metric, None, None, None, 0, "percent")
    sums = cluster_sums(range(len(values)), np.stack([values, np.ones(len(values))], 1))
    low, high = share_interval(values.mean(), *interval(sums, ratio, address=address), clusters=len(values))
    return Score(rule, metric, 100 * float(values.mean()), 100 * low, 100 * high, len(values), "percent")


def task_score(kind: str, title: str, name: str, scores: list[Score], notes: Sequence[str], n: int) -> TaskScore:
    return TaskScore(
        task=f"features/{name}/{kind}",
        title=f"{title}, {name}",
        group="fine_grained",
        version=VERSION,
        n=n,
        images=n,
        primary=scores[0].rule,
        scores=scores,
        notes=list(notes),
    )


def retrieval_vector(featurizer: Featurizer) -> int:
    """Which of the K vectors stands for a picture: the last block's class token, else what there is."""
    return featurizer.vectors.index("cls_1") if "cls_1" in featurizer.vectors else len(featurizer.vectors) - 1


@dataclass
class Probed:
    """One protocol's heads on one data set: chosen on validation, then trained again on all training pictures."""

    validation: np.ndarray  # accuracy of every head
    test_right: np.ndarray  # [heads, N], after training on all
    trained: Trained
    steps: int

    @property
    def on_validation(self) -> int:
        """The head with the best validation accuracy, the first of equals."""
        return int(self.validation.argmax())

    @property
    def on_test(self) -> int:
        return int(self.test_right.mean(1).argmax())

    def chosen(self) -> TrainedHead:
        return self.trained.head(self.on_validation)


def run_probe(
    cache: FeatureCache, data: Labelled, protocol: Protocol, *, seed: int = 0, device: str | torch.device = "cpu"
) -> Probed:
    """Train twice: without the validation pictures to choose a head, then with them. Only the choice differs between
    the number selected on validation and the one selected on test."""
    if not data.validation.any():
        raise UserError(f"{data.name}: no class has two training pictures, so no head can be chosen on validation")
    table, names = cache.table(data.train, data.name), cache.featurizer.vectors
    keep, held = np.nonzero(~data.validation)[0], np.nonzero(data.validation)[0]
    steps = [protocol.number_of_steps(len(keep)), protocol.number_of_steps(len(data.train))]
    options = {"classes": len(data.classes), "protocol": protocol, "seed": seed, "device": str(device)}
    with progress(f"{data.name}: probe {protocol.name}", "steps", sum(steps)) as advance:
        first = train_heads(table.at(keep), data.train_labels[keep], names, advance=advance, **options)
        validation = first.correct(table.at(held), data.train_labels[held]).mean(1)
        trained = train_heads(table, data.train_labels, names, advance=advance, **options)
    right = trained.correct(cache.table(data.test, data.name), data.test_labels)
    return Probed(validation, right, trained, steps[1])


def probe_scores(data: Labelled, probed: dict[str, Probed]) -> Measured:
    """Every protocol's number chosen on validation beside the one chosen on test."""
    scores, details = [], {}
    for name, one in probed.items():
        for metric, place in (
            ("top-1, head chosen on validation", one.on_validation),
            ("top-1, head chosen on test", one.on_test),
        ):
            scores.append(mean_score(name, metric, one.test_right[place], ("probe", data.name)))
        heads = zip(one.trained.bank.heads, one.validation, one.test_right.mean(1), strict=True)
        details[name] = {
            "steps": one.steps,
            "chosen_on_validation": str(one.trained.bank.heads[one.on_validation]),
            "chosen_on_test": str(one.trained.bank.heads[one.on_test]),
            "loss": one.trained.losses,
            "heads": [{"head": str(h), "validation": 100 * float(v), "test": 100 * float(t)} for h, v, t in heads],
        }
    first, notes = next(iter(probed.values())), list(data.notes)
    if released := [name for name in probed if name != "default"]:
        notes.append(f"{', '.join(released)}: on cached features, so training pictures are not cropped anew each step")
    score = task_score("probe", "Linear probe", data.name, scores, notes, len(data.test))
    return Measured(score, details, first.test_right[first.on_validation].astype(float))


def neighbour_scores(cache: FeatureCache, data: Labelled) -> Measured:
    """DINOv2's weighted nearest neighbours at its four k, and the nearest class centroid."""
    train, test = _vectors(cache, data)
    classes, address = len(data.classes), ("knn", data.name)
    usable = tuple(k for k in NEIGHBOURS if k <= len(train)) or (len(train),)
    predicted = nearest_neighbours(test, train, data.train_labels, classes=classes, ks=usable)
    rights = {k: predicted[k] == data.test_labels for k in usable}
    scores = [mean_score("knn", f"top-1, {k} neighbours", rights[k], address) for k in usable]
    centroid = nearest_centroid(test, train, data.train_labels, classes=classes) == data.test_labels
    scores.append(mean_score("centroid", "top-1, nearest class centroid", centroid, address))
    notes = [f"of k {', '.join(map(str, NEIGHBOURS))} only those up to {len(train)} pictures"] * (usable != NEIGHBOURS)
    score = task_score("knn", "Nearest neighbours", data.name, scores, notes, len(test))
    return Measured(score, {}, rights[usable[0]].astype(float))


def retrieval_scores(cache: FeatureCache, data: Labelled, gallery: str = "train") -> Measured:
    """Image mAP and recall@k first, the released class ranking beside them. `gallery`: train, or test without
    the query itself."""
    train, test = _vectors(cache, data)
    itself = np.arange(len(test)) if gallery == "test" else None
    rows, labels = (test, data.test_labels) if gallery == "test" else (train, data.train_labels)
    with progress(f"{data.name}: retrieval", "queries", len(test)) as advance:
        found = retrieve(test, data.test_labels, rows, labels, ks=RECALL_AT, itself=itself, advance=advance)
    address, has = ("retrieval", data.name), found.has_positive
    scores = [mean_score("standard", "mAP", found.ap[has], address)]
    scores += [mean_score("standard", f"recall@{k}", found.hit[k][has], address) for k in RECALL_AT]
    notes = [f"gallery: {len(rows):,} {gallery} pictures, cosine in {np.dtype(precision_for(len(rows))).name}"]
    if not has.all():
        notes.append(f"{(~has).sum():,} queries have nothing relevant in the gallery and are left out")
        scores.append(mean_score("standard", "mAP, nothing relevant counted as 0", found.ap, address))
    details = (
        {"share_of_relevant_at": {k: 100 * float(found.recall[k][has].mean()) for k in RECALL_AT}} if has.any() else {}
    )
    if gallery == "train":
        ranked = fgbmk_class_map(test, data.test_labels, rows, labels, classes=len(data.classes))
        scores.append(mean_score("fgbmk_class_map", "class mAP among 10 neighbours", ranked.ap, address))
        details["fgbmk_class_map_by_order_of_ties"] = [100 * ranked.worst.mean(), 100 * ranked.best.mean()]
        notes.append("fgbmk_class_map: classes ranked by their nearest of ten neighbours, without the trained head")
    score = task_score("retrieval", "Image retrieval", data.name, scores, notes, len(test))
    return Measured(score, details, found.ap)


def robustness_scores(
    featurizer: Featurizer,
    data: Labelled,
    head: TrainedHead,
    attacks: Sequence[Attack],
    *,
    images: int | None = None,
    batch: int = 32,
    seed: int = 0,
) -> Measured:
    """Accuracy before and after white-box attacks on test pictures (`images` of them, drawn by address; None: all)."""
    chosen = np.arange(len(data.test))
    if images is not None and images < len(chosen):
        chosen = np.sort(draw(seed, "attacked", data.name).permutation(len(chosen))[:images])
    scores, details, values, address = [], {}, None, ("robustness", data.name)
    device = getattr(featurizer, "device", "cpu")
    for attack in attacks:
        clean, attacked, unmoved = [], [], 0
        with progress(f"{data.name}: {attack.name} attack", "images", len(chosen)) as advance:
            for start in range(0, len(chosen), batch):
                places = chosen[start : start + batch]
                pixels = torch.stack([featurizer.pixels(data.test[place]) for place in places]).to(device)
                labels = torch.as_tensor(data.test_labels[places], device=device)
                result = attack_batch(
                    featurizer.features, head, pixels, labels, featurizer.mean, featurizer.std, attack
                )
                clean.append(result.clean.numpy())
                attacked.append(result.perturbed.numpy())
                unmoved += result.unmoved
                advance(len(places))
        before, after = np.concatenate(clean), np.concatenate(attacked)
        scores.append(mean_score(attack.name, "top-1 after the attack", after, address))
        scores.append(mean_score(attack.name, "top-1 before", before, address))
        details[attack.name] = {
            "attack": attack.describe(),
            "head": str(head.head),
            "unmoved": unmoved,
            "right_before_wrong_after": int((before & ~after).sum()),
        }
        values = after.astype(float) if values is None else values
    notes = [f"{name}: {about['attack']}" for name, about in details.items()]
    notes += [
        f"{name}: {about['unmoved']} pictures did not move (their gradient is exactly zero): no sign of robustness"
        for name, about in details.items()
        if about["unmoved"]
    ]
    score = task_score("robustness", "Robustness", data.name, scores, notes, len(chosen))
    return Measured(score, details, values if len(chosen) == len(data.test) else None)


def meta_class_scores(sets: Sequence[Labelled], single: Sequence[Probed], multiple: Probed, protocol: str) -> Measured:
    """One head per data set beside one head over all their classes, tested on each data set."""
    scores, start = [], 0
    for data, one in zip(sets, single, strict=True):
        stop = start + len(data.test)
        address = ("meta class", data.name)
        union_right = multiple.test_right[multiple.on_validation, start:stop]
        scores.append(mean_score("multiple", f"top-1 on {data.name}", union_right, address))
        own_right = one.test_right[one.on_validation]
        scores.append(mean_score("single", f"top-1 on {data.name}", own_right, address))
        start = stop
    names = "+".join(data.name for data in sets)
    notes = [f"heads chosen on validation, protocol {protocol}; multiple: one head over all classes of {names}"]
    score = task_score("meta_class", "Single and multiple meta-classes", names, scores, notes, start)
    return Measured(score)


def _vectors(cache: FeatureCache, data: Labelled) -> tuple[VectorTable, VectorTable]:
    number = retrieval_vector(cache.featurizer)
    return cache.table(data.train, data.name).vector(number), cache.table(data.test, data.name).vector(number)
