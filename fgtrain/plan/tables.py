"""A plan and a comparison as tables for people. Readable at 100 columns."""

from collections.abc import Callable
from typing import Any

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fgtrain.recipe import DataSet, Stage

from .compare import Comparison
from .cost import ASSUMED_MFU
from .schema import PartPlan, Plan, StagePlan

UNKNOWN = "unknown"
MEMORY_TITLE = "memory/device"


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


def print_plan(plan: Plan, console: Console | None = None) -> None:
    console = console or Console()
    console.print(f"\n[bold]{escape(plan.name)}[/]  seed {plan.seed}, run folder {escape(plan.run_folder)}")
    for table in (_stages(plan), _data(plan), _parts(plan), _exposures(plan), _updates(plan), _checkpoints(plan)):
        console.print(table)
    if plan.tasks:
        console.print(f"Scored in full at {', '.join(plan.evaluated)}: {escape(', '.join(plan.tasks))}")
    for note in plan.notes:
        console.print(f"[dim]- {escape(note)}[/]", highlight=False)


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    console = console or Console()
    a, b = (escape(name) for name in comparison.names)
    if a == b:
        a, b = f"{a} (first)", f"{b} (second)"
    console.print(f"\n[bold]{a}[/] and [bold]{b}[/]")
    chosen = _table("What differs in the recipes", "key", a, b, numbers=False)
    for difference in comparison.differences:
        chosen.add_row(escape(difference.key), *(_value(v, difference.key) for v in (difference.a, difference.b)))
    console.print(chosen if comparison.differences else "The recipes are equal.")
    follows = _table("What follows", "stage", "", a, b, "difference")
    follows.columns[1].justify = "left"
    for row in comparison.consequences:
        show = gib if row.what == "memory_bytes" else number
        label = MEMORY_TITLE if row.what == "memory_bytes" else row.what.replace("_", " ")
        follows.add_row(escape(row.stage) or "whole run", label, show(row.a), show(row.b), _change(row.a, row.b, show))
    console.print(follows)
    matched = _table("Exposures and updates over the whole run", "data set or part", "", a, b, "difference")
    matched.columns[1].justify = "left"
    for rows, label in ((comparison.exposures, "samples"), (comparison.updates, "updates")):
        for row in rows:
            change = _change(row.a, row.b, number)
            matched.add_row(escape(row.stage), label, number(row.a), number(row.b), change)
    console.print(matched)
    shared = ", ".join(comparison.shared)
    console.print(f"Stages that are the same work (done once): {escape(shared) or 'none'}")
    for remark in comparison.remarks:
        console.print(f"[yellow]- {escape(remark)}[/]", highlight=False)


