"""The report's curves and its gain-against-forgetting picture, from runs to figures."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from ..compare import Comparison, pareto_rows
from ..ledger import GROUPS, Run, known, shared_tasks
from ..shared.sweeps import is_swept
from ..study.over_run import is_primary, places_of, task_curve
from .figures import COLOURS, Figure, Line, Point, Span, figure
from .labels import NARROW, Name, shared_beginning, shortened
from .line_names import line_ends, run_labels
from .text import num, signed

MAX_LOSS_POINTS = 240


def curves(found: Comparison) -> dict[str, dict[str, Figure]]:
    """Panel name (fine_grained, general, loss) -> {"wide": Figure, "narrow": Figure}; without data: absent."""
    runs = [one.run for one in found.runs]
    end = max([1, *(x for r in runs for x in places_of(r))])
    end = max([end, *(row["samples_seen"] for r in runs for row in (*r.train, *r.evals) if row.get("samples_seen"))])
    spans = [span for index, run in enumerate(runs) for span in stage_spans(index, run)]
    trained = any(c.samples_seen for run in runs for c in run.checkpoints) or any(run.train for run in runs)
    x_label = "samples seen" if trained else "checkpoints, in the order in which they were asked"
    panels = {}
    for group, title in GROUPS.items():
        lines, points = _score_marks(found, group)
        if points:
            panels[group] = sizes(
                {"wide": (600, 340), "narrow": (364, 280)},
                f"{title} tasks, % right",
                x_range=(0, end), y_range=(0, 100), lines=lines, points=points, spans=spans, x_label=x_label,
                ends=line_ends(found, lines),
            )  # fmt: skip
    lines = [Line(i, xy, "loss", f"{r.name}: training loss") for i, r in enumerate(runs) if (xy := loss_line(r))][::-1]
    if lines:
        # A few wild steps must not flatten everything else.
        top = float(np.percentile([y for line in lines for _, y in line.xy], 99)) * 1.08 or 1.0
        lines = [Line(line.run, [(x, min(y, top)) for x, y in line.xy], "loss", line.text) for line in lines]
        # Beside the picture of gain against forgetting; where there is none, as wide as the page.
        panels["loss"] = sizes(
            {"wide": (600, 340) if pareto(found) and len(runs) <= COLOURS else (1216, 260), "narrow": (364, 240)},
            "Training loss",
            x_range=(0, end), y_range=(0, top), lines=lines, spans=spans, x_label="samples seen",
            ends=line_ends(found, lines) if len(runs) > 1 else {},
        )  # fmt: skip
    return panels


def pareto(found: Comparison) -> dict[str, Figure]:
    """Gain on fine-grained tasks against forgetting on general tasks, a large mark a run where it ended (one for each
    share, where it merged at several) and a small one for each checkpoint before; empty for under two large ones."""
    points, lines, ends = [], [], {}
    alike = shared_beginning([one.run.name for one in found.runs])
    # The first ones, which are drawn strongly where there are many, lie above the others.
    for i, result in reversed(list(enumerate(found.runs))):
        way = [(0.0, 0.0)]
        for c, (gain, loss) in enumerate(zip(result.gain, result.forgetting, strict=True), 1):
            if not (gain and loss):
                continue
            name = result.run.checkpoints[c].name
            last = c == len(result.gain) or is_swept(name)
            label = result.run.name.removeprefix(alike)
            if is_swept(name):
                label = name if len(found.runs) == 1 else f"{label} {name}"
            way.append((loss.value, gain.value))
            text = (
                f"{result.run.name}, {name}: gained {signed(gain.value)} ({signed(gain.low)} to {signed(gain.high)}), "
            )
            text += (
                f"forgot {num(loss.value)} ({num(loss.low)} to {num(loss.high)}) points, n = {gain.n:,} and {loss.n:,}"
            )
            ends_of = {"low": gain.low, "high": gain.high, "x_low": max(loss.low, 0), "x_high": loss.high}
            points.append(
                Point(i, loss.value, gain.value, text, large=last, label=label if last else "",
                      **(ends_of if last else {}))
            )  # fmt: skip
            if last:
                ends[result.run.name, name] = points[-1]
        lines.append(Line(i, way, "way", f"{result.run.name}: from {result.run.checkpoints[0].name} to the end"))
    if len(ends) < 2:
        return {}
    right = max(10.0, *(p.x_high for p in ends.values()), *(p.x for p in points)) * 1.15
    top = max(10.0, *(p.high for p in ends.values()), *(p.y for p in points)) * 1.12
    bottom = min(0.0, *(p.low for p in ends.values()), *(p.y for p in points)) * 1.1
    front = [ends[row["run"], row["checkpoint"]] for row in pareto_rows(found) if row["on_front"]]
    best = sorted((p.x, p.y) for p in front)
    steps = [xy for a, b in pairwise(best) for xy in (a, (b[0], a[1]))] + best[-1:]
    if len(best) > 1:
        lines.append(Line(0, steps, "front", f"not bettered: {', '.join(sorted(p.label for p in front))}"))
    points.sort(key=lambda p: p.large)
    many = len(ends) > COLOURS
    return sizes(
        {"wide": (1216, 520) if many else (600, 380), "narrow": (364, 440 if many else 320)},
        "Gain against forgetting",
        x_range=(0, right), y_range=(bottom, top), points=points, lines=lines, corner="better",
        x_label="forgotten on general tasks, points", y_label="gained on fine-grained tasks, points",
    )  # fmt: skip


def passes(found: Comparison, most: int = 4) -> list[dict[str, Figure]]:
    """FROW's Figures 8 to 10: how often a data set was seen against what came of it, for each data set whose passes
    differ between the runs; fine-grained means as full marks, general ones as pale ones."""
    trained = [(index, one) for index, one in enumerate(found.runs) if one.run.recipe]  # of others nothing is known
    mixes = [_passes_of(one.run) for _, one in trained]
    figures, names = [], [shortened(name, NARROW) for name in run_labels(found)["wide"]]
    for place in dict.fromkeys(key for mix in mixes for key in mix):
        counts = [mix.get(place, 0.0) for mix in mixes]
        if len(set(counts)) < 2 or len(figures) == most:
            continue
        points = []
        for (i, one), count in zip(trained, counts, strict=True):
            for group, kind in (("general", "before"), ("fine_grained", "")):
                if e := one.means[group][-1]:
                    text = f"{one.run.name}, {count:g} passes: {GROUPS[group].lower()} tasks {num(e.value)} "
                    text += f"({num(e.low)} to {num(e.high)}), n = {e.n:,}"
                    label = "" if kind else names[i]
                    points.append(Point(i, count, e.value, text, low=e.low, high=e.high, kind=kind, label=label))
        stage, data_set = place
        figures.append(
            sizes(
                {"wide": (600, 300), "narrow": (364, 260)},
                f"{data_set} in {stage}: passes against the mean of the tasks, %",
                x_range=(-0.05 * max(counts), max(counts) * 1.08),
                y_range=(0, 100),
                points=points,
                x_label=f"passes over {data_set} in {stage}",
            )
        )
    return figures


def _passes_of(run: Run) -> dict[tuple[str, str], float]:
    """(stage, data set) -> passes, as the recipe has them."""
    stages = run.recipe.get("stages")
    found = {}
    for name, stage in stages.items() if isinstance(stages, dict) else ():
        mix = stage.get("mix") if isinstance(stage, dict) and stage.get("enabled", True) else None
        for data_set, count in mix.items() if isinstance(mix, dict) else ():
            if isinstance(count, int | float):
                found[str(name), str(data_set)] = float(count)
    return found


def stage_spans(index: int, run: Run) -> list[Span]:
    """The run's stages on the axis of samples seen: from metrics.jsonl, else from its checkpoints."""
    end = max([c.samples_seen for c in run.checkpoints] + [row.get("samples_seen") or 0 for row in run.train])
    starts = [(str(row["stage"]), row.get("samples_seen") or 0) for row in run.stages if row.get("stage")]
    if not starts:
        before = 0
        for checkpoint in run.checkpoints:
            if checkpoint.stage:
                starts.append((checkpoint.stage, before))
            before = checkpoint.samples_seen
    if not starts:  # a model that was only asked
        return []
    ends = [start for _, start in starts[1:]] + [end]
    return [Span(index, name, start, stop) for (name, start), stop in zip(starts, ends, strict=True) if stop > start]


