"""`frow`: an open-world benchmark as FROW is made, or FROW itself as published.

<out>/FROW/<dataset>_with_reference.jsonl   image, name, question, ref_answer: a question and a test image per category
<out>/FROW/images/<dataset>/...             those images; `image` is relative to FROW/
<out>/FROW/<dataset>_review.csv             every draft with its verdict, to be checked by a person (see review.py)
<out>/FROW/built/<dataset>/manifest.json    written last

An edited review file is followed when the same command runs again.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ..builder import Builder
from ..builder_code import builder_code
from ..options import CheckOptions, split_pairs
from ..shared.errors import UserError
from ..shared.files import read_json, sha256_file, write_json, write_jsonl
from ..shared.seeding import address_hash
from ..sources import SourceName, load_source
from .benchmark_files import BENCHMARK, put_image, question_files
from .drafts import Draft, drafted, drawn
from .open_world import for_each
from .options import WriterOptions
from .published import import_published
from .review import Marks, check_marks, marked, read_marks, write_review
from .subjects import Subject, things

PUBLISHED_NAMES = {"dogs": "dog"}  # sources that FROW calls otherwise


def folders(value: object) -> object:
    """ "cub=DIR,dog=DIR" as a mapping."""
    pairs = split_pairs(value)
    if not isinstance(pairs, dict) or not all(pairs.values()):
        raise ValueError("write data sets with their folders: cub=DIR,dog=DIR")
    return pairs


class FrowOptions(WriterOptions, CheckOptions):
    not_identity = frozenset({"check_images", "image_roots"})

    source: SourceName | None = Field(None, description="the data set at --root, whose test images are asked about")
    dataset: str | None = Field(None, description="the data set's name in the files; default as FROW names it")
    seed: int = Field(0, description="of every draw")
    check_images: bool = Field(True, description="look whether every listed image is there")
    show_image: bool = Field(False, description="send the test image with the request for the reference answer")
    images: Literal["copy", "link"] = Field(
        "copy", description="copy, or link (symbolic links to the data set's files)"
    )
    from_published: str | None = Field(
        None, description="folder with FROW's own *_with_reference.jsonl to import instead of writing questions"
    )
    image_roots: Annotated[dict[str, str], BeforeValidator(folders)] = Field(
        {}, description="with --from-published, where its images lie if not beside it: cub=DIR,dog=DIR"
    )
    named: Literal["error", "keep"] = Field(
        "error", description="with --from-published: questions that name their category are an error, or kept"
    )

    def identity(self) -> dict:
        found = super().identity()
        if self.from_published is not None and Path(self.from_published).is_dir():
            hashes = [sha256_file(path) for path in question_files(Path(self.from_published))]
            found["from_published"] = f"sha256:{address_hash(*hashes):032x}"
        return found


def dataset_name(options: FrowOptions) -> str:
    if options.from_published is not None:
        return "published"
    name = options.dataset or PUBLISHED_NAMES.get(options.source or "", options.source)
    if name is None:
        raise UserError("frow needs --source (a data set to write questions about) or --from-published DIR")
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"dataset is {name!r}; write a plain name of letters, digits, _ and -")
    return name


def manifest_folder(out: Path, options: FrowOptions) -> Path:
    # Several data sets share one FROW folder, so each has its manifest in its own.
    return out / BENCHMARK / "built" / dataset_name(options)


def review_file(out: Path, options: FrowOptions) -> Path:
    return out / BENCHMARK / f"{dataset_name(options)}_review.csv"


def edited(out: Path, options: FrowOptions) -> bool:
    """Has the review file been changed since the questions were written?"""
    review, manifest = review_file(out, options), manifest_folder(out, options) / "manifest.json"
    if options.from_published is not None or not review.exists() or not manifest.exists():
        return False
    return sha256_file(review) != read_json(manifest).get("review_sha256")


def build(root: Path, out: Path, options: FrowOptions) -> None:
    folder = manifest_folder(out, options)
    if options.from_published is not None and options.source is not None:
        raise UserError("--source writes questions, --from-published imports them; give one of the two")
    if options.from_published is not None:
        told = import_published(out, Path(options.from_published), options.image_roots, options.images, options.named)
        write_manifest(out, folder, options, told)
        return
    if root == out:
        raise UserError("frow reads a data set: add --root DIR, the data set's own folder")
    claim(out, folder, options)
    source = load_source(options.source, root, look_for_images=options.check_images)
    tested = source.split("test")
    subjects, lost = options.subjects(source, things(source, tested))
    options.refuse(lost, len(subjects))
    client = options.client()
    writer = options.writer(client, options.seed)
    marks = read_marks(review_file(out, options))

    listed = for_each(lambda subject: drafted(subject, writer), subjects, client, "drafts")
    drafts = {subject.category: found for subject, found in zip(subjects, listed, strict=True)}
    check_marks(marks, drafts, subjects)
    chosen = {
        one.category: drawn(one, marked(drafts[one.category], marks.get(one.category, {})), options.seed)
        for one in subjects
    }
    need_somebody(out, options, drafts, chosen, marks)

    images = {}
    for row in tested:
        images.setdefault(row.category, []).append(row.image)
    shown = {
        name: min(paths, key=lambda path: address_hash(options.seed, "frow", "image", path))
        for name, paths in images.items()
    }

    def row_of(subject: Subject) -> dict:
        draft = chosen[subject.category]
        mark = marks.get(subject.category, {}).get(draft)
        image = shown[subject.category]
        question = (mark and mark.new_question) or draft
        given = source.root / image if options.show_image else None
        return {
            "image": f"images/{dataset_name(options)}/{image}",
            "name": subject.category,
            "question": question,
            "ref_answer": (mark and mark.new_answer) or writer.reference(subject, question, given),
        }

    rows = list(for_each(row_of, subjects, client, "references"))
    (folder / "manifest.json").unlink(missing_ok=True)  # from here on the files are being changed
    for subject, row in zip(subjects, rows, strict=True):
        put_image(source.root / shown[subject.category], out / BENCHMARK, row["image"], options.images)
    questions = out / BENCHMARK / f"{dataset_name(options)}_with_reference.jsonl"
    write_jsonl(questions, rows)
    answers = {row["name"]: {"question": chosen[row["name"]], "reference": row["ref_answer"]} for row in rows}
    write_review(review_file(out, options), drafts, answers, marks)
    told = {
        "rows": len(rows),
        "images": len(rows),
        "root": os.path.relpath(source.root.resolve(), folder.resolve()),
        "sources": [source.name],
        "splits": ["test"],
        "writer": writer.name,
        "files": {questions.name: {"rows": len(rows), "sha256": sha256_file(questions)}},
        "review_sha256": sha256_file(review_file(out, options)),
        "texts": {subject.category: subject.text.origin for subject in subjects},
        "without_text": lost,
    }
    write_manifest(out, folder, options, told)
    (folder / ".building").unlink()


def claim(out: Path, folder: Path, options: FrowOptions) -> None:
    """Mark the data set as being built. UserError when its question file is there and none of this command's."""
    review = review_file(out, options)
    questions = out / BENCHMARK / f"{dataset_name(options)}_with_reference.jsonl"
    marker = folder / ".building"
    if questions.exists() and not (folder / "manifest.json").exists() and not marker.exists() and not review.exists():
        raise UserError(f"{questions} was not written by this command; choose another --dataset or --out")
    write_json(marker, options.identity())


