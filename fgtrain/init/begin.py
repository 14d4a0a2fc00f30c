"""The story of `fgtrain init`: look, choose sides, write, build, plan."""

import argparse
import re
import statistics
import unicodedata
from collections import Counter
from pathlib import Path

from data_builders.shared.pictures import open_image
from data_builders.shared.terminal import say
from data_builders.sources.folder import plain_name, read_taxonomy

from .devices import fitting
from .earlier import (
    STATE,
    Changes,
    Earlier,
    digest,
    read_earlier,
    state_text,
    with_earlier,
    with_listed,
    write_list,
    write_taxonomy,
    write_unless_edited,
)
from .folder import LISTED, TAXONOMY, claim, taxonomy_text, write_text
from .general import General, build_general, general_of
from .model import ChosenModel, choose_model
from .photos import Found, look
from .recipe import Setting, texts
from .sides import contents_of, with_sides
from .tell import finish

LOOKED_AT = 200  # photos whose size is read
DRAWN_PIXELS = (64, 112)  # of drawn pictures: for models that see little squares, and for others


def begin(arguments: argparse.Namespace) -> None:
    """Write what is missing and show its plan. UserError for whatever of the input is at fault."""
    photos: Path = arguments.photos
    looked = look(photos, arguments.name, arguments.group)
    model = choose_model(arguments.model, arguments.network)
    name = run_name(photos.stem if photos.is_file() else photos.resolve().name)
    out: Path = arguments.out or Path(f"{name}-fgtrain")
    earlier = read_earlier(out, looked.root)
    found, contents, changes = up_to_date(looked, earlier)
    general = general_of(arguments.general, DRAWN_PIXELS[model.square >= 2 * DRAWN_PIXELS[1]])
    claim(out, found.root)
    told, hashes = write_data(out, found, changes, earlier)
    write_text(out / STATE, state_text(looked, found, contents, earlier, earlier.texts | hashes))
    tell_found(found, changes)
    build_general(general, out.resolve() / "built")
    setting = make_setting(name, out.resolve(), found, model, general, arguments.network)
    for file, text in texts(setting).items():
        told[file] = write_unless_edited(out, file, text, earlier)
        hashes[file] = digest(text.encode())
    write_text(out / STATE, state_text(looked, found, contents, earlier, hashes))
    finish(out, told, setting)


def up_to_date(found: Found, earlier: Earlier) -> tuple[Found, dict[str, str], Changes]:
    """(the photos on their sides, what tells their bytes apart, what has changed since the earlier start)."""
    found = with_listed(found, earlier)
    contents = contents_of(found)
    found, changes = with_earlier(found, contents, earlier)
    return with_sides(found), contents, changes


def write_data(out: Path, found: Found, changes: Changes, earlier: Earlier) -> tuple[dict[str, str], dict[str, str]]:
    """(file -> written, renewed, there or kept; file -> hash of what would be written)."""
    taxonomy = found.taxonomy.read_text(encoding="utf-8-sig") if found.taxonomy else taxonomy_text(found)
    told = {
        LISTED: write_list(out, found, earlier),
        TAXONOMY: write_taxonomy(out, taxonomy, found, changes, earlier),
    }
    return told, {TAXONOMY: digest(taxonomy.encode())}


def run_name(text: str) -> str:
    """As names of runs may be: letters, digits, _ and -."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9]+", "_", letters).strip("_").lower()
    return plain or "photos"


def tell_found(found: Found, changes: Changes) -> None:
    if str(changes):
        say(f"since the last start: {changes}")
    counts = Counter(photo.name for photo in found.photos)
    sides = Counter(photo.side for photo in found.photos)
    few, many = min(counts.values()), max(counts.values())
    each = f"{few} each" if few == many else f"{few} to {many} each"
    say(f"{len(found.photos):,} photos of {len(counts):,} classes ({each}), by {found.by}")
    say(f"{sides['train']:,} to learn from, {sides['test']:,} to be asked about")
    for note in found.notes:
        say(note)


def make_setting(name: str, out: Path, found: Found, model: ChosenModel, general: General, network: bool) -> Setting:
    keys = {plain_name(label) for label in found.called}
    levels, _ = read_taxonomy(out / TAXONOMY, keys)
    train = sum(photo.side == "train" for photo in found.photos)
    setting = Setting(name, out, found.root.resolve(), model, general, train, usual_size(found), len(levels), network)
    return fitting(setting)


def usual_size(found: Found) -> tuple[int, int]:
    step = max(1, len(found.photos) // LOOKED_AT)
    sizes = [open_image(found.root / photo.file).size for photo in found.photos[::step]]
    return tuple(round(statistics.median(side)) for side in zip(*sizes, strict=True))
