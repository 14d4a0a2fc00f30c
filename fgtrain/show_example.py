"""One row of each stage as the model will see it: its text with special tokens, its picture's fitting, its tokens."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from transformers.utils import logging as transformers_logging

from data_builders.records import Manifest, conversation, images_of
from fgtrain.data import encode_row, show_mask
from fgtrain.data.chat import image_refs
from fgtrain.errors import UserError
from fgtrain.model import LVLM, outline_model
from fgtrain.recipe import Recipe
from fgtrain.recipe.objective_schema import PAIRED, WITHOUT_TOKENS

LOOKED_AT = 200  # rows, for one with a picture
SHOWN = 600  # characters of a branch
DRAWN_SIZE = (640, 480)


@dataclass(frozen=True)
class Row:
    name: str
    row: dict
    image_root: Path


def example_lines(recipe: Recipe) -> Iterator[str]:
    """The example of each stage whose turns differ, or in one line why there is none. No weights are needed."""
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        lvlm = outline_model(recipe.model_with_paths(), network=recipe.network, seed=recipe.seed, files=False)
    except UserError as error:
        yield f"No example of a row: {error}"
        return
    finally:
        transformers_logging.set_verbosity(level)
    shown: set[tuple[str, bool]] = set()
    for name, stage in recipe.training_stages.items():
        chat, paired = stage.chat or lvlm.chat, stage.objective in PAIRED
        if stage.objective not in WITHOUT_TOKENS and (chat, paired) not in shown:
            shown.add((chat, paired))
            yield from _stage_lines(recipe, name, chat, lvlm)


def _stage_lines(recipe: Recipe, name: str, chat: str, lvlm: LVLM) -> Iterator[str]:
    paired = recipe.stages[name].objective in PAIRED
    with TemporaryDirectory() as folder:
        row = _first(recipe, name) or _drawn(recipe, name, Path(folder))
        try:
            sample = encode_row(
                row.row,
                lvlm.tokenizer,
                chat,
                lvlm.image_spec,
                recipe.model.max_tokens,
                image_root=row.image_root,
                name=row.name,
                paired=paired,
            )
            pictures = [ref.size for ref in image_refs(row.row, row.image_root)]
        except UserError as error:
            yield f"No example of {name}: {error}"
            return
    counts = sample.counts
    yield (
        f"Example of {name}: {row.name}, chat {chat}; {counts.tokens:,} tokens, {counts.image_tokens:,} of them of "
        f"pictures; learnt between « and » ({counts.labels:,})"
    )
    prefix, *branches = show_mask(sample, lvlm.tokenizer, breaks="\\n").split("\n")
    for line in [prefix + branches[0]] if len(branches) == 1 else [prefix, *branches]:
        yield "  " + (line if len(line) <= SHOWN else f"{line[: SHOWN // 2]} [...] {line[-SHOWN // 2 :]}")
    for width, height in pictures:
        yield f"  picture of {width} x {height}: {lvlm.image_spec.told(width, height)}"


def _first(recipe: Recipe, stage: str) -> Row | None:
    """The first row with a picture, else the first, of the stage's first data set that is built."""
    for data_set in recipe.stages[stage].mix:
        if recipe.data[data_set].replay is not None:  # chosen when the stage is reached
            continue
        try:
            folder = recipe.data_folder(data_set)
        except UserError:  # a root is not given
            continue
        if not ((folder / "manifest.json").is_file() and (folder / "rows.jsonl").is_file()):
            continue
        manifest = Manifest.load(folder)
        with open(folder / "rows.jsonl", encoding="utf-8") as file:
            rows = [json.loads(line) for line in islice(file, LOOKED_AT)]
        if rows:
            row = next((row for row in rows if images_of(row)), rows[0])
            return Row(f"{data_set}, row {str(row['id'])!r}", row, (folder / manifest.image_root).resolve())
    return None


def _drawn(recipe: Recipe, stage: str, folder: Path) -> Row:
    """A row that no data set holds, with a picture as large as its first data set's are expected to be."""
    expected = recipe.data[next(iter(recipe.stages[stage].mix))].expected
    size = DRAWN_SIZE if expected is None else (expected.width, expected.height)
    Image.new("RGB", size).save(folder / "drawn.png")
    row: dict = {"id": "drawn", "image": "drawn.png", "conversations": conversation("What is this?", "A bird.")}
    if recipe.stages[stage].objective in PAIRED:
        row |= {"conversations": row["conversations"][:1], "chosen": "A bird.", "rejected": "A fish."}
    return Row("a row made up for this", row, folder)
