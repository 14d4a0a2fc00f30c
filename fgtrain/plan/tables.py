"""A plan as tables for people. Readable at 80 columns."""

from rich.console import Console
from rich.markup import escape

from data_builders.shared.console import SafeConsole

from .cost import ASSUMED_MFU
from .layout import Column, duration, gib, hours, number, show_table
from .schema import PartPlan, Plan, StagePlan

MEMORY_TITLE = "memory/device"


def print_plan(plan: Plan, console: Console | None = None) -> None:
    console = console or SafeConsole()
    console.print(f"\n[bold]{escape(plan.name)}[/]  seed {plan.seed}, run folder {escape(plan.run_folder)}")
    _stages(plan, console)
    _costs(plan, console)
    _data(plan, console)
    _parts(plan, console)
    _exposures(plan, console)
    _updates(plan, console)
    _evaluations(plan, console)
    _whole(plan, console)
    _checkpoints(plan, console)
    if plan.attention is not None:
        console.print(f"Attention: {escape(plan.attention)}", highlight=False)
    if plan.tasks:
        console.print(f"Scored in full at {', '.join(plan.evaluated)}: {escape(', '.join(plan.tasks))}")
    for note in plan.notes:
        console.print(f"[dim]- {escape(note)}[/]", highlight=False)


def _stages(plan: Plan, console: Console) -> None:
    names = [stage.name for stage in plan.stages]
    columns = [
        Column("samples", [number(stage.samples) for stage in plan.stages]),
        Column("steps", [number(stage.steps) for stage in plan.stages]),
        Column("warm-up", [number(stage.warmup_steps) for stage in plan.stages]),
        Column("batch", [_batch(stage) for stage in plan.stages]),
        Column("tokens", [number(stage.tokens) for stage in plan.stages]),
    ]
    sections: list[int] = []
    if len(names) > 1:
        sections, names = [len(names)], [*names, "all"]
        sums = (number(plan.samples), number(plan.steps), "", "", number(plan.tokens))
        for column, cell in zip(columns, sums, strict=True):
            column.cells = [*column.cells, cell]
    caption = "batch = samples per device x devices x accumulated micro-batches"
    show_table(console, "Stages", "stage", names, columns, caption, sections)


def _batch(stage: StagePlan) -> str:
    batch = stage.batch
    if batch is None:
        return "-"
    return f"{batch.global_batch_size} = {batch.per_device} x {batch.devices} x {batch.accumulation}"


def _costs(plan: Plan, console: Console) -> None:
    stages = plan.stages
    columns = [
        Column("time", [duration(stage.seconds) for stage in stages]),
        Column(MEMORY_TITLE, [_memory(stage) for stage in stages]),
        Column("host/node", [gib(stage.host.most if stage.host else None) if stage.batch else "-" for stage in stages]),
        Column("pictures encoded", [_encoded(stage) for stage in stages]),
        Column("in", [duration(stage.encoder.seconds) if stage.encoder.cached else "-" for stage in stages]),
        Column("kept", [gib(stage.encoder.bytes) if stage.encoder.cached else "-" for stage in stages]),
    ]
    notes = [f"times: estimates, at {ASSUMED_MFU:.0%} of the peak of {stages[0].device if stages else 'the devices'}"]
    if any(stage.memory_bytes is not None and stage.activation_bytes is None for stage in stages):
        notes.append("+ and activations")
    if any(stage.bounded and stage.activation_bytes is not None for stage in stages):
        notes.append("<= at most")
    notes.append("host: while loading, training or saving, whichever is most")
    show_table(console, "Time and memory", "stage", [stage.name for stage in stages], columns, "; ".join(notes))


def _memory(stage: StagePlan) -> str:
    if stage.batch is None:
        return "-"
    if stage.memory_bytes is None:
        return gib(None)
    if stage.activation_bytes is None:
        return gib(stage.memory_bytes) + "+"
    return ("<= " if stage.bounded else "") + gib(stage.memory_bytes)


def _encoded(stage: StagePlan) -> str:
    if stage.encoder.cached:
        return number(stage.encoder.new_views) + " once"
    return "each time" if stage.batch is not None else "-"


def _data(plan: Plan, console: Console) -> None:
    rows = [(stage, data) for stage in plan.stages for data in stage.data]
    shown = [data for _, data in rows]
    first = [index for index, (stage, data) in enumerate(rows) if data is stage.data[0]]
    names = [f"{stage.name}: {data.name}" for stage, data in rows]
    columns = [
        Column("rows", [number(data.rows) + ("*" if data.declared else "") for data in shown]),
        Column("passes", [f"{data.passes:g}" for data in shown]),
        Column("samples", [number(data.samples) for data in shown]),
        Column("questions", [number(data.questions) for data in shown]),
        Column("tokens", [number(data.tokens) + ("~" if data.expected else "") for data in shown]),
    ]
    notes = ["* as the recipe declares"] if any(data.declared for data in shown) else []
    notes += ["~ as the recipe expects"] if any(data.expected and data.chosen is None for data in shown) else []
    notes += ["replayed rows: as those that they are chosen from"] if any(data.chosen for data in shown) else []
    show_table(console, "Data", "stage: data set", names, columns, "; ".join(notes), first)