def _table(title: str, *columns: str, numbers: bool = True) -> Table:
    """The first column is text; of the others, numbers stand to the right."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="", expand=False)
    for index, column in enumerate(columns):
        right = numbers and index > 0
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table


def _value(value: Any, key: str = "") -> str:
    """As YAML on one line; of an entry that only one recipe has, what is not a default."""
    if isinstance(value, dict):
        section = {"stages": Stage, "data": DataSet}.get(key.split(".")[0]) if key.count(".") == 1 else None
        defaults = {} if section is None else {name: field.default for name, field in section.model_fields.items()}
        value = {name: _without_nulls(inner) for name, inner in value.items() if inner != defaults.get(name)}
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return escape(text.split("\n...")[0].strip())


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}


def _change(a: int | None, b: int | None, show: Callable[[int | None], str]) -> str:
    if a is None or b is None:
        return UNKNOWN
    if a == b:
        return "equal"
    sign = "+" if b >= a else "-"
    return f"{sign}{show(abs(b - a))}"


def _stages(plan: Plan) -> Table:
    table = _table("Stages", "stage", "samples", "steps", "warm-up", "batch", "tokens", MEMORY_TITLE, "time")
    for stage in plan.stages:
        table.add_row(
            escape(stage.name),
            number(stage.samples),
            number(stage.steps),
            number(stage.warmup_steps),
            _batch(stage),
            number(stage.tokens),
            gib(stage.memory_bytes) + ("" if stage.activation_bytes is not None or stage.memory_bytes is None else "+"),
            duration(stage.seconds),
        )
    if len(plan.stages) > 1:
        table.add_section()
        table.add_row("all", number(plan.samples), number(plan.steps), "", "", number(plan.tokens), "", "")
    notes = ["batch = samples per device x devices x accumulated micro-batches"]
    if any(stage.memory_bytes is not None and stage.activation_bytes is None for stage in plan.stages):
        notes.append("+ and activations")
    if any(stage.seconds is not None for stage in plan.stages):
        notes.append(f"time: an estimate, at {ASSUMED_MFU:.0%} of the devices' peak")
    table.caption = "; ".join(notes)
    table.caption_justify = "left"
    return table


def _batch(stage: StagePlan) -> str:
    batch = stage.batch
    return f"{batch.global_batch_size} = {batch.per_device} x {batch.devices} x {batch.accumulation}"


def _data(plan: Plan) -> Table:
    table = _table("Data", "stage", "data set", "rows", "passes", "samples", "questions", "tokens")
    table.columns[1].justify = "left"
    for stage in plan.stages:
        table.add_section()
        for index, data in enumerate(stage.data):
            rows = number(data.rows) + ("*" if data.declared else "")
            table.add_row(
                escape(stage.name) if index == 0 else "",
                escape(data.name),
                rows,
                f"{data.passes:g}",
                number(data.samples),
                number(data.questions),
                number(data.tokens),
            )
    if any(data.declared for stage in plan.stages for data in stage.data):
        table.caption = "* as the recipe declares"
        table.caption_justify = "left"
    return table


def _parts(plan: Plan) -> Table:
    table = _table("Parts: peak learning rate, or frozen", "part", "parameters", *(s.name for s in plan.stages))
    for index, part in enumerate(plan.stages[0].parts if plan.stages else ()):
        table.add_row(part.part, number(part.parameters), *(_learning(s.parts[index]) for s in plan.stages))
    for title, count in (("parameters that learn", _trainable), ("parameters frozen", _frozen)):
        table.add_row(title, "", *(number(count(stage)) for stage in plan.stages))
    return table


def _learning(part: PartPlan) -> str:
    if not part.learns:
        return "frozen"
    words = [f"{part.learning_rate:g}"]
    if part.only is not None:
        words.append(f"{part.only} only")
    if part.layers is not None:
        words.append(f"layer{'s' * (not part.layers.isdigit())} {part.layers}")
    if part.lora_rank is not None:
        words.append(f"LoRA rank {part.lora_rank}")
    if part.trainable != part.parameters:
        words.append(f"{number(part.trainable)} learn")
    return ", ".join(words)


def _trainable(stage: StagePlan) -> int | None:
    counts = [part.trainable for part in stage.parts]
    return None if None in counts else sum(counts)


def _frozen(stage: StagePlan) -> int | None:
    """Parameters that stay as they are; those under LoRA adapters do too."""
    counts = [part.trainable if part.learns and not part.lora_rank else 0 for part in stage.parts]
    all_of_them = [part.parameters for part in stage.parts]
    return None if None in [*counts, *all_of_them] else sum(all_of_them) - sum(counts)


def _exposures(plan: Plan) -> Table:
    names = [stage.name for stage in plan.stages]
    table = _table("Exposures: samples of each data set", "data set", *names, "all")
    for name, total in plan.exposures.items():
        cells = []
        for stage in plan.stages:
            data = next((item for item in stage.data if item.name == name), None)
            cells.append("-" if data is None else number(data.samples))
        table.add_row(escape(name), *cells, number(total))
    return table


def _updates(plan: Plan) -> Table:
    table = _table("Updates: optimizer steps that move a part", "part", *(s.name for s in plan.stages), "all")
    for index, (part, total) in enumerate(plan.updates.items()):
        cells = [number(s.parts[index].updates) if s.parts[index].learns else "-" for s in plan.stages]
        table.add_row(part, *cells, number(total))
    return table


def _checkpoints(plan: Plan) -> Table:
    table = _table("Checkpoints", "stage", "folder", "fingerprint", numbers=False)
    for stage in plan.stages:
        mark = " (provisional)" if stage.provisional else ""
        table.add_row(escape(stage.name), escape(stage.checkpoint), stage.fingerprint + mark)
    return table
