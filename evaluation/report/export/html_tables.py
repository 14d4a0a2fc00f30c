"""The tables of a report's page, read from its HTML: what the page shows is what is exported, and none is forgotten."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

SILENT = ("svg", "style", "script", "title")
VOID = ("meta", "br", "img", "link", "hr", "input", "source", "wbr")
HEADINGS = ("h2", "h3", "h4")
NO_TEXT = ("legend", "about")  # about: what a column's head says of its unit and n, which the note below repeats
APART = ("small", "span", "li", "p", "div", "code", "i", "b", "td", "th", "button", "a", "label")


@dataclass
class Cell:
    """`head`: a <th>. `columns`: how many it spans. `unit`: of the column that it heads, where the page says it."""

    text: str
    head: bool = False
    columns: int = 1
    unit: str = ""


@dataclass
class HtmlTable:
    """One <table>: the headings over it, its head and body rows, and what is said below it. `unit`: of its scores;
    `units`: of each body row's, where rows differ."""

    headings: tuple[str, ...]
    heads: list[list[Cell]] = field(default_factory=list)
    rows: list[list[Cell]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unit: str = ""
    units: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        return ": ".join(self.headings)

    @property
    def width(self) -> int:
        return max(sum(cell.columns for cell in row) for row in (*self.heads, *self.rows))


def tables_of(html: str) -> list[HtmlTable]:
    """Every table of the page that has a row, in its order. What only decorates (aria-hidden, drawings) is left out."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    tables = [one for one in reader.tables if one.rows]
    for one in tables:
        _drop_drawn(one)
    return tables


def _drop_drawn(table: HtmlTable) -> None:
    """Take out columns that hold no text, but a drawing or nothing at all."""
    rows = [*table.heads, *table.rows]
    if any(cell.columns > 1 for row in rows for cell in row):
        return
    width = table.width
    empty = [place for place in range(width) if not any(row[place].text for row in table.rows if place < len(row))]
    for row in rows:
        row[:] = [cell for place, cell in enumerate(row) if place not in empty]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tables: list[HtmlTable] = []
        self.headings: dict[str, str] = {}
        self.open: list[str] = []  # elements inside one that is silent
        self.table: HtmlTable | None = None
        self.in_head = False
        self.text: list[str] | None = None  # of the heading, cell or note that is being read
        self.ends_with = ""
        self.whose = ""  # the run or arm whose mark stands over what follows
        self.noted: HtmlTable | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        has = dict(attributes)
        silent = tag in SILENT or has.get("aria-hidden") == "true" or has.get("class") in NO_TEXT
        if self.open or silent:
            if tag not in VOID:
                self.open.append(tag)
            return
        if self.text is not None and self.table is not None and tag == "sup":
            self.text.append("^")
        elif self.text is not None:
            self.text.append("; " if tag == "br" else " " if tag in APART else "")
        if tag == "table":
            named = [self.whose] if self.whose and self.whose not in " ".join(self.headings.values()) else []
            self.table = HtmlTable((*self.headings.values(), *named), unit=has.get("data-unit") or "")
            self.tables.append(self.table)
        elif self.table is not None and tag in ("thead", "tbody"):
            self.in_head = tag == "thead"
        elif self.table is not None and tag == "tr":
            (self.table.heads if self.in_head else self.table.rows).append([])
            if not self.in_head:
                self.table.units.append(has.get("data-unit") or "")
        elif self.table is not None and tag in ("th", "td"):
            row = (self.table.heads if self.in_head else self.table.rows)[-1]
            row.append(Cell("", tag == "th", int(has.get("colspan") or 1), has.get("data-unit") or ""))
            self._read_until(tag)
        elif self.table is None and (
            tag in HEADINGS or (self.text is None and (tag == "bdi" or self._is_note(tag, has.get("class") or "")))
        ):
            self._read_until(tag)

    def _is_note(self, tag: str, classes: str) -> bool:
        """Captions and footnotes below a table; a heading or a figure ends what belongs to it."""
        if tag in ("section", "figure", "details"):
            self.noted = None
        return self.noted is not None and (tag == "li" or "caption" in classes.split())

    def _read_until(self, tag: str) -> None:
        self.text, self.ends_with = [], tag

    def handle_endtag(self, tag: str) -> None:
        if self.open:
            if tag == self.open[-1]:
                self.open.pop()
            return
        if tag == "table":
            self.noted, self.table, self.in_head = self.table, None, False
        if self.text is None or tag != self.ends_with:
            return
        said, self.text = _plain("".join(self.text)), None
        if self.table is not None:
            (self.table.heads if self.in_head else self.table.rows)[-1][-1].text = said
        elif tag in HEADINGS:
            level = HEADINGS.index(tag)
            self.headings = {one: text for one, text in self.headings.items() if HEADINGS.index(one) < level}
            self.headings[tag] = said
            self.noted, self.whose = None, ""
        elif tag == "bdi":
            self.whose = said
        elif self.noted is not None:
            self.noted.notes.append(said)

    def handle_data(self, data: str) -> None:
        if not self.open and self.text is not None:
            self.text.append(data)


def _plain(text: str) -> str:
    """On one line, with common spaces only."""
    text = re.sub(r"[\s\u00a0\u202f]+", " ", text).strip()
    return re.sub(r" ([;,.)])", r"\1", re.sub(r"\s*\^\s*", "^", text)).removesuffix(";")
