"""`fgbmk`: question files of FG-BMK's human-oriented tracks from the TEST split, named and laid out as published.

<out>/FG-BMK/images.json                      data set -> where its images lie
<out>/FG-BMK/human-oriented/
    hierarchical_granularity_recognition/<dataset>/<level>/<level>_question_<kind>.jsonl
    knowledge_bias_estimination/<dataset>/questions_true_false_all_class.jsonl
    attribute_recognition/<dataset>_attribute_questions.jsonl
    wordings/<dataset>/<level>/<level>_question_<kind>.jsonl           (not published)

Each data set has a manifest of its own in each track, <track>/<dataset>/manifest.json, so a track or a data set can be
added later, and an interrupted command goes on with what is missing. A command that writes several of them ends with
<out>/FG-BMK/built/<data sets>.<tracks>/manifest.json.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ..builder import Builder
from ..builder_code import builder_code
from ..built_from import write_record
from ..fgbmk_layout import NAME as BENCHMARK
from ..leakage.build_check import refuse_broken
from ..mined_negatives import mined_of
from ..question_maker import Asker
from ..shared.errors import UserError
from ..shared.files import read_json, sha256_file, write_json, write_jsonl
from ..shared.progress import progress
from ..shared.terminal import say
from ..short_answer import at_most, kept_images
from ..sources import LabelledImage, Source, load_source
from ..touched_files import recorded
from . import attributes, hierarchy, knowledge_bias, wordings
from .labels import read_labels
from .part import Part, is_built, manifest_folder, parts
from .published import PUBLISHED
from .task import FgbmkOptions

MAKERS = {
    "hierarchy": hierarchy,
    "knowledge_bias": knowledge_bias,
    "attributes": attributes,
    "wordings": wordings,
}


def build(root: Path, out: Path, options: FgbmkOptions) -> None:
    found = wanted = parts(root, options)
    for part in found:
        if not part.root.is_dir():
            raise UserError(f"no folder {part.root}; that is where the data set {part.source} should lie")
    missing = [part for part in found if not is_built(part, out)]
    sources = dict.fromkeys(part.source for part in missing)
    for name in sources:
        of_source = [part for part in missing if part.source == name]
        with recorded(of_source[0].root, options) as touched:
            source = load_source(name, of_source[0].root, look_for_images=options.check_images, test=options.test)
            if options.check_images:
                refuse_broken((source.root / row.image for row in asked_about(source, options)), options)
        for part in of_source:
            if part.track == "attributes" and not source.attribute_values and len(wanted) > 1:
                say(f"{part.dataset}: attributes left out: {attributes.has_none(source)}", file=sys.stderr)
                found = [one for one in found if one != part]
                continue
            with recorded(part.root, part.options) as more:
                write_part(part, source, out)
            more.lists |= touched.lists
            more.folders |= touched.folders
            write_record(part.folder(out), more, part.root, part.options)
    if not found:
        raise UserError(f"nothing to ask: none of {', '.join(sources)} has attributes; leave out --tracks attributes")
    if manifest_folder(out, options) == found[0].folder(out):
        return
    manifests = [(part, read_json(part.folder(out) / "manifest.json")) for part in found]
    folder = manifest_folder(out, options)
    write_json(
        folder / "manifest.json",
        {
            "name": folder.name,
            "builder": "fgbmk",
            "code": builder_code("fgbmk").to_dict(),
            "rows": sum(manifest["rows"] for _, manifest in manifests),
            "images": sum({part.dataset: manifest["images"] for part, manifest in manifests}.values()),
            "image_root": os.path.relpath(root.resolve(), folder.resolve()),
            "sources": list(dict.fromkeys(part.source for part in found)),
            "splits": ["test"],
            "options": options.identity(),
            "parts": [os.path.relpath(part.folder(out), folder) for part in found],
        },
    )


def asked_about(source: Source, options: FgbmkOptions) -> list[LabelledImage]:
    return at_most(source.split("test"), options.max_images_per_class, options.seed)


def write_part(part: Part, source: Source, out: Path) -> None:
    options, folder, top = part.options, part.folder(out), part.track_folder(out)
    more = read_labels(options.labels, source) if options.labels else ()
    published = PUBLISHED.get(part.dataset) if options.negatives == "published" else None
    drawn = {} if published is None else {"siblings_first": published.siblings_first, "apart": False}
    if options.negatives == "random":
        drawn = {"siblings_first": False}
    drawn |= {"options": options.options, "mined": mined_of(options.negatives)}
    asker = Asker(source, "test", options.seed, "fgbmk", options.wordings, more, **drawn)
    kept = kept_images(asker.rows, options.max_images_per_class, options.seed)
    files = MAKERS[part.track].files(asker, options, kept, part.dataset)
    left_out = []
    if part.track in ("hierarchy", "wordings") and options.kinds is None:
        left_out = hierarchy.left_out(asker, options, part.dataset)
    for reason in left_out:
        say(f"{part.dataset}: left out: {reason}", file=sys.stderr)
    marker = folder / ".building"
    there = [path for path in (*folder.glob("[!.]*"), *(top / name for name in files)) if path.exists()]
    vouched = read_json(folder / "manifest.json")["files"] if (folder / "manifest.json").exists() else {}
    if there and not marker.exists() and not vouched:
        raise UserError(
            f"{there[0]} is there, and this command did not write it; delete it, or choose another --dataset or --out"
        )
    write_json(marker, options.identity())
    written, images = {}, asker.rows if kept is None else kept
    for name, rows in files.items():
        with progress(f"{part.dataset} {name.rsplit('/', 1)[-1]}", "questions") as advance:
            count = write_jsonl(top / name, counted(rows, advance))
        if not count:
            raise UserError(f"{source.name} at {source.root} gives no questions for {name}")
        written[os.path.relpath(top / name, folder)] = {"rows": count, "sha256": sha256_file(top / name)}
    list_images(out / BENCHMARK, part.dataset, source.root)
    write_json(
        folder / "manifest.json",
        {
            "name": part.dataset,
            "builder": "fgbmk",
            "code": builder_code("fgbmk").to_dict(),
            "rows": sum(file["rows"] for file in written.values()),
            "images": len(images),
            "image_root": os.path.relpath(source.root.resolve(), folder.resolve()),
            "sources": [source.name],
            "splits": ["test"],
            "options": options.identity(),
            **({"labels_sha256": sha256_file(options.labels)} if options.labels else {}),
            "files": written,
            **({"left_out": left_out} if left_out else {}),
        },
    )
    for name in vouched.keys() - written.keys():
        (folder / name).unlink(missing_ok=True)
    marker.unlink()


def counted(rows: Iterator[dict], advance) -> Iterator[dict]:
    number = 0
    for number, row in enumerate(rows, 1):
        yield row
        if number % 1000 == 0:
            advance(1000)
    advance(number % 1000)


def list_images(benchmark: Path, dataset: str, image_root: Path) -> None:
    """Add the data set to images.json, paths relative to the FG-BMK folder."""
    path = benchmark / "images.json"
    roots = read_json(path) if path.exists() else {}
    if not isinstance(roots, dict):
        raise UserError(f"{path} must map data sets to folders")
    write_json(path, {**roots, dataset: os.path.relpath(image_root.resolve(), benchmark.resolve())})


BUILDER = Builder(
    "benchmark questions: FG-BMK's human-oriented files from the test split",
    FgbmkOptions,
    build,
    folder=manifest_folder,
    alone=lambda out, options: out / BENCHMARK,
    description=(
        "--tracks: hierarchy asks true/false, choice and short answer at the levels that FG-BMK has published, of "
        "other data sets at every level; knowledge_bias asks a yes and a no question about each image; attributes asks "
        "about those that the data set has; wordings asks each question of hierarchy in all four wordings, or with "
        "--wordings 10 in ten and those of attributes too.\n\n"
        "Names, wordings and wrong answers are as published, data set by data set. FG-BMK's paper says that wrong "
        "answers are siblings, which in its files they are for cub and iNat2021 only: --negatives siblings.\n\n"
        "Several data sets at once: --root DIR --source cub=CUB_200_2011,cars=stanford_cars"
    ),
)
