"""`python -m evaluation features`: measure a vision encoder's features on data sets."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, write_json, write_jsonl
from data_builders.sources import SOURCE_NAMES, Source, load_source

from ..compare import print_scores
from ..protocols import Featurizer

FEATURIZERS = "evaluation.featurizers"  # entry points: name -> callable(folder, **options) -> Featurizer | None
MEASURES = ("probe", "knn", "retrieval", "robustness")


def add_features(commands: argparse._SubParsersAction) -> None:
    one = commands.add_parser("features", help="measure a vision encoder's features: probe, kNN, retrieval, PGD")
    one.add_argument("--model", required=True, help="folder, hub id, or preset, also PRESET=FOLDER (--model list)")
    one.add_argument("--source", nargs="+", metavar="SOURCE", help=f"data sets: {', '.join(SOURCE_NAMES)}")
    one.add_argument("--root", type=Path, nargs="+", help="their folders, in the same order")
    one.add_argument("--out", type=Path, help="folder for features.json")
    one.add_argument("--level", help="label pictures at this level of names (default: the finest)")
    one.add_argument(
        "--measure", default="probe,knn,retrieval", help=f"of {','.join(MEASURES)} (default: all but the last)"
    )
    one.add_argument("--protocol", default="default", help="probe protocols: default,fgbmk,dinov2 (default: default)")
    one.add_argument("--part", choices=("encoder", "projector"), help="of an LVLM: before or after its projector")
    one.add_argument("--view", choices=("own", "dinov2"), help="the model's own image transform, or FG-BMK's")
    one.add_argument("--image-size", type=int, help="pixels, square (default: the model's own)")
    one.add_argument(
        "--raw-blocks", action="store_true", help="do not apply the final norm to block outputs (as FG-BMK)"
    )
    one.add_argument("--gallery", choices=("train", "test"), default="train", help="retrieve from (default: train)")
    one.add_argument("--attack-images", type=int, help="attack only this many test pictures, drawn (default: all)")
    one.add_argument("--cache", type=Path, help="folder of cached features (default: OUT/cache)")
    one.add_argument("--batch-size", type=int, default=32, help="pictures encoded at once (default: 32)")
    one.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)")
    one.add_argument("--name", help="how tables call this model (default: --model)")
    one.add_argument("--seed", type=int, default=0, help="of the validation draw and the heads (default: 0)")
    one.set_defaults(do=command_features)


def command_features(arguments: argparse.Namespace) -> None:
    from .presets import describe_presets, load_preset, split_preset

    if arguments.model == "list":
        print(describe_presets())
        return
    sources, roots = arguments.source or [], arguments.root or []
    if not sources or len(sources) != len(roots) or arguments.out is None:
        raise UserError(
            "give --source, as many --root, and --out: --source cub --root data/CUB_200_2011 --out runs/dinov2"
        )
    measures, protocols = choose(arguments.measure, MEASURES, "--measure"), _protocols(arguments.protocol)
    for option in ("image_size", "attack_images", "batch_size"):
        if (value := getattr(arguments, option)) is not None and value < 1:
            raise UserError(f"--{option.replace('_', '-')} is {value}; write 1 or more")

    from .cache import FeatureCache
    from .labelled import labelled, union
    from .loading import load_featurizer

    sets = [
        labelled(named(load_source(name, root)), arguments.level, arguments.seed)
        for name, root in zip(sources, roots, strict=True)
    ]
    if len({data.name for data in sets}) < len(sets):
        raise UserError(f"two data sets have one name: {', '.join(data.name for data in sets)}; rename a folder")
    options = {key: getattr(arguments, key) for key in ("part", "view", "image_size", "device", "name")}
    options = {key: value for key, value in options.items() if value is not None}
    if arguments.raw_blocks:
        options["final_norm"] = False
    if split_preset(arguments.model):
        featurizer = load_preset(arguments.model, **options)
    else:
        featurizer = registered(arguments.model, options) or load_featurizer(arguments.model, **options)
    cache = FeatureCache(arguments.cache or arguments.out / "cache", featurizer, arguments.batch_size)
    results = measure_all(cache, sets, union, measures, protocols, arguments)
    write_results(arguments.out, featurizer, results, arguments)
    print_scores([one.score for one in results.values()])
    print(f"scores in {arguments.out / 'features.json'}")


def registered(model: str, options: dict) -> Featurizer | None:
    """The model as an installed program loads its own kind of checkpoint; None when none of them knows it."""
    for point in sorted(entry_points(group=FEATURIZERS), key=lambda one: one.name):
        if (found := point.load()(model, **options)) is not None:
            return found
    return None


def named(source: Source) -> Source:
    """The data set under its folder's name where its layout has no name of its own."""
    return replace(source, name=source.root.resolve().name) if source.name in ("folder", "fgbmk_lists") else source


