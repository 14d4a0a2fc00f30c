"""One static HTML file from one or several run folders: what was gained, what was forgotten, and on which questions.

No network, no scripts, no model: everything comes from scores.json, metrics.jsonl, plan.json, recipe.resolved.yaml and
answers/ of each run.
"""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from data_builders.errors import UserError
from data_builders.files import atomic_write

from . import report_text
from .report_curves import curves, pareto
from .report_data import GROUPS, Run, is_accuracy, load_run, primary
from .report_examples import KINDS, examples
from .report_figures import COLOURS, MARKERS
from .report_items import ItemStore, best_checkpoint, change, forgetting, group_mean, shared_tasks
from .report_ledger import ledger_tables
from .report_setup import setup
from .report_table import score_table

TEMPLATES = Path(__file__).parent / "templates"


def write_report(runs: list[Path], out: Path) -> None:
    """Write the report of `runs` (run folders, one or several side by side) to `out`, whole or not at all.

    Raises UserError for a run without scores.json (naming the command that makes it) and for broken files.
    """
    if not runs:
        raise UserError("no run to report on; name at least one run folder, for example runs/align_fg10")
    loaded = [load_run(Path(run)) for run in runs]
    if Path(out).is_dir():
        raise UserError(f"{out} is a folder; name a file for the report, for example {Path(out) / 'report.html'}")
    html = render(loaded)
    with atomic_write(Path(out)) as file:
        file.write(html)


def render(runs: list[Run]) -> str:
    """The report's HTML."""
    store = ItemStore()
    headlines = [headline(store, run) for run in runs]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=report_text.visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(report_text, name) for name in ("num", "signed", "count", "clip")}
    return environment.get_template("report.html").render(
        runs=runs,
        headlines=headlines,
        panels=curves(store, runs),
        pareto=pareto(runs, [h["gain"] for h in headlines], [h["forgot"] for h in headlines]),
        table=score_table(store, runs),
        forgetting=forgetting_bars(store, runs),
        ledgers=ledger_tables(store, runs),
        examples=[examples(store, run) for run in runs],
        setups=[setup(run) for run in runs],
        groups=GROUPS,
        kinds=KINDS,
        markers=MARKERS,
        colours=COLOURS,
    )


def headline(store: ItemStore, run: Run) -> dict:
    """What the run comes to: gain since the first checkpoint, forgetting since each task's best, perplexity apart."""
    first, last = run.checkpoints[0], run.last
    fine, general = shared_tasks(run, "fine_grained"), shared_tasks(run, "general")
    several = len(run.checkpoints) > 1
    best = [primary(best_checkpoint(run, task).tasks[task])["value"] for task in general]
    return {
        "gain": change(store, run, first, last, fine) if several else None,
        "fine_first": group_mean(store, run, first, "fine_grained"),
        "fine_last": group_mean(store, run, last, "fine_grained"),
        "forgot": forgetting(store, run, general) if several else None,
        "general_first": group_mean(store, run, first, "general"),
        "general_best": sum(best) / len(best) if best else None,
        "general_last": group_mean(store, run, last, "general"),
        "perplexities": [
            {"title": score["title"], "first": primary(first.tasks[task]), "last": primary(score)}
            for task, score in last.tasks.items()
            if not is_accuracy(score) and task in first.tasks
        ],
    }


def forgetting_bars(store: ItemStore, runs: list[Run]) -> dict | None:
    """Best-so-far minus now of every task at each run's last checkpoint: {"groups": {group: rows}, "scale": points}."""
    groups, scale = {}, 1.0
    for group in reversed(GROUPS):
        per_run = [shared_tasks(run, group) if len(run.checkpoints) > 1 else [] for run in runs]
        rows = []
        for task in dict.fromkeys(task for tasks in per_run for task in tasks):
            bars = []
            for index, (run, tasks) in enumerate(zip(runs, per_run, strict=True)):
                if task in tasks:
                    lost = forgetting(store, run, [task])
                    scale = max(scale, lost.value, lost.high)
                    bars.append({"index": index, "run": run, "lost": lost, "best": best_checkpoint(run, task)})
            rows.append({"task": task, "title": bars[0]["run"].task_score(task)["title"], "bars": bars})
        if rows:
            groups[group] = rows
    return {"groups": groups, "scale": scale} if groups else None
