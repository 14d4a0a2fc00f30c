"""`knowledge`: questions about categories without a picture, of what their data set says of them.

<out>/knowledge/<data set>/questions.jsonl   question_id, image (null), question, answer, category, options, attribute
<out>/knowledge/<data set>/manifest.json     counts, sha256; written last

Each asks which of a few categories has a value of an attribute. Whoever answers them wrong does not know the name's
meaning; whoever answers them right, and names the picture wrong, does not find what it knows in the picture.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from .builder import Builder
from .builder_code import builder_code
from .class_facts import HAS, LACKS, Fact, class_facts
from .fgbmk_layout import dataset_of
from .options import SourceOptions
from .shared.build_marker import claim_folder, release_folder
from .shared.errors import UserError
from .shared.files import sha256_file, write_json, write_jsonl
from .shared.seeding import draw
from .sources import Source
from .templates import KNOWLEDGE, knowledge


class KnowledgeOptions(SourceOptions):
    dataset: str | None = Field(
        None, pattern=r"^\w[\w.-]*$", description="the data set's name in paths; default as FG-BMK calls it"
    )
    questions: int = Field(4, ge=1, description="most questions about a category")
    options: int = Field(4, ge=2, description="names that a question lists; of fewer it is not asked")


def manifest_folder(out: Path, options: KnowledgeOptions) -> Path:
    if not isinstance(options.source, str):
        raise UserError("knowledge: source names several data sets; run one at a time")
    return out / "knowledge" / (options.dataset or dataset_of(options.source))


def rows_of(source: Source, options: KnowledgeOptions) -> Iterator[dict]:
    """Category by category, in the data set's order. A fact that more siblings lack is asked first; a wrong name is a
    sibling's while there are any; chance decides between equals, and has an address.
    """
    facts, finest = class_facts(source), source.finest
    for name in source.labels(finest):
        siblings = set(source.siblings(finest, name))
        own = [fact for fact, share in facts.get(name, {}).items() if share >= HAS]
        lacking = {fact: [other for other in facts if facts[other].get(fact, 0.0) <= LACKS] for fact in own}
        askable = [fact for fact in own if len(lacking[fact]) >= options.options - 1]
        order = draw(options.seed, "knowledge", name).permutation(len(askable))
        askable = sorted(
            (askable[place] for place in order), key=lambda fact: -len(siblings.intersection(lacking[fact]))
        )
        for number, fact in enumerate(askable[: options.questions]):
            yield row_of(source, options, name, number, fact, siblings, lacking[fact])


def row_of(
    source: Source, options: KnowledgeOptions, name: str, number: int, fact: Fact, siblings: set, lacking: list[str]
) -> dict:
    rng = draw(options.seed, "knowledge", name, *fact)
    others = [lacking[place] for place in rng.permutation(len(lacking))]
    others = sorted(others, key=lambda other: other not in siblings)[: options.options - 1]
    listed = [name, *others]
    listed = [listed[place] for place in rng.permutation(len(listed))]
    which, (attribute, value) = int(rng.integers(len(KNOWLEDGE))), fact
    return {
        "question_id": f"{name}/{number}",
        "image": None,
        "question": knowledge(which, source.finest.rank, attribute, value, listed),
        "answer": name,
        "category": name,
        "options": listed,
        "attribute": attribute,
        "value": value,
    }


def build(root: Path, out: Path, options: KnowledgeOptions) -> None:
    [source] = options.load(root)
    if source.multi_label:
        raise UserError(f"knowledge: pictures of {source.name} bear several labels; its categories have no looks")
    folder, code = manifest_folder(out, options), builder_code("knowledge")
    claim_folder(folder, {"root": str(root.resolve()), **options.identity()}, code.hash, ("questions.jsonl",))
    rows = list(rows_of(source, options))
    if not rows:
        raise UserError(
            f"{source.name} at {source.root}: no category has a value (share {HAS} or more) that {options.options - 1} "
            f"others lack (share {LACKS} or less); write --options 2"
        )
    write_jsonl(folder / "questions.jsonl", rows)
    write_json(
        folder / "manifest.json",
        {
            "name": folder.name,
            "builder": "knowledge",
            "code": code.to_dict(),
            "rows": len(rows),
            "images": 0,
            "categories": len({row["category"] for row in rows}),
            "sha256": sha256_file(folder / "questions.jsonl"),
            "image_root": os.path.relpath(source.root.resolve(), folder.resolve()),
            "sources": [source.name],
            "splits": [],
            "options": options.identity(),
        },
    )
    release_folder(folder)


BUILDER = Builder(
    "benchmark questions without pictures: which category has an attribute, from the data set's own attributes",
    KnowledgeOptions,
    build,
    folder=manifest_folder,
    description="It needs attributes: cub has them of each class, as its annotators saw it; of others with attributes "
    "the share of a category's pictures counts.",
)
