"""The report from run folders to one HTML file.

No network, no model: everything comes from scores.json, metrics.jsonl, plan.json, recipe.resolved.yaml,
answers/ and, where they are, the feature scores of each run.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from data_builders.shared.errors import UserError
from data_builders.shared.files import atomic_write

from ..compare import Comparison, RunResult, compare_runs
from ..ledger import (
    GROUPS,
    SHARES,
    Estimate,
    ItemStore,
    Run,
    best_checkpoint,
    change_of,
    ever_beyond,
    forgetting,
    is_accuracy,
    load_run,
    primary,
    shared_tasks,
    stands,
)
from ..published.beside import Measured, beside, not_shown, of_runs
from . import text
from .bias import bias_figures
from .categories import run_categories
from .changes import change_tables
from .curves import curves, pareto, passes
from .drift import drift_tables
from .examples import KINDS, examples, forgotten_examples
from .figures import COLOURS, MARKERS
from .items import ledger_tables
from .levels import level_figures
from .line_names import ranked
from .links import link_tables
from .machine import feature_scores, machine_tables
from .name_frequency import name_frequency_figures
from .name_lists import name_lists
from .names import name_outcomes
from .papers import attribute_tables, frow_table, part_tables, strategy_table
from .perturbed import perturbed_table
from .recovery import recovery_tables
from .seen import seen_table
from .setup import setup
from .strong import RULE, script, series_css
from .table import same_n, score_table, unit_of
from .watched import watched_tables
from .wordings import wording_table

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Page:
    """A page before it is written. `shown`: all that its template shows, figures among it; `series`, `strong`: as
    `environment` has them."""

    template: str
    shown: dict
    series: Sequence[str] = ()
    strong: Sequence[int] | None = None

    def html(self, *, exact: bool = False) -> str:
        """`exact`: every number with all its digits, for programs."""
        made = environment(self.series, self.strong).get_template(self.template)
        with text.exact_numbers() if exact else nullcontext():
            return made.render(self.shown)


def write_report(runs: list[Path], out: Path, found: Comparison | None = None) -> None:
    """Write the report of `runs` (run folders, one or several side by side) to `out`, whole or not at all.

    `found`: the comparison of these runs where it has been worked out already. Raises UserError for a run without
    scores.json (naming the command that makes it) and for broken files.
    """
    if not runs:
        raise UserError("no run to report on; name at least one run folder, for example runs/align_fg10")
    if Path(out).is_dir():
        raise UserError(f"{out} is a folder; name a file for the report, for example {Path(out) / 'report.html'}")
    html = render(found or compare_runs([load_run(Path(run)) for run in runs]))
    with atomic_write(Path(out)) as file:
        file.write(html)


def render(found: Comparison) -> str:
    """The report's HTML."""
    return runs_page(found).html()


def runs_page(found: Comparison) -> Page:
    return Page("report.html", content(found), [one.run.name for one in found.runs])


def environment(series: Sequence[str] = (), strong: Sequence[int] | None = None) -> Environment:
    """The templates with the report's own filters. `series`: names of the runs or arms that have colours, `strong`: the
    places of those drawn strongly at first where there are more than six (None: the first six)."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text.visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = ("breakable", "num", "short_interval", "signed", "count", "clip", "p_value")
    made.filters |= {name: getattr(text, name) for name in filters} | {"same_n": same_n, "unit_of": unit_of}
    strong = list(range(COLOURS)) if strong is None else list(strong)
    made.globals |= {"markers": MARKERS, "colours": COLOURS, "series": list(series), "strong": strong}
    made.globals |= {"series_css": series_css(strong), "rule": RULE, "script": script()}
    return made


def content(found: Comparison) -> dict:
    """All that runs.html shows of a comparison."""
    runs = [one.run for one in found.runs]
    published = beside([*of_runs(runs), *features_of(runs)])
    return {
        "runs": runs,
        "published": published,
        "published_others": not_shown(published),
        "headlines": [headline(found.store, one) for one in found.runs],
        "ranked": ranked(found),
        "panels": curves(found),
        "pareto": pareto(found),
        "table": score_table(found),
        "changes": change_tables(found),
        "perturbed": perturbed_table(found),
        "links": link_tables(found),
        "recoveries": recovery_tables(found),
        "watched": watched_tables(found),
        "drift": drift_tables(found),
        "name_lists": name_lists(found),
        "forgetting": forgetting_bars(found.store, found.runs),
        "ledgers": ledger_tables(found),
        "outcomes": name_outcomes(found),
        "forgotten": forgotten_examples(found),
        "attributes": attribute_tables(found),
        "categories": run_categories(found),
        "bias": bias_figures(found),
        "held_out": seen_table(found),
        "frow": frow_table(found),
        "strategies": strategy_table(found),
        "passes": passes(found),
        "levels": level_figures(found),
        "named": name_frequency_figures(found),
        "wordings": wording_table(found),
        "parts_of_tasks": part_tables(found),
        "machine": machine_tables(runs),
        "examples": [examples(one) for one in found.runs],
        "setups": [setup(run) for run in runs],
        "groups": GROUPS,
        "kinds": KINDS,
    }


def features_of(runs: list[Run]) -> list[Measured]:
    """What was measured of features, so that it can stand beside the papers' probes and attacks."""
    return [
        Measured(index, f"{run.name}: {entry['label']}", entry["tasks"])
        for index, run in enumerate(runs)
        for entry in feature_scores(run)
    ]


