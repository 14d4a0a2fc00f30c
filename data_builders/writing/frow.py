"""`frow`: an open-world benchmark as FROW is made, or FROW itself as published.

<out>/FROW/<dataset>_with_reference.jsonl   image, name, question, ref_answer: a question and a test image per category
<out>/FROW/images/<dataset>/...             those images; `image` is relative to FROW/
<out>/FROW/<dataset>_review.csv             every draft with its verdict, to be checked by a person (see review.py)
<out>/FROW/built/<dataset>/manifest.json    written last; of several data sets at once each has one, and they have one

An edited review file is followed when the same command runs again.
"""

import os
from pathlib import Path

from ..builder import Builder
from ..builder_code import builder_code
from ..built_from import write_record
from ..shared.errors import UserError
from ..shared.files import read_json, sha256_file, write_json, write_jsonl
from ..shared.llm import Client
from ..shared.seeding import address_hash
from ..sources import load_source
from ..touched_files import recorded
from .benchmark_files import BENCHMARK, put_image
from .drafts import Draft, drafted, drawn
from .each_subject import for_each
from .frow_parts import FrowOptions, Part, dataset_name, parts
from .frow_published import import_published
from .review import Marks, check_marks, marked, read_marks, write_review
from .subjects import Subject, things


def manifest_folder(out: Path, options: FrowOptions) -> Path:
    """Several data sets share one FROW folder, so each has its manifest in its own."""
    found = parts(Path(), options)
    if not isinstance(options.source, dict):
        return found[0].folder(out)
    return out / BENCHMARK / "built" / f"sources.{'+'.join(part.dataset for part in found)}"


def edited(out: Path, options: FrowOptions) -> bool:
    return any(part.edited(out) for part in parts(Path(), options))


def build(root: Path, out: Path, options: FrowOptions) -> None:
    folder = manifest_folder(out, options)
    if options.from_published is not None and options.source is not None:
        raise UserError("--source writes questions, --from-published imports them; give one of the two")
    if options.from_published is not None:
        told = import_published(out, Path(options.from_published), options.image_roots, options.images, options.named)
        write_manifest(out, folder, dataset_name(options), options, told)
        return
    if root == out:
        raise UserError("frow reads a data set: add --root DIR, the data set's own folder")
    found, client = parts(root, options), options.client()
    if not isinstance(options.source, dict):
        write_part(out, found[0], client)
        return
    for part in found:
        if not part.root.is_dir():
            raise UserError(f"no folder {part.root}; that is where the data set {part.options.source} should lie")
    for part in found:
        if not part.is_built(out):
            with recorded(part.root, part.options) as touched:
                write_part(out, part, client)
            write_record(part.folder(out), touched, part.root, part.options)
    manifests = [read_json(part.folder(out) / "manifest.json") for part in found]
    told = {
        "rows": sum(manifest["rows"] for manifest in manifests),
        "images": sum(manifest["images"] for manifest in manifests),
        "root": os.path.relpath(root.resolve(), folder.resolve()),
        "sources": list(options.source),
        "splits": ["test"],
        "parts": [os.path.relpath(part.folder(out), folder) for part in found],
    }
    write_manifest(out, folder, folder.name, options, told)


def write_part(out: Path, part: Part, client: Client | None) -> None:
    root, options, folder = part.root, part.options, part.folder(out)
    claim(out, part)
    source = load_source(options.source, root, look_for_images=options.check_images)
    tested = source.split("test")
    subjects, lost = options.subjects(source, things(source, tested))
    options.refuse(lost, len(subjects))
    writer = options.writer(client, options.seed)
    marks = read_marks(part.review(out))

    drafts, refused = for_each(lambda subject: drafted(subject, writer), subjects, client, "drafts")
    options.refuse_unwritten(refused, len(drafts))
    subjects = [one for one in subjects if one.category in drafts]
    check_marks(marks, drafts, subjects)
    chosen = {
        one.category: drawn(one, marked(drafts[one.category], marks.get(one.category, {})), options.seed)
        for one in subjects
    }
    need_somebody(part.review(out), drafts, chosen, marks)

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
            "image": f"images/{part.dataset}/{image}",
            "name": subject.category,
            "question": question,
            "ref_answer": (mark and mark.new_answer) or writer.reference(subject, question, given),
        }

    rows, without = for_each(row_of, subjects, client, "references")
    options.refuse_unwritten(without, len(rows))
    subjects = [one for one in subjects if one.category in rows]
    (folder / "manifest.json").unlink(missing_ok=True)  # from here on the files are being changed
    for category, row in rows.items():
        put_image(source.root / shown[category], out / BENCHMARK, row["image"], options.images)
    questions = part.questions(out)
    write_jsonl(questions, rows.values())
    answers = {name: {"question": chosen[name], "reference": row["ref_answer"]} for name, row in rows.items()}
    write_review(part.review(out), drafts, answers, marks)
    told = {
        "rows": len(rows),
        "images": len(rows),
        "root": os.path.relpath(source.root.resolve(), folder.resolve()),
        "sources": [source.name],
        "splits": ["test"],
        "writer": writer.name,
        "files": {questions.name: {"rows": len(rows), "sha256": sha256_file(questions)}},
        "review_sha256": sha256_file(part.review(out)),
        "texts": {subject.category: subject.text.origin for subject in subjects},
        "without_text": lost,
        **({"refused": refused | without} if refused or without else {}),
    }
    write_manifest(out, folder, part.dataset, options, told)
    (folder / ".building").unlink()


def claim(out: Path, part: Part) -> None:
    """Mark the data set as being built. UserError when its question file is there and none of this command's."""
    folder, questions = part.folder(out), part.questions(out)
    marker = folder / ".building"
    ours = (folder / "manifest.json", marker, part.review(out))
    if questions.exists() and not any(path.exists() for path in ours):
        raise UserError(f"{questions} was not written by this command; choose another --dataset or --out")
    write_json(marker, part.options.identity())


def need_somebody(review: Path, drafts: dict[str, list[Draft]], chosen: dict[str, str | None], marks: Marks) -> None:
    """UserError when categories have no question left; the review file then lists their drafts."""
    without = [category for category, question in chosen.items() if question is None]
    if not without:
        return
    write_review(review, drafts, {}, marks)
    raise UserError(
        f"{len(without)} categories have no draft that may be asked: {', '.join(without)}. In {review} write accept "
        "behind one of their drafts, or a new_question, and run the same command again"
    )


def write_manifest(out: Path, folder: Path, name: str, options: FrowOptions, told: dict) -> None:
    write_json(
        folder / "manifest.json",
        {
            "name": name,
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
        "again. --from-published DIR imports FROW's own files instead (no --root).\n\n"
        "Several data sets at once: --root DIR --source cub=CUB_200_2011,cars=stanford_cars --texts DIR/texts"
    ),
)
