"""`python -m evaluation features`: measure the features of one vision encoder, or of many, on data sets."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data_builders.shared.errors import UserError
from data_builders.shared.terminal import say
from data_builders.sources import SOURCE_NAMES, load_source

from ..compare import print_scores
from ..features.measure_sets import DEFAULT_MEASURES, MEASURES

if TYPE_CHECKING:
    from ..features.labelled import Labelled
    from ..features.measure_sets import Measuring
    from ..protocols import Featurizer


def add_options(one: argparse.ArgumentParser) -> None:
    what = one.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", help="folder, hub id, or preset, also PRESET=FOLDER (--model list)")
    what.add_argument(
        "--models",
        help="several, with commas: OUT/MODEL/features.json each, a page of all: OUT/features.html",
    )
    one.add_argument(
        "--source", nargs="+", metavar="SOURCE", help=f"data sets, with spaces or commas: {', '.join(SOURCE_NAMES)}"
    )
    one.add_argument("--root", nargs="+", help="their folders, in the same order, with spaces or commas")
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
    one.add_argument(
        "--confusions", type=Path, metavar="FILE.json", help="write the classes nearest to each, of one data set"
    )
    one.add_argument("--cache", type=Path, help="folder of cached features (default: OUT/cache)")
    one.add_argument("--batch-size", type=int, default=32, help="pictures encoded at once (default: 32)")
    one.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)")
    one.add_argument("--name", help="how tables call this model (default: --model)")
    one.add_argument("--seed", type=int, default=0, help="of the validation draw and the heads (default: 0)")
    one.set_defaults(do=command_features)


def command_features(arguments: argparse.Namespace) -> int:
    """Exit status 1 where one of many models could not be measured."""
    from ..features.presets import describe_presets

    if "list" in (arguments.model, arguments.models):
        say(describe_presets())
        return 0
    sources, roots = _listed(arguments.source), [Path(one) for one in _listed(arguments.root)]
    if not sources or len(sources) != len(roots) or arguments.out is None:
        raise UserError(
            "give --source, as many --root, and --out: --source cub --root data/CUB_200_2011 --out runs/dinov2"
        )
    if arguments.confusions is not None and (len(sources) > 1 or arguments.models is not None):
        raise UserError("--confusions is of one data set and one model: give one --source, and --model")
    measures, protocols = choose(arguments.measure, MEASURES, "--measure"), _protocols(arguments.protocol)
    for option in ("image_size", "attack_images", "batch_size"):
        if (value := getattr(arguments, option)) is not None and value < 1:
            raise UserError(f"--{option.replace('_', '-')} is {value}; write 1 or more")

    from ..features.labelled import labelled
    from ..features.measure_sets import Measuring, named

    sets = [
        labelled(named(load_source(name, root)), arguments.level, arguments.seed)
        for name, root in zip(sources, roots, strict=True)
    ]
    shared = {key: getattr(arguments, key) for key in ("out", "gallery", "attack_images", "batch_size", "seed")}
    chosen = Measuring(measures=measures, protocols=protocols, **shared)
    cache = arguments.cache or arguments.out / "cache"
    return (one_model if arguments.models is None else many_models)(arguments, sets, chosen, cache)


def one_model(arguments: argparse.Namespace, sets: list["Labelled"], chosen: "Measuring", cache: Path) -> int:
    from ..features.cache import FeatureCache
    from ..features.resume import measure_what_is_missing

    found = FeatureCache(cache, load(arguments, arguments.model, arguments.name), arguments.batch_size)
    print_scores(measure_what_is_missing(found, sets, chosen).values())
    say(f"scores in {arguments.out / 'features.json'}")
    if arguments.confusions is not None:
        from ..features.confusions import mine_classes

        mine_classes(found, sets[0], arguments.confusions)
        say(f"{arguments.confusions}: the classes nearest to each, for data_builders --negatives")
    return 0


def many_models(arguments: argparse.Namespace, sets: list["Labelled"], chosen: "Measuring", cache: Path) -> int:
    from ..features.many import measure_models
    from ..features.models_table import ManyModels, matrices, print_matrices, read_models, write_many
    from ..report.features_page import write_features_report

    if arguments.name is not None:
        raise UserError("--name is of one model; leave it out, or measure the model by itself: --model")
    models = _listed([arguments.models])
    outcomes = measure_models(models, lambda model, name: load(arguments, model, name), sets, chosen, cache)
    failed = {one.name: one.error for one in outcomes if one.error}
    known = ManyModels(tuple(one.folder for one in outcomes), tuple(data.name for data in sets), failed)
    print_matrices(matrices(read_models(known.folders), known.data_sets))
    write_many(arguments.out, known)
    page = arguments.out / "features.html"
    write_features_report(arguments.out, page)
    say(f"page: {page}")
    for name, error in failed.items():
        say(f"not measured: {name}: {error}")
    return 1 if failed else 0


def load(arguments: argparse.Namespace, model: str, name: str | None) -> "Featurizer":
    from ..features.loading import load_featurizer
    from ..features.measure_sets import registered
    from ..features.presets import load_preset, split_preset

    options = {key: getattr(arguments, key) for key in ("part", "view", "image_size", "device")} | {"name": name}
    options = {key: value for key, value in options.items() if value is not None}
    if arguments.raw_blocks:
        options["final_norm"] = False
    if split_preset(model):
        return load_preset(model, **options)
    return registered(model, options) or load_featurizer(model, **options)


def _listed(given: Sequence[str] | None) -> list[str]:
    return [part.strip() for one in given or () for part in one.split(",") if part.strip()]


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
