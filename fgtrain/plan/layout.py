"""Tables that fit a terminal: what is too wide goes on in a further table, and no number breaks over two lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

UNKNOWN = "unknown"
EDGE = 3  # of a column: a blank on either side and a line


def number(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def gib(value: int | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value / 2**30:,.1f} GiB" if value >= 2**30 else f"{value / 2**20:,.1f} MiB"


def duration(seconds: float | None) -> str:
    """Readable at a glance: 40 s, 12 min, 3.5 h, 4.2 d."""
    if seconds is None:
        return UNKNOWN
    for size, unit, limit in ((1, "s", 90), (60, "min", 90 * 60), (3600, "h", 48 * 3600)):
        if seconds < limit:
            return f"{seconds / size:.{1 if unit == 'h' else 0}f} {unit}"
    return f"{seconds / 86400:.1f} d"


def hours(value: float | None) -> str:
    """Device hours."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f} h" if value >= 100 else f"{value:,.1f} h" if value >= 1 else f"{value * 60:,.0f} min"


@dataclass
class Column:
    """A column and its cells, which are never broken. `text`: to the left, and words of it may be."""

    title: str
    cells: Sequence[str]
    text: bool = False

    @property
    def width(self) -> int:
        lines = [line for cell in self.cells for line in cell.split("\n")]
        return max(map(len, [*lines, *self.title.split()]), default=0) + EDGE


def show_table(
    console: Console,
    title: str,
    label: str,
    labels: Sequence[str],
    columns: Sequence[Column],
    caption: str = "",
    sections: Sequence[int] = (),
) -> None:
    """Print rows with a label each. Columns that do not fit beside the others go on in a further table, with the
    labels again. `sections`: rows that a line is drawn above.
    """
    rest = list(columns)
    room = max(map(len, [label, *labels])) + EDGE + 1
    room = min(room, max(console.width // 2, console.width - max((c.width for c in rest), default=0)))
    first = True
    while rest or first:
        taken = [rest.pop(0)] if rest else []
        while rest and room + sum(c.width for c in [*taken, rest[0]]) <= console.width:
            taken.append(rest.pop(0))
        table = Table(title=title if first else None, title_justify="left", title_style="bold", header_style="")
        table.add_column(escape(label), overflow="fold", max_width=room - EDGE - 1)
        for column in taken:
            broken = column.text or column.width > console.width - room
            justify = "left" if column.text else "right"
            heading = "\n".join(wrap(column.title, column.width - EDGE))
            table.add_column(escape(heading), justify=justify, no_wrap=not broken, overflow="fold")
        for index, name in enumerate(labels):
            if index in sections:
                table.add_section()
            table.add_row(escape(name), *(escape(column.cells[index]) for column in taken))
        if not rest and caption:
            table.caption, table.caption_justify = escape(caption), "left"
        console.print(table)
        first = False


def changed(a: Any, b: Any, show: Callable[[Any], str]) -> str:
    """The difference of two numbers, in words."""
    if a is None or b is None:
        return UNKNOWN
    if a == b:
        return "equal"
    return f"{'+' if b >= a else '-'}{show(abs(b - a))}"
