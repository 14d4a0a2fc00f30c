"""A comparison of two plans as tables for people. Readable at 80 columns."""

from collections.abc import Iterable
from typing import Any

import yaml
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from data_builders.shared.console import SafeConsole
from fgtrain.recipe import DataSet, Stage

from .compare import Comparison, Consequence
from .layout import EDGE, Column, changed, gib, number, show_table
from .tables import MEMORY_TITLE

WIDEST_KEY = 40  # characters


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    console = console or SafeConsole()
    a, b = comparison.names
    if a == b:
        a, b = f"{a} (first)", f"{b} (second)"
    console.print(f"\n[bold]{escape(a)}[/] and [bold]{escape(b)}[/]")
    if comparison.differences:
        _chosen(comparison, a, b, console)
    else:
        console.print("The recipes are equal.")
    _show(console, "What follows", [(row, _what(row)) for row in comparison.consequences], a, b)
    matched = [(row, f"{row.stage}: samples") for row in comparison.exposures]
    matched += [(row, f"{row.stage}: updates") for row in comparison.updates]
    _show(console, "Exposures and updates over the whole run", matched, a, b)
    shared = ", ".join(comparison.shared)
    console.print(f"Stages that are the same work (done once): {escape(shared) or 'none'}")
    for remark in comparison.remarks:
        console.print(f"[yellow]- {escape(remark)}[/]", highlight=False)


def _chosen(comparison: Comparison, a: str, b: str, console: Console) -> None:
    """As a table; below each other where a word of a value would not fit its column."""
    rows = [(one.key, _value(one.a, one.key), _value(one.b, one.key)) for one in comparison.differences]
    key_width = min(max(len(key) for key, *_ in rows), WIDEST_KEY)
    room = (console.width - key_width - 3 * EDGE - 1) // 2
    if any(len(word) > room for _, *values in rows for value in values for word in value.split()):
        console.print("[bold]What differs in the recipes[/]")
        for key, of_a, of_b in rows:
            console.print(escape(key), highlight=False)
            for name, value in ((a, of_a), (b, of_b)):
                console.print(Padding(f"[dim]{escape(name)}:[/] {escape(value)}", (0, 0, 0, 2)), highlight=False)
        return
    table = Table(title="What differs in the recipes", title_justify="left", title_style="bold", header_style="")
    table.add_column("key", overflow="fold", min_width=key_width)
    for name in (a, b):
        table.add_column(escape(name), overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def _what(row: Consequence) -> str:
    label = MEMORY_TITLE if row.what == "memory_bytes" else row.what.replace("_", " ")
    return f"{row.stage or 'whole run'}: {label}"


def _show(console: Console, title: str, rows: Iterable[tuple[Consequence, str]], a: str, b: str) -> None:
    rows = list(rows)
    shown = [(row, gib if row.what == "memory_bytes" else number) for row, _ in rows]
    columns = [
        Column(a, [show(row.a) for row, show in shown]),
        Column(b, [show(row.b) for row, show in shown]),
        Column("difference", [changed(row.a, row.b, show) for row, show in shown]),
    ]
    show_table(console, title, "what", [label for _, label in rows], columns)


def _value(value: Any, key: str = "") -> str:
    """As YAML on one line; of an entry that only one recipe has, what is not a default."""
    if isinstance(value, dict):
        section = {"stages": Stage, "data": DataSet}.get(key.split(".")[0]) if key.count(".") == 1 else None
        defaults = {} if section is None else {name: field.default for name, field in section.model_fields.items()}
        value = {name: _without_nulls(inner) for name, inner in value.items() if inner != defaults.get(name)}
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.split("\n...")[0].strip()


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
