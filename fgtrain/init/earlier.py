"""What an earlier start has written, and how new photos are taken into it.

Three things are compared: what was written then (init.json), what stands there now (edited, perhaps), and what the
photos say today. What somebody has edited stays, what nobody has follows the photos, and a photo stays on its side for
good, also where it was moved: what a model was trained on is never asked about later.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from data_builders.shared.csv_tables import csv_rows
from data_builders.shared.state_files import read_state
from data_builders.sources.folder import plain_name
from data_builders.sources.listed import SPLIT_NAMES
from fgtrain.errors import UserError

from .folder import LINK, LISTED, TAXONOMY, as_csv, links_to, listed, write_text
from .photos import SIDES, Found, Photo, spoken

STATE = "init.json"


@dataclass
class Earlier:
    """`photos`: file -> [name, side, group, content], as they were written; `texts`: file -> hash of what was written.
    `rows`: file -> its line in photos.csv as it stands there now."""

    photos: dict[str, tuple[str, str, str, str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    rows: dict[str, dict[str, str]] = field(default_factory=dict)

    def edited(self, out: Path, name: str) -> bool:
        """Is there such a file, and another text in it than was written?"""
        path = out / name
        return path.exists() and self.texts.get(name) != digest(path.read_bytes())


@dataclass
class Changes:
    new: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)  # that are new
    classes_gone: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = [(len(some), what) for what, some in (("new", self.new), ("moved", self.moved), ("gone", self.gone))]
        told = [f"{count:,} photos {what}" if count > 1 else f"1 photo {what}" for count, what in counts if count]
        for what, some in (("new", self.classes), ("without photos now", self.classes_gone)):
            if some:
                told.append(f"{'class' if len(some) == 1 else 'classes'} {what}: {', '.join(some[:5])}")
                told[-1] += f" and {len(some) - 5} more" if len(some) > 5 else ""
        return "; ".join(told)


def read_earlier(out: Path, root: Path) -> Earlier:
    """Of a start with the same photos; nothing where there was none. UserError for a list that cannot be read."""
    if not links_to(out, root) or not (out / LISTED).is_file():
        return Earlier()
    path = out / STATE
    way_on = f"Delete it: then {LISTED} counts as it stands"
    earlier = read_state(path, Earlier, way_on) if path.is_file() else Earlier()
    for number, row in csv_rows(out / LISTED, ("file", "name")):
        if SPLIT_NAMES.get((row.get("split") or "train").lower()) is None:
            raise UserError(f"{out / LISTED}, line {number}: split is {row['split']!r}. Write train, val or test")
        earlier.rows[row["file"].replace("\\", "/").removeprefix("./")] = row
    return earlier


def state_text(looked: Found, found: Found, contents: Mapping[str, str], earlier: Earlier, texts: dict) -> str:
    """For the next start: what the photos said (`looked`), and the sides that were given to them (`found`). What
    somebody has edited, or taken out, must be seen as such then, too. `texts`: file -> hash of what was to be written.
    """
    sides = {photo.file: photo.side for photo in found.photos}
    photos = {}
    for photo in looked.photos:
        was, row = earlier.photos.get(photo.file), earlier.rows.get(listed(photo.file))
        if was is not None and (row is None or SPLIT_NAMES[(row.get("split") or "train").lower()] != was[1]):
            side = was[1]
        else:
            side = sides[photo.file]
        photos[photo.file] = (photo.name, side, photo.group, contents[photo.file])
    return json.dumps({"photos": photos, "texts": texts}, ensure_ascii=False, indent=0) + "\n"


def with_listed(found: Found, earlier: Earlier) -> Found:
    """The photos, and those that somebody has added to photos.csv. UserError for one that lies elsewhere."""
    here = {photo.file for photo in found.photos}
    more = []
    for line, row in earlier.rows.items():
        link, _, file = line.partition("/")
        if link != LINK or not file:
            raise UserError(f"{LISTED}: {line} lies not in {LINK}/. Put it among your photos, or remove the line")
        if file not in here | earlier.photos.keys() and (found.root / file).is_file():
            more.append(Photo(file, row["name"]))
    return replace(found, photos=tuple(sorted((*found.photos, *more), key=lambda photo: photo.file)))


def with_earlier(found: Found, contents: Mapping[str, str], earlier: Earlier) -> tuple[Found, Changes]:
    """The photos as they stand now: known ones as they were edited and on their sides, others as they were found."""
    changes = Changes()
    if not earlier.rows:
        return found, changes
    here = {photo.file for photo in found.photos}
    went = [file for file in (line.partition("/")[2] for line in earlier.rows) if file not in here]
    by_content = {earlier.photos[file][3]: file for file in went if file in earlier.photos}
    spelt = {plain_name(label): label for label in found.called}
    photos: list[Photo] = []
    for photo in found.photos:
        source = photo.file
        if listed(source) not in earlier.rows:
            if source in earlier.photos:
                continue  # its line was taken out
            source = by_content.pop(contents[photo.file], "")
            (changes.moved if source else changes.new).append(source or photo.file)
        photos.append(known(photo, earlier, source, spelt, found.sided) if source else photo)
    changes.gone = sorted(set(went) - set(changes.moved))
    names = dict.fromkeys(photo.name for photo in photos)
    before = {plain_name(row["name"]) for row in earlier.rows.values()}
    changes.classes = [name for name in names if plain_name(name) not in before]
    changes.classes_gone = sorted(before - {plain_name(name) for name in names})
    called = {name: found.called.get(name) or spoken(name) or plain_name(name) for name in names}
    return replace(found, photos=tuple(photos), called=called), changes


def known(photo: Photo, earlier: Earlier, source: str, spelt: Mapping[str, str], sided: bool) -> Photo:
    """The photo with what its line says, where that was edited, and its side. `source`: where it lay at the time."""
    row = earlier.rows[listed(source)]
    was = earlier.photos.get(source)
    name, side, group = row["name"], SIDES[SPLIT_NAMES[(row.get("split") or "train").lower()]], row.get("group", "")
    untouched = was is not None and was[1] == side
    return replace(
        photo,
        name=photo.name if was is not None and name == was[0] else spelt.get(plain_name(name), name),
        side=photo.side if sided and untouched else side,
        group=photo.group if was is not None and group == was[2] else group,
    )


def photos_rows(found: Found, earlier: Earlier) -> list[list[str]]:
    """A header and a line a photo: those that were there in their order, with whatever columns they have, then new
    ones."""
    now = {listed(photo.file): photo for photo in found.photos}
    columns = dict.fromkeys(["file", "name", "split"])
    columns |= dict.fromkeys(["group"] if any(photo.group for photo in found.photos) else [])
    columns = dict.fromkeys(next(iter(earlier.rows.values()), {})) | columns
    rows = [list(columns)]
    for line in dict.fromkeys([*(one for one in earlier.rows if one in now), *now]):
        row, photo = dict(earlier.rows.get(line, {"file": line, "name": ""})), now[line]
        if plain_name(row["name"]) != plain_name(photo.name):
            row["name"] = photo.name
        if SIDES.get(SPLIT_NAMES.get(row.get("split", "").lower(), "")) != photo.side:  # "validation" stays
            row["split"] = photo.side
        row["group"] = photo.group
        rows.append([row.get(column, "") for column in columns])
    return rows


def taxonomy_with(path: Path, found: Found, changes: Changes) -> str | None:
    """An edited taxonomy with a line for each new class, and none for one without photos; None where it is right."""
    lines = [row for _, row in csv_rows(path)]
    header = list(lines[0]) if lines else ["category", "name", "aliases"]
    used = {plain_name(name) for name in found.called}
    key = max(header, key=lambda one: sum(plain_name(row[one]) in used for row in lines))
    there = {plain_name(row[key]) for row in lines}
    missing = [name for name in found.called if plain_name(name) not in there]
    gone = set(changes.classes_gone) & there
    if not missing and not gone:
        return None
    rows = [list(row.values()) for row in lines if plain_name(row[key]) not in gone]
    for label in missing:
        known = {key: label, **found.parents.get(label, {})}
        known |= {"name": found.called[label]} if key != "name" else {}
        rows.append([known.get(column, "") for column in header])
    return as_csv([header, *rows])


def digest(text: bytes) -> str:
    return sha256(text).hexdigest()


def write_list(out: Path, found: Found, earlier: Earlier) -> str:
    """photos.csv; untouched where it says the same already, in whatever form."""
    rows = photos_rows(found, earlier)
    if rows == [list(next(iter(earlier.rows.values()), {})), *(list(row.values()) for row in earlier.rows.values())]:
        return "there"
    return write_text(out / LISTED, as_csv(rows))


def write_taxonomy(out: Path, text: str, found: Found, changes: Changes, earlier: Earlier) -> str:
    """`text`, or what somebody has made of it with today's classes."""
    path = out / TAXONOMY
    if not earlier.edited(out, TAXONOMY):
        return write_text(path, text)
    mine = taxonomy_with(path, found, changes)
    return "kept" if mine is None else write_text(path, mine)


def write_unless_edited(out: Path, name: str, text: str, earlier: Earlier) -> str:
    if earlier.edited(out, name) and (out / name).read_bytes() != text.encode():
        return "kept"
    return write_text(out / name, text)
