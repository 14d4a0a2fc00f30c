"""`fgbmk`: question files of FG-BMK's human-oriented track from the TEST split, named and laid out as published.

<out>/FG-BMK/images.json                                   data set -> where its images lie
<out>/FG-BMK/human-oriented/hierarchical_granularity_recognition/<dataset>/manifest.json
                                                           .../<level>/<level>_question_<kind>.jsonl
"""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from .asking import Asker, Kind
from .builder import Builder
from .errors import UserError
from .files import read_json, sha256_file, write_json, write_jsonl
from .options import SourceOptions, Words, split_commas
from .short_answer import at_most
from .sources import load_source

VERSION = 1
TRACK = Path("FG-BMK") / "human-oriented" / "hierarchical_granularity_recognition"


class FgbmkOptions(SourceOptions):
    dataset: str | None = Field(None, description="the data set's name in the files; default the source's")
    kinds: Annotated[tuple[Kind, ...], BeforeValidator(split_commas), Field(min_length=1)] = Field(
        ("true_false", "choice", "short_answer"), description="true_false, choice, short_answer; separated by commas"
    )
    levels: Words | None = Field(None, description="levels asked about, separated by commas; default all")
    max_images_per_class: int | None = Field(None, ge=1, description="images kept per finest category; default all")


def dataset_name(options: FgbmkOptions) -> str:
    name = options.dataset or options.source
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"dataset is {name!r}; write a plain name of letters, digits, _ and -")
    return name


def manifest_folder(out: Path, options: FgbmkOptions) -> Path:
    # Several data sets share one FG-BMK folder, so each has its manifest in its own.
    return out / TRACK / dataset_name(options)


def build(root: Path, out: Path, options: FgbmkOptions) -> None:
    dataset, source = dataset_name(options), load_source(options.source, root, look_for_images=options.check_images)
    folder = manifest_folder(out, options)
    asker = Asker(source, "test", options.seed, "fgbmk")
    levels = [source.level(name) for name in options.levels] if options.levels else source.levels
    for level in levels:
        for kind in options.kinds:
            asker.check(kind, level)
    images = at_most(source.split("test"), options.max_images_per_class, options.seed)
    marker = folder / ".building"
    if folder.exists() and any(folder.iterdir()) and not marker.exists():
        raise UserError(
            f"{folder} holds question files that this command did not write; choose another --dataset or --out"
        )
    write_json(marker, options.identity())
    files = {}
    for level in levels:
        for kind in options.kinds:
            path = folder / level.name / f"{level.name}_question_{kind}.jsonl"
            rows = []
            for number, row in enumerate(images, 1):
                question, answer = asker.ask(kind, row, level)
                rows.append(
                    {
                        "question_id": number,
                        "image": row.image,
                        "text": question,
                        "class": answer,
                        "category": "generic",
                    }
                )
            write_jsonl(path, rows)
            files[str(path.relative_to(folder))] = {"rows": len(rows), "sha256": sha256_file(path)}
    list_images(out / "FG-BMK", dataset, source.root)
    write_json(
        folder / "manifest.json",
        {
            "name": dataset,
            "builder": "fgbmk",
            "version": VERSION,
            "rows": sum(file["rows"] for file in files.values()),
            "images": len(images),
            "image_root": os.path.relpath(source.root.resolve(), folder.resolve()),
            "sources": [source.name],
            "splits": ["test"],
            "options": options.identity(),
            "files": files,
        },
    )
    marker.unlink()


def list_images(benchmark: Path, dataset: str, image_root: Path) -> None:
    """Add the data set to images.json, paths relative to the FG-BMK folder."""
    path = benchmark / "images.json"
    roots = read_json(path) if path.exists() else {}
    if not isinstance(roots, dict):
        raise UserError(f"{path} must map data sets to folders")
    write_json(path, {**roots, dataset: os.path.relpath(image_root.resolve(), benchmark.resolve())})


BUILDER = Builder(
    "benchmark questions: FG-BMK's hierarchical files from the test split",
    FgbmkOptions,
    VERSION,
    build,
    folder=manifest_folder,
)