def headline(store: ItemStore, result: RunResult) -> dict:
    """What the run comes to: gain since the first checkpoint, forgetting since each task's best, perplexity apart."""
    run = result.run
    first, last = run.checkpoints[0], run.last
    general = shared_tasks(run, "general")
    several = len(run.checkpoints) > 1
    best = [(1 / len(general), run, best_checkpoint(run, task), task) for task in general]
    return {
        "gain": result.gain[-1] if several else None,
        "fine_first": result.means["fine_grained"][0],
        "fine_last": result.means["fine_grained"][-1],
        "forgot": result.forgetting[-1] if several else None,
        "single": not several,
        "unmeasured": result.unmeasured,
        "left_out": result.left_out,
        "general_first": result.means["general"][0],
        "general_best": store.estimate(best, len(general), SHARES) if general else None,
        "general_last": result.means["general"][-1],
        "perplexities": [
            {"title": score["title"], "first": primary(first.tasks[task]), "last": primary(score)}
            for task, score in last.tasks.items()
            if not is_accuracy(score) and task in first.tasks
        ],
    }


def task_forgetting(store: ItemStore, result: RunResult, task: str) -> Estimate | None:
    """One task's best so far minus now, in points, item by item where the answers are there; None: it was never above
    chance (or 0), so that nothing was there to forget."""
    run, history = result.run, result.tasks[task].history
    best, last = run.checkpoints.index(best_checkpoint(run, task)), len(run.checkpoints) - 1
    if history is None or best == last or not ever_beyond(run.checkpoints, task):
        return forgetting(store, run, [task])
    one = change_of(history, best, last, tuple(run.checkpoints[place].tasks[task] for place in (best, last)))
    low, high = (-one.high, -one.low) if one.low is not None else (float("nan"), float("nan"))
    return Estimate(-one.value, low, high, one.n, 1)


def forgetting_bars(store: ItemStore, results: list[RunResult]) -> dict | None:
    """Best-so-far minus now of every task at each run's last checkpoint: {"groups": {group: rows}, "scale": points}."""
    groups, scale = {}, 1.0
    for group in reversed(GROUPS):
        per_run = [shared_tasks(one.run, group) if len(one.run.checkpoints) > 1 else [] for one in results]
        rows = []
        for task in dict.fromkeys(task for tasks in per_run for task in tasks):
            bars = []
            for index, (one, tasks) in enumerate(zip(results, per_run, strict=True)):
                if task in tasks:
                    lost = task_forgetting(store, one, task)
                    scale = max(scale, lost.value, lost.high) if lost and lost.high == lost.high else scale
                    about = {"best": best_checkpoint(one.run, task), "stands": stands(one.run.last.tasks[task])}
                    bars.append({"index": index, "run": one.run, "lost": lost, **about})
            rows.append({"task": task, "title": bars[0]["run"].task_score(task)["title"], "bars": bars})
        if rows:
            groups[group] = rows
    return {"groups": groups, "scale": scale} if groups else None