def need_somebody(
    out: Path, options: FrowOptions, drafts: dict[str, list[Draft]], chosen: dict[str, str | None], marks: Marks
) -> None:
    """UserError when categories have no question left; the review file then lists their drafts."""
    without = [category for category, question in chosen.items() if question is None]
    if not without:
        return
    path = review_file(out, options)
    write_review(path, drafts, {}, marks)
    raise UserError(
        f"{len(without)} categories have no draft that may be asked: {', '.join(without)}. In {path} write accept "
        "behind one of their drafts, or a new_question, and run the same command again"
    )


def write_manifest(out: Path, folder: Path, options: FrowOptions, told: dict) -> None:
    write_json(
        folder / "manifest.json",
        {
            "name": dataset_name(options),
            "builder": "frow",
            "code": builder_code("frow").to_dict(),
            "image_root": os.path.relpath((out / BENCHMARK).resolve(), folder.resolve()),
            "options": options.identity(),
            **told,
        },
    )


BUILDER = Builder(
    "benchmark questions: an open-world question and a reference answer per category, as FROW; or FROW as published",
    FrowOptions,
    build,
    root_optional=True,
    folder=manifest_folder,
    alone=lambda out, options: out / BENCHMARK,
    outdated=edited,
    example="--source cub --root CUB_200_2011 --texts texts",
    description=(
        "A text per category -> about ten draft questions -> filter -> one drawn -> reference answer, by a model\n"
        "behind an OpenAI-compatible endpoint (--model) or by rules. <out>/FROW/<dataset>_review.csv lists all\n"
        "drafts: write accept or replace into `decision`, or a new_question or new_answer, and run the same command\n"
        "again. --from-published DIR imports FROW's own files instead (no --root)."
    ),
)