def loss_line(run: Run) -> list[tuple[float, float]]:
    """Samples seen and training loss, averaged over neighbouring steps to at most MAX_LOSS_POINTS points."""
    rows = [(row["samples_seen"], row["loss"]) for row in run.train if known(row.get("loss")) and "samples_seen" in row]
    if not rows:
        return []
    parts = np.array_split(np.array(rows, dtype=float), min(len(rows), MAX_LOSS_POINTS))
    return [(float(part[:, 0].mean()), float(part[:, 1].mean())) for part in parts]


def _score_marks(found: Comparison, group: str) -> tuple[list[Line], list[Point]]:
    lines, points = [], []
    for index, result in enumerate(found.runs):
        run = result.run
        tasks = shared_tasks(run, group)
        if not tasks:
            continue
        by_task = {task: task_curve(run, task) for task in tasks}
        for task, curve in by_task.items():
            lines.append(Line(index, sorted(curve.items()), "task", f"{run.name}: {run.task_score(task)['title']}"))
        mean = {}
        for x in sorted(set.intersection(*(set(curve) for curve in by_task.values()))):
            mean[x] = sum(curve[x] for curve in by_task.values()) / len(tasks)
        full = list(zip(places_of(run), run.checkpoints, result.means[group], strict=True))  # a merge sees no samples
        there = {x for x, _, _ in full}
        for x, value in mean.items():
            if x not in there:
                half, n = _subset_spread(run, tasks, x)
                text = (
                    f"{run.name}, after {x:,} samples (subset): {value:.1f} "
                    f"(95 % {max(value - half, 0):.1f} to {min(value + half, 100):.1f}, "
                    f"tasks as if independent), n = {n:,}"
                )
                points.append(Point(index, x, value, text, large=False))
        for x, checkpoint, e in full:
            mean[x] = e.value
            text = (
                f"{run.name}, {checkpoint.name}: {e.value:.1f} (95 % {e.low:.1f} to {e.high:.1f}), "
                f"{e.tasks} tasks, n = {e.n:,}"
            )
            points.append(Point(index, x, e.value, text, low=e.low, high=e.high))
        lines.append(Line(index, sorted(mean.items()), "mean", f"{run.name}: mean of {len(tasks)} tasks"))
    # Means above the thin single tasks.
    lines.sort(key=lambda line: (line.kind == "mean", -line.run))
    return lines, sorted(points, key=lambda p: (p.large, -p.run))


def _subset_spread(run: Run, tasks: list[str], samples_seen: int) -> tuple[float, int]:
    """Half the 95 % interval of a mean over tasks on the subset, and its questions."""
    halves, n = {}, {}
    for row in run.evals:
        if row.get("samples_seen") == samples_seen and row.get("task") in tasks and is_primary(run, row):
            halves[row["task"]] = ((row.get("high") or 0) - (row.get("low") or 0)) / 2
            n[row["task"]] = int(row.get("n") or 0)
    return sum(half**2 for half in halves.values()) ** 0.5 / max(len(tasks), 1), sum(n.values())


def sizes(
    of: dict[str, tuple[int, int]], title: str, ends: Mapping[str, Sequence[Name]] | None = None, **content
) -> dict[str, Figure]:
    """The same figure for wide and for narrow screens; `ends`: what each has written at its lines' ends."""
    return {name: figure(size, title, ends=(ends or {}).get(name, ()), **content) for name, size in of.items()}
