"""What a saved view of W&B shows of some runs: sections of panels, each over figures that these runs have logged."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from data_builders.shared.files import read_jsonl
from fgtrain.plan import read_plan
from fgtrain.recipe import Recipe

from .curves import curves
from .forgetting import FINE_GRAINED, GENERAL
from .metrics import stage_rows

STEPS, SAMPLES = "optimizer steps of the stage", "samples seen"
RATES = {  # figure of a training step -> (title, unit)
    "loss": ("loss", ""),
    "loss/": ("loss by data set", ""),
    "lr/": ("learning rate", ""),
    "grad_norm": ("gradient norm", ""),
    "samples_per_s": ("samples a second", ""),
}
MEANS = {  # figure of forgetting -> (section, title)
    "fine_grained": (FINE_GRAINED, "mean of fine-grained tasks"),
    "fine_grained_gain": (FINE_GRAINED, "gained in fine-grained tasks"),
    "general": (GENERAL, "mean of general tasks"),
    "forgetting": (GENERAL, "forgotten in general tasks"),
}
FORGOTTEN, GAINED = "forgetting_full/forgetting", "forgetting_full/fine_grained_gain"
HEADS = {
    "training": "Training: loss and rates",
    GENERAL: "General scores and forgetting",
    FINE_GRAINED: "Fine-grained scores",
    "drift": "Drift and guards",
}


@dataclass(frozen=True)
class Panel:
    """Curves `y` over the curve `x`; a scatter of the last values of both where `lines` is False."""

    title: str
    x: str
    y: tuple[str, ...]
    x_title: str
    y_title: str = ""
    lines: bool = True


def rows_of(recipe: Recipe) -> Iterator[dict]:
    """Rows of metrics.jsonl; of a run that goes on, those of its stages by now. None before it is prepared."""
    whole, plan = recipe.run_folder / "metrics.jsonl", recipe.run_folder / "plan.json"
    if whole.is_file():
        yield from read_jsonl(whole)
    elif plan.is_file():
        for stage in read_plan(plan).stages:
            yield from stage_rows(recipe, stage.fingerprint)


def sections(rows: Iterable[dict]) -> dict[str, list[Panel]]:
    """Head -> panels, those without any left out. `rows`: of one or several runs."""
    found: dict[str, dict[tuple[str, str], Panel]] = {head: {} for head in HEADS}
    last: set[str] = set()
    for row in rows:
        for section, panel in _panels(row):
            known = found[section].get((panel.title, panel.x))
            y = dict.fromkeys((*(known.y if known else ()), *panel.y))
            found[section][panel.title, panel.x] = Panel(panel.title, panel.x, tuple(y), panel.x_title, panel.y_title)
            last |= set(y)
    told = {HEADS[head]: sorted(panels.values(), key=_means_first) for head, panels in found.items() if panels}
    if {FORGOTTEN, GAINED} <= last:
        both = Panel("gained against forgotten", FORGOTTEN, (GAINED,), "points forgotten", "points gained", lines=False)
        told[HEADS[GENERAL]].insert(0, both)
    return told


def _means_first(panel: Panel) -> bool:
    return panel.x != "forgetting_full/samples_seen"


def _panels(row: dict) -> Iterator[tuple[str, Panel]]:
    """(section, panel) of the curves of one row."""
    kind, names = row["kind"], [name for name in curves([row]) if not name.endswith(("/samples_seen", "/step"))]
    if kind == "train":
        prefix = f"train/{row['stage']}/"
        for figure, (title, unit) in RATES.items():
            y = [name for name in names if name == prefix + figure or (figure[-1] == "/" and (prefix + figure) in name)]
            if y:
                yield "training", Panel(f"{row['stage']}: {title}", f"{prefix}step", tuple(y), STEPS, unit)
    elif kind in ("drift", "watch"):
        for name in names:  # of drift those by data set together
            figure = name.removeprefix(f"{kind}/{row['stage']}/")
            title = "drift (KL) by data set" if figure.startswith("kl/") else "drift (KL)" if figure == "kl" else figure
            yield "drift", Panel(f"{row['stage']}: {title}", f"{kind}/samples_seen", (name,), SAMPLES)
    elif kind == "forgetting" and not row["subset"]:
        for figure, (section, title) in MEANS.items():
            if (name := f"forgetting_full/{figure}") in names:
                yield section, Panel(title, "forgetting_full/samples_seen", (name,), SAMPLES, "points")
    elif kind == "eval" and not row["subset"] and row["primary"] and row["group"] in HEADS:
        y = tuple(name for name in names if not name.endswith("/chance"))
        yield row["group"], Panel(row["task"], "eval_full/samples_seen", y, SAMPLES, row["unit"])