def measure_all(cache, sets, union, measures: Sequence[str], protocols: dict, arguments: argparse.Namespace) -> dict:
    """Task name -> `Measured`, in the order asked for."""
    from . import measures as how
    from .robustness import ATTACKS

    results, probed = {}, {}
    options = {"seed": arguments.seed, "device": cache.featurizer.device}
    for data in sets:
        found = []
        if "probe" in measures or "robustness" in measures or len(sets) > 1:
            probed[data.name] = {name: how.run_probe(cache, data, one, **options) for name, one in protocols.items()}
        if "probe" in measures:
            found.append(how.probe_scores(data, probed[data.name]))
        if "knn" in measures:
            found.append(how.neighbour_scores(cache, data))
        if "retrieval" in measures:
            found.append(how.retrieval_scores(cache, data, arguments.gallery))
        if "robustness" in measures:
            head = next(iter(probed[data.name].values())).chosen()
            attacks = [ATTACKS["default"]] + [ATTACKS["fgbmk"]] * ("fgbmk" in protocols)
            found.append(
                how.robustness_scores(
                    cache.featurizer, data, head, attacks,
                    images=arguments.attack_images, batch=arguments.batch_size, seed=arguments.seed,
                )
            )  # fmt: skip
        for one in found:
            results[one.score.task] = one
            if one.values is not None:
                rows = zip(data.test_names, data.test_labels, one.values, strict=True)
                write_jsonl(
                    arguments.out / "items" / (one.score.task.replace("/", "__") + ".jsonl"),
                    (
                        {"image": name, "label": data.classes[label], "value": float(value)}
                        for name, label, value in rows
                    ),
                )
    if len(sets) > 1 and "probe" in measures:
        name, protocol = next(iter(protocols.items()))
        multiple = how.run_probe(cache, union(sets), protocol, **options)
        one = how.meta_class_scores(sets, [probed[data.name][name] for data in sets], multiple, name)
        results[one.score.task] = one
    return results


def write_results(out: Path, featurizer, results: dict, arguments: argparse.Namespace) -> None:
    """<out>/features.json; tasks measured by an earlier call with the same model stay."""
    path = out / "features.json"
    entry = {
        "model": featurizer.name,
        "model_hash": featurizer.model_hash,
        "settings": featurizer.settings,
        "seed": arguments.seed,
        "tasks": {},
        "details": {},
    }
    if path.is_file():
        known = read_json(path)
        same = isinstance(known, dict) and all(
            known.get(key) == _plain(entry[key]) for key in ("model_hash", "settings", "seed")
        )
        if same:
            entry["tasks"], entry["details"] = known["tasks"], known["details"]
        else:
            raise UserError(f"{path} holds another model's scores (or other settings); choose another --out")
    for name, one in results.items():
        entry["tasks"][name], entry["details"][name] = one.score.to_json(), one.details
    write_json(path, entry)


def choose(text: str, known: Sequence[str], option: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or (wrong := [name for name in names if name not in known]):
        raise UserError(
            f"{option} is {text!r}; choose from {', '.join(known)}" + (f" (not {wrong[0]})" if names else "")
        )
    return list(dict.fromkeys(names))


def _protocols(text: str) -> dict:
    from .probe import PROTOCOLS

    return {name: PROTOCOLS[name] for name in choose(text, tuple(PROTOCOLS), "--protocol")}


def _plain(value: object) -> object:
    """As JSON gives it back: tuples become lists."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
