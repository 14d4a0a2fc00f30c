"""`general`: one general benchmark as it was downloaded, in the one question format that evaluation reads.

<out>/general/<benchmark>/questions.jsonl   question_id, image, question, answer, category, options, and what the
                                            benchmark's own rule needs besides
<out>/general/<benchmark>/images/           the pictures that are asked about, as they are
<out>/general/<benchmark>/manifest.json     counts, sha256; written last
"""

import os
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import ClassVar, Literal, get_args

from pydantic import Field

from ..builder import Builder
from ..builder_code import builder_code
from ..options import CheckOptions
from ..shared.build_marker import claim_folder, release_folder
from ..shared.errors import UserError
from ..shared.files import sha256_file, write_json, write_jsonl
from ..shared.progress import progress
from .benchmark import Asked, Benchmark, Official, Reading, Request
from .images import ImageStore

BenchmarkName = Literal["ai2d", "chartqa", "docvqa", "infovqa", "mathvista", "pope"]
BENCHMARK_NAMES: tuple[str, ...] = get_args(BenchmarkName)


class GeneralOptions(CheckOptions):
    not_identity: ClassVar[frozenset[str]] = frozenset({"images", "copy_images", "check_images"})

    benchmark: BenchmarkName = Field(description=", ".join(BENCHMARK_NAMES))
    split: str | None = Field(None, description="default the one whose answers are public and that papers report")
    images: Path | None = Field(
        None, description="where the images lie, if not with an original layout's question files"
    )
    allow_partial: bool = Field(False, description="take fewer questions than the official count")
    copy_images: bool = Field(
        False, description="copy the images of an original layout; otherwise hard links where possible"
    )
    check_images: bool = Field(True, description="decode every image once, to find broken ones now")


def find_benchmark(name: str) -> Benchmark:
    return import_module(f".{name}", __package__).BENCHMARK


def manifest_folder(out: Path, options: GeneralOptions) -> Path:
    return out / "general" / options.benchmark


def build(root: Path, out: Path, options: GeneralOptions) -> None:
    benchmark = find_benchmark(options.benchmark)
    split = benchmark.check_split(options.split)
    official = benchmark.splits[split]
    reading = benchmark.read(Request(root, split, options.images, options.allow_partial))
    if not options.allow_partial:
        check_counts(benchmark, split, Official(reading.total), official)
    folder = manifest_folder(out, options)
    # Where the pictures come from is no part of the options, but a half-built folder holds the pictures of one root.
    code = builder_code("general")
    ours = ("images", "questions.jsonl", "findings.jsonl")
    claim_folder(folder, {"root": str(root.resolve()), **options.identity()}, code.hash, ours)
    store = ImageStore(folder, copy=options.copy_images, check=options.check_images)
    rows = collect(benchmark, reading, store)
    counts = Counter(row["category"] for row in rows)
    if not options.allow_partial:
        check_counts(benchmark, split, Official(len(rows), len(store), counts), official)
    if not rows:
        raise UserError(f"{reading.files[0]} holds no questions")
    write_jsonl(folder / "questions.jsonl", rows)
    write_json(
        folder / "manifest.json",
        {
            "name": benchmark.name,
            "builder": "general",
            "code": code.to_dict(),
            "rows": len(rows),
            "images": len(store),
            "sha256": sha256_file(folder / "questions.jsonl"),
            "image_root": ".",
            "root": os.path.relpath(root.resolve(), folder.resolve()),
            "layout": reading.layout,
            "files": [path.relative_to(root).as_posix() for path in reading.files],
            "sources": [benchmark.name],
            "splits": [split],
            "categories": dict(counts),
            "official_questions": official.questions,
            "options": options.identity(),
        },
    )
    release_folder(folder)


def collect(benchmark: Benchmark, reading: Reading, store: ImageStore) -> list[dict]:
    """The question file's rows, their pictures put into the store on the way. UserError for an id that comes twice."""
    rows, places = [], {}
    with progress(f"{benchmark.name} ({reading.layout})", "questions", reading.total) as advance:
        for asked in reading.asked:
            key = asked.row["question_id"]
            if key in places:
                raise UserError(f"{asked.place}: question {key!r} was already in {places[key]}; remove one of them")
            places[key] = asked.place
            rows.append(with_image(asked, store))
            advance(1)
    return sorted(rows, key=benchmark.order) if benchmark.order else rows


def with_image(asked: Asked, store: ImageStore) -> dict:
    first = {"question_id": asked.row["question_id"], "image": store.put(asked.picture)}
    return {**first, **asked.row}


def check_counts(benchmark: Benchmark, split: str, found: Official, official: Official) -> None:
    """UserError where what was found is not what the benchmark has."""
    faults = []
    if found.questions != official.questions:
        faults.append(f"{found.questions:,} questions, not {official.questions:,}")
    if found.images is not None and official.images is not None and found.images != official.images:
        faults.append(f"{found.images:,} images, not {official.images:,}")
    if found.categories:
        faults += [
            f"{found.categories.get(name, 0):,} {name} questions, not {count:,}"
            for name, count in official.categories.items()
            if found.categories.get(name, 0) != count
        ]
    if faults:
        raise UserError(
            f"{benchmark.about.title} {split} has {'; '.join(faults)}. A score over them could not be compared with "
            "published ones; complete the download, or write --allow-partial"
        )


def description() -> str:
    lines = ["--benchmark, and what must lie at --root, one of:"]
    for name in BENCHMARK_NAMES:
        benchmark = find_benchmark(name)
        split, official = next(iter(benchmark.splits.items()))
        lines.append(benchmark.about.entry(name, f"{official.questions:,} questions ({split}) "))
    return "\n".join(lines)


BUILDER = Builder(
    "benchmark questions: AI2D, ChartQA, DocVQA, InfographicsVQA, MathVista, POPE from their downloads",
    GeneralOptions,
    build,
    folder=manifest_folder,
    description=description(),
    example="--benchmark chartqa --root chartqa",
)
