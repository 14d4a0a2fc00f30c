"""The sheet that people fill, and the key that tells what each of its rows is.

<study>/for_people/sheet.csv     a row each: what is asked, what is answered, cells to fill; opens in Excel
<study>/for_people/index.html    the same to read, with the pictures
<study>/for_people/pictures/     no name of theirs tells a category
<study>/key.json                 not for people: models, grades by rules, where the answers lie

No model's name and no grade stands in what people get, and its order is drawn.
"""

import csv
import html
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from data_builders.shared.errors import UserError
from data_builders.shared.files import atomic_write, read_json, write_bytes, write_json
from data_builders.shared.seeding import address_hash

from .sample import Entry

SIDE = 512  # pixels
LETTERS = "bcdfghjklmnpqrtvwxz"  # no words, no dates, no numbers for a spreadsheet to read into them
YES_NO = ("no", "yes")


@dataclass(frozen=True)
class Kind:
    """What is graded: the columns to fill with their values from worst (0) to best, and what to keep in mind."""

    name: str
    cells: dict[str, tuple[str, ...]]
    how: str


ANSWERS = Kind(
    "answers",
    {"item": ("0", "1", "2"), "fact": ("0", "1", "2", "3")},
    "item: 0 no name or a wrong one, 1 right but too general, 2 the right name or another name for it. "
    "fact: all that is said apart from the name, against the reference: 0 inconsistent with it, 1 or 2 partly "
    "consistent, 3 consistent. Leave both empty where you cannot tell.",
)
ROWS = Kind(
    "rows",
    {"right": YES_NO, "grounded": YES_NO, "leaking": YES_NO},
    "right: is the answer true of what the picture shows? grounded: does the answer rest on the picture and on what is "
    "known of its category, with nothing made up? leaking: does the question give its answer or the category away? "
    "Write yes or no; leave all three empty where you cannot tell.",
)
KINDS = {one.name: one for one in (ANSWERS, ROWS)}


def write_sheet(study: Path, kind: Kind, entries: list[Entry], asked: dict) -> str:
    """Write sheet and key for these entries in this order; returns the draw's name, which is in every row's.

    UserError where the folder holds another draw, or a sheet that somebody has begun to fill.
    """
    name = draw_name(kind, entries)
    rows = [f"{name}-{number:0{len(str(len(entries)))}d}" for number in range(1, len(entries) + 1)]
    key = {
        "draw": name,
        "kind": kind.name,
        **asked,
        "rows": [{"row": row, "image": one.image, **one.about} for row, one in zip(rows, entries, strict=True)],
    }
    path, folder = study / "key.json", study / "for_people"
    if path.exists() and read_json(path).get("draw") != name:
        raise UserError(f"{study} holds another draw ({read_json(path).get('draw')}); name another folder: --study DIR")
    pictures = [f"pictures/{row}.jpg" if one.picture else "" for row, one in zip(rows, entries, strict=True)]
    text = table(kind, rows, entries, pictures)
    sheet = folder / "sheet.csv"
    if sheet.exists() and sheet.read_bytes() != text:
        raise UserError(f"{sheet} has been changed since it was drawn; rename the filled sheet, and say it again")
    for one, picture in zip(entries, pictures, strict=True):
        if one.picture and not (folder / picture).exists():
            write_bytes(folder / picture, reduced(one.picture))
    with atomic_write(folder / "index.html") as file:
        file.write(page(kind, rows, entries, pictures))
    write_bytes(sheet, text)
    write_json(path, key)
    return name


def draw_name(kind: Kind, entries: list[Entry]) -> str:
    number = address_hash(kind.name, *(part for one in entries for part in one.address))
    return "".join(LETTERS[number // len(LETTERS) ** place % len(LETTERS)] for place in range(5))


def table(kind: Kind, rows: list[str], entries: list[Entry], pictures: list[str]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["row", "picture", *entries[0].texts, *kind.cells, "remark"])
    for row, one, picture in zip(rows, entries, pictures, strict=True):
        writer.writerow([row, picture, *map(plain, one.texts.values()), *([""] * (len(kind.cells) + 1))])
    return out.getvalue().encode("utf-8-sig")  # by its mark Excel knows UTF-8


def plain(text: str) -> str:
    """The text as a spreadsheet shows it: what begins like a formula is none."""
    return f" {text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def reduced(path: Path) -> bytes:
    """The picture as JPEG, no side longer than SIDE, without what a camera writes into it."""
    try:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except OSError as error:
        raise UserError(f"{path}: {error}") from None
    picture.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=88)
    return out.getvalue()


def page(kind: Kind, rows: list[str], entries: list[Entry], pictures: list[str]) -> str:
    parts = [
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>To grade</title>',
        "<style>body{font:16px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "article{display:grid;grid-template-columns:minmax(0,20rem) 1fr;gap:0 1.5rem;border-top:1px solid #bbb;"
        "padding:1rem 0}img{max-width:100%}h2{font-size:1rem;margin:0}dt{color:#666}"
        "dd{margin:0 0 .5rem;white-space:pre-wrap;overflow-wrap:anywhere}"
        "@media(max-width:40rem){article{display:block}}</style>",
        f"<p>{html.escape(kind.how)}</p><p>Write into sheet.csv, in the columns {', '.join(kind.cells)}.</p>",
    ]
    for row, one, picture in zip(rows, entries, pictures, strict=True):
        shown = f'<img src="{picture}" alt="" loading="lazy">' if picture else ""
        texts = "".join(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in one.texts.items())
        parts.append(f"<article><div>{shown}</div><div><h2>{row}</h2><dl>{texts}</dl></div></article>")
    return "\n".join([*parts, "</html>\n"])
