"""All measures asked for on all data sets given, and the file that they are written into."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, write_json, write_jsonl
from data_builders.shared.plugins import Plugins
from data_builders.sources import Source

from ..protocols import Featurizer
from ..shared.own_models import load_by_package
from .labelled import Labelled, union

MEASURES = ("probe", "knn", "retrieval", "robustness")
DEFAULT_MEASURES = MEASURES[:3]
FEATURIZERS = Plugins(
    "evaluation.featurizers", "a function of a folder and **options that gives a Featurizer, or None for a strange one"
)
NEEDS = ("name", "model_hash", "settings", "vectors", "mean", "std", "pixels", "features")


def registered(model: str, options: dict) -> Featurizer | None:
    """The model as an installed program loads its own kind of checkpoint; None when none of them knows it. UserError as
    `load_by_package`."""
    return load_by_package(FEATURIZERS, NEEDS, model, **options)


def named(source: Source) -> Source:
    """The data set under its folder's name where its layout has no name of its own."""
    return replace(source, name=source.root.resolve().name) if source.name in ("folder", "fgbmk_lists") else source


@dataclass(frozen=True)
class Measuring:
    """What is measured, and how. `out`: folder of features.json; `protocols`: names of probe protocols."""

    out: Path
    measures: Sequence[str] = DEFAULT_MEASURES
    protocols: Sequence[str] = ("default",)
    gallery: str = "train"
    attack_images: int | None = None
    batch_size: int = 32
    seed: int = 0


def measure_all(
    cache,
    sets: Sequence[Labelled],
    chosen: Measuring,
    *,
    done: Collection[str] = (),
    keep: Callable[[dict], object] = lambda results: None,
) -> dict:
    """Task name -> `Measured`, in the order asked for. UserError where two data sets have one name.

    `done`: names of tasks that are left out; `keep` is given what each data set came to, as soon as it is measured.
    """
    from . import measures as how
    from .predictions import write_predictions
    from .probe import PROTOCOLS
    from .robustness import ATTACKS

    if len({data.name for data in sets}) < len(sets):
        raise UserError(f"two data sets have one name: {', '.join(data.name for data in sets)}; rename a folder")
    measures, protocols = chosen.measures, {name: PROTOCOLS[name] for name in chosen.protocols}
    results, probed = {}, {}
    options = {"seed": chosen.seed, "device": cache.featurizer.device}

    def probes(data: Labelled) -> dict:
        if data.name not in probed:
            probed[data.name] = {name: how.run_probe(cache, data, one, **options) for name, one in protocols.items()}
        return probed[data.name]

    for data in sets:
        found = []
        missing = [one for one in measures if task_name(data, one) not in done]
        if "probe" in missing:
            found.append(how.probe_scores(data, probes(data)))
            write_predictions(chosen.out, cache, data, next(iter(probes(data).values())).chosen())
        if "knn" in missing:
            found.append(how.neighbour_scores(cache, data))
        if "retrieval" in missing:
            found.append(how.retrieval_scores(cache, data, chosen.gallery))
        if "robustness" in missing:
            head = next(iter(probes(data).values())).chosen()
            attacks = [ATTACKS["default"]] + [ATTACKS["fgbmk"]] * ("fgbmk" in protocols)
            found.append(
                how.robustness_scores(
                    cache.featurizer, data, head, attacks,
                    images=chosen.attack_images, batch=chosen.batch_size, seed=chosen.seed,
                )
            )  # fmt: skip
        for one in found:
            results[one.score.task] = one
            if one.values is not None:
                rows = zip(data.test_names, data.test_labels, one.values, strict=True)
                write_jsonl(
                    chosen.out / "items" / (one.score.task.replace("/", "__") + ".jsonl"),
                    (
                        {"image": name, "label": data.classes[label], "value": float(value)}
                        for name, label, value in rows
                    ),
                )
        keep({one.score.task: one for one in found})
    if len(sets) > 1 and "probe" in measures and task_name(union(sets), "meta_class") not in done:
        name, protocol = next(iter(protocols.items()))
        multiple = how.run_probe(cache, union(sets), protocol, **options)
        one = how.meta_class_scores(sets, [probes(data)[name] for data in sets], multiple, name)
        results[one.score.task] = one
        keep({one.score.task: one})
    return results


def task_name(data: Labelled, measure: str) -> str:
    """What `measure` on this data set is called in features.json."""
    return f"features/{data.name}/{measure}"


def write_results(featurizer, results: dict, chosen: Measuring, made_from: Mapping[str, str] | None = None) -> Path:
    """<out>/features.json, whose path comes back; tasks measured by an earlier call with the same model stay.

    `made_from`: task -> identity of all that decides its numbers, for whoever asks later whether it is measured.
    UserError: the file holds another model's scores.
    """
    path, entry = chosen.out / "features.json", known_results(featurizer, chosen)
    for name, one in results.items():
        entry["tasks"][name], entry["details"][name] = one.score.to_json(), one.details
        if made_from:
            entry["made_from"][name] = made_from[name]
    write_json(path, entry)
    return path


def known_results(featurizer, chosen: Measuring) -> dict:
    """What <out>/features.json holds of this model, else its beginnings. UserError: it is another model's."""
    path = chosen.out / "features.json"
    entry = {
        "model": featurizer.name,
        "model_hash": featurizer.model_hash,
        "settings": featurizer.settings,
        "seed": chosen.seed,
        "parameters": getattr(featurizer, "parameters", None),
        **{key: {} for key in ("tasks", "details", "made_from")},
    }
    if path.is_file():
        known = read_json(path)
        same = isinstance(known, dict) and all(
            known.get(key) == _plain(entry[key]) for key in ("model_hash", "settings", "seed")
        )
        if not same:
            raise UserError(f"{path} holds another model's scores (or other settings); choose another --out")
        entry |= {key: known.get(key, {}) for key in ("tasks", "details", "made_from")}
    return entry


def _plain(value: object) -> object:
    """As JSON gives it back: tuples become lists."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
