"""`drawn`: a whole miniature world.

<out>/CUB_200_2011/              32 species in CUB's layout, taxonomy.csv, texts/<species>.txt
<out>/general/<kind>/images/     attribute, count, presence, document, chart
<out>/general/<kind>/train/      a training set (manifest.json, rows.jsonl)
<out>/general/<kind>/questions.jsonl     test questions
<out>/facts/                     a training set without pictures
<out>/contact_sheet.png          to look at
<out>/manifest.json              written last
"""

import os
from pathlib import Path

from pydantic import Field

from ..builder_code import builder_code
from ..options import Options
from ..records import independent_turns, write_training_set
from ..shared.build_marker import claim_folder, release_folder
from ..shared.files import sha256_file, write_bytes, write_json, write_jsonl
from ..shared.progress import progress
from . import encyclopedia
from .contact_sheet import contact_sheet
from .cub_layout import write_lists
from .parallel_drawing import World, draw_all, general_image
from .skills import KINDS, make
from .taxonomy import all_species


class DrawnOptions(Options):
    not_identity = frozenset({"processes"})

    source: str = Field(
        "world", description="world, worlds, or the source or general benchmark whose layout a miniature is drawn in"
    )
    seed: int = Field(0, description="of every picture; the species do not depend on it")
    pixels: int = Field(64, ge=32, le=512, description="side of the pictures")
    train_images_per_species: int = Field(30, ge=1, description="training pictures of each of the 32 species")
    test_images_per_species: int = Field(10, ge=1, description="test pictures of each species")
    general_train: int = Field(4000, ge=1, description="training pictures of each general kind")
    general_test: int = Field(300, ge=1, description="test pictures of each general kind")
    processes: int = Field(min(2, os.cpu_count() or 1), ge=1, description="drawing at the same time")

    def world(self) -> World:
        return World(**{name: getattr(self, name) for name in World.__dataclass_fields__})


def build(root: Path, out: Path, options: DrawnOptions) -> None:
    world, everyone = options.world(), all_species()
    # Pictures left by an interrupted build are kept if they are of the same world.
    code = builder_code("drawn")
    ours = ("CUB_200_2011", *(f"general/{kind}" for kind in KINDS), "facts", "contact_sheet.png")
    claim_folder(out, options.identity(), code.hash, ours)
    with progress("drawing the world", "pictures", world.images) as advance:
        draw_all(out, world, options.processes, advance)
    listed = world.species_pictures()
    boxes = {one.image_id: one.draw(world.seed, world.pixels).bounding_box for one in listed}
    write_lists(out / "CUB_200_2011", everyone, listed, boxes)
    parts = {"CUB_200_2011": {"images": len(listed), "sha256": sha256_file(out / "CUB_200_2011" / "images.txt")}}
    for kind in KINDS:
        parts[f"general/{kind}"] = write_kind(out / "general" / kind, kind, world)
    manifest = write_training_set(
        out / "facts",
        encyclopedia.rows(everyone, options.seed),
        name="facts",
        builder="drawn",
        code=code,
        image_root=out / "facts",
        sources=["drawn"],
        splits=["train"],
        options=options.identity(),
    )
    parts["facts"] = {"rows": manifest.rows, "sha256": manifest.sha256}
    write_bytes(out / "contact_sheet.png", contact_sheet(everyone, world))
    whole = {"name": out.name, "builder": "drawn", "code": code.to_dict(), "images": world.images}
    write_json(out / "manifest.json", {**whole, "options": options.identity(), "parts": parts})
    release_folder(out)


def write_kind(folder: Path, kind: str, world: World) -> dict:
    """One general kind's training set and test questions."""

    def training_rows():
        for number in range(world.general_train):
            asked = make(kind, "train", number, world.seed).train
            yield {
                "id": f"drawn/{kind}/{number}",
                "image": general_image(kind, "train", number),
                "turns": "independent",
                "conversations": independent_turns((one.question, one.answer) for one in asked),
                "source": "drawn",
                "kind": kind,
                "category": kind,
            }

    def test_rows():
        for number in range(world.general_test):
            asked = make(kind, "test", number, world.seed, world.general_train).test
            yield {
                "question_id": number + 1,
                "image": general_image(kind, "test", number),
                "question": asked.question,
                "answer": asked.answer,
                "category": asked.category,
            }

    questions = write_jsonl(folder / "questions.jsonl", test_rows())
    manifest = write_training_set(
        folder / "train",
        training_rows(),
        name=kind,
        builder="drawn",
        code=builder_code("drawn"),
        image_root=folder,
        sources=["drawn"],
        splits=["train"],
        options={"kind": kind, "seed": world.seed, "pixels": world.pixels, "general_train": world.general_train},
    )
    return {
        "rows": manifest.rows,
        "sha256": manifest.sha256,
        "questions": questions,
        "questions_sha256": sha256_file(folder / "questions.jsonl"),
    }