def _parts(plan: Plan, console: Console) -> None:
    if not plan.stages:
        return
    parts = plan.stages[0].parts
    names = [part.part for part in parts] + ["parameters that learn", "parameters frozen"]
    columns = [Column("parameters", [number(part.parameters) for part in parts] + ["", ""])]
    for stage in plan.stages:
        cells = [_learning(part) for part in stage.parts] + [number(_trainable(stage)), number(_frozen(stage))]
        columns.append(Column(stage.name, cells))
    show_table(console, "Parts: peak learning rate, or frozen", "part", names, columns)


def _learning(part: PartPlan) -> str:
    if part.shares:
        return "\n".join(f"{share:g} {name}" for name, share in part.shares.items())
    if not part.learns:
        return "frozen"
    words = [f"{part.learning_rate:g}"]
    if part.only is not None:
        words.append(f"{part.only} only")
    if part.layers is not None:
        words.append(f"layer{'s' * (not part.layers.isdigit())} {part.layers}")
    if part.lora_rank is not None:
        words.append(f"LoRA rank {part.lora_rank}")
    if part.adapter is not None:
        words.append(part.adapter)
    if part.ema is not None:
        words.append(f"average, {part.ema:g}")
    if part.trainable != part.parameters:
        words.append(f"of it {number(part.trainable)}")
    return "\n".join(words)


def _trainable(stage: StagePlan) -> int | None:
    counts = [part.trainable for part in stage.parts]
    return None if None in counts else sum(counts)


def _frozen(stage: StagePlan) -> int | None:
    """Parameters that stay as they are; those under LoRA adapters do too."""
    counts = [part.trainable if part.learns and not part.added else 0 for part in stage.parts]
    all_of_them = [part.parameters for part in stage.parts]
    return None if None in [*counts, *all_of_them] else sum(all_of_them) - sum(counts)


def _exposures(plan: Plan, console: Console) -> None:
    columns = []
    for stage in plan.stages:
        samples = {data.name: number(data.samples) for data in stage.data}
        columns.append(Column(stage.name, [samples.get(name, "-") for name in plan.exposures]))
    columns.append(Column(_over(plan), [number(total) for total in plan.exposures.values()]))
    show_table(console, "Exposures: samples of each data set", "data set", list(plan.exposures), columns)


def _over(plan: Plan) -> str:
    """What a sum is over: all stages, or those that the last one comes from."""
    return "all" if len(plan.lineage) == len(plan.stages) else f"up to {plan.stages[-1].name}"


def _updates(plan: Plan, console: Console) -> None:
    columns = []
    for stage in plan.stages:
        columns.append(Column(stage.name, [number(p.updates) if p.learns else "-" for p in stage.parts]))
    columns.append(Column(_over(plan), [number(total) for total in plan.updates.values()]))
    show_table(console, "Updates: optimizer steps that move a part", "part", list(plan.updates), columns)


def _evaluations(plan: Plan, console: Console) -> None:
    if not plan.evaluations:
        return
    asked = plan.evaluations
    names = [f"during {one.checkpoint}" if one.during else one.checkpoint for one in asked]
    columns = [
        Column("questions", [number(one.questions) for one in asked]),
        Column("images", [number(one.images) for one in asked]),
        Column("time", [duration(one.seconds) for one in asked]),
    ]
    show_table(console, "Evaluation", "checkpoint", names, columns)


def _whole(plan: Plan, console: Console) -> None:
    spent, disk = plan.device_hours, plan.disk
    rows = {"training": hours(spent.training), "encoding": hours(spent.encoding)}
    rows |= {"evaluation": hours(spent.evaluation), "all": hours(spent.all)}
    show_table(console, "Device hours", "work", list(rows), [Column("hours", list(rows.values()))], sections=[3])
    rows = {"checkpoints": gib(disk.checkpoints), "resume points, three at once": gib(disk.resume)}
    rows |= {"encoder's outputs": gib(disk.features), "answers": gib(disk.answers)}
    rows |= {"a checkpoint for vLLM, while it is asked": gib(disk.served)} if disk.served != 0 else {}
    sections = [len(rows)]
    rows["at most"] = gib(disk.most)
    show_table(console, "Disk", "what", list(rows), [Column("size", list(rows.values()))], sections=sections)


def _checkpoints(plan: Plan, console: Console) -> None:
    marks = [stage.fingerprint + ("*" if stage.provisional else "") for stage in plan.stages]
    columns = [
        Column("fingerprint", marks, text=True),
        Column("folder", [stage.checkpoint for stage in plan.stages], text=True),
    ]
    caption = "* provisional" if any(stage.provisional for stage in plan.stages) else ""
    show_table(console, "Checkpoints", "stage", [stage.name for stage in plan.stages], columns, caption)
