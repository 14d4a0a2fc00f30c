"""`python -m evaluation features`: measure a vision encoder's features on data sets."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.terminal import say
from data_builders.sources import SOURCE_NAMES, load_source

from ..compare import print_scores
from ..features.measure_sets import DEFAULT_MEASURES, MEASURES


def add_features(commands: argparse._SubParsersAction) -> None:
    one = commands.add_parser("features", help="measure a vision encoder's features: probe, kNN, retrieval, PGD")
    one.add_argument("--model", required=True, help="folder, hub id, or preset, also PRESET=FOLDER (--model list)")
    one.add_argument("--source", nargs="+", metavar="SOURCE", help=f"data sets: {', '.join(SOURCE_NAMES)}")
    one.add_argument("--root", type=Path, nargs="+", help="their folders, in the same order")
    one.add_argument("--out", type=Path, help="folder for features.json")
    one.add_argument("--level", help="label pictures at this level of names (default: the finest)")
    one.add_argument(
        "--measure", default=",".join(DEFAULT_MEASURES), help=f"of {','.join(MEASURES)} (default: all but the last)"
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
    from ..features.presets import describe_presets, load_preset, split_preset

    if arguments.model == "list":
        say(describe_presets())
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

    from ..features.cache import FeatureCache
    from ..features.labelled import labelled
    from ..features.loading import load_featurizer
    from ..features.measure_sets import Measuring, measure_all, named, registered, write_results

    sets = [
        labelled(named(load_source(name, root)), arguments.level, arguments.seed)
        for name, root in zip(sources, roots, strict=True)
    ]
    options = {key: getattr(arguments, key) for key in ("part", "view", "image_size", "device", "name")}
    options = {key: value for key, value in options.items() if value is not None}
    if arguments.raw_blocks:
        options["final_norm"] = False
    if split_preset(arguments.model):
        featurizer = load_preset(arguments.model, **options)
    else:
        featurizer = registered(arguments.model, options) or load_featurizer(arguments.model, **options)
    cache = FeatureCache(arguments.cache or arguments.out / "cache", featurizer, arguments.batch_size)
    shared = {key: getattr(arguments, key) for key in ("out", "gallery", "attack_images", "batch_size", "seed")}
    chosen = Measuring(measures=measures, protocols=protocols, **shared)
    results = measure_all(cache, sets, chosen)
    path = write_results(featurizer, results, chosen)
    print_scores([one.score for one in results.values()])
    say(f"scores in {path}")


def choose(text: str, known: Sequence[str], option: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or (wrong := [name for name in names if name not in known]):
        raise UserError(
            f"{option} is {text!r}; choose from {', '.join(known)}" + (f" (not {wrong[0]})" if names else "")
        )
    return list(dict.fromkeys(names))


def _protocols(text: str) -> list[str]:
    from ..features.probe import PROTOCOLS

    return choose(text, tuple(PROTOCOLS), "--protocol")
