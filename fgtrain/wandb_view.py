"""python -m fgtrain wandb-view RECIPE-OR-STUDY [key=value ...]

Saves one view of the runs in W&B, for everybody in the project: training, general scores and forgetting, fine-grained
scores, drift, grouped by arm. Again, it brings the same view up to date. Only where the recipe says network: true and
W&B has a key ($WANDB_API_KEY, or wandb login); needs pip install 'fgtrain[views]'.
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_builders.shared.files import read_json, write_json
from data_builders.shared.terminal import say
from fgtrain.errors import UserError

if TYPE_CHECKING:
    from fgtrain.recipe import Recipe
    from fgtrain.recipe.study import Study
    from fgtrain.runs.wandb_view import Panel

FILE = "wandb_view.json"
MOST_LINES = 100  # that one panel draws: every arm of a study, not W&B's ten


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m fgtrain wandb-view",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("words", nargs="+", metavar="RECIPE | STUDY | key=value", help="as they were started")
    return top


def main(words: list[str]) -> None:
    """UserError where W&B may not or cannot be asked, and where nothing is measured yet."""
    arguments = parser().parse_args(words)
    from fgtrain.recipe.study_load import load_study
    from fgtrain.runs.wandb_view import rows_of, sections

    study = load_study(arguments.words)
    recipes = [one.recipe for one in study.recipes]
    refuse_offline(recipes[0])
    found = sections(row for recipe in recipes for row in rows_of(recipe))
    if not found:
        raise UserError("no figure is there yet to be shown. Start it, and save the view once it trains")
    say(f"W&B view: {save_view(study, found)}")


def refuse_offline(recipe: "Recipe") -> None:
    """UserError unless the recipe, the environment and a key let W&B be asked."""
    from fgtrain.runs.wandb_run import ONLINE, chosen_mode

    mode, why = chosen_mode(recipe)
    if mode == ONLINE:
        return
    if not recipe.wandb.enabled:
        why = "wandb.enabled is false"
    elif not recipe.network:
        why = "network is false. Add network=true, on a host that has it"
    raise UserError(f"a view lies with W&B, which is not asked: {why or 'WANDB_MODE in the environment forbids it'}")


def save_view(study: "Study", found: "dict[str, list[Panel]]") -> str:
    """The address of the view, which is the one of before where that is still there. `found`: head -> panels."""
    from fgtrain.graph.build import study_folder
    from fgtrain.runs.wandb_run import first_line

    os.environ.setdefault("WANDB_SILENT", "true")
    recipes = [one.recipe for one in study.recipes]
    place = (study_folder(study) if len(recipes) > 1 else recipes[0].run_folder) / FILE
    workspaces = _package()
    try:
        import wandb

        entity, project = recipes[0].wandb.entity or wandb.Api().default_entity, recipes[0].wandb.project
        view = _workspace(study, found, entity, project)
        known = _known(workspaces, place, entity, project)
        if known is not None:
            known.name, known.sections, known.settings = view.name, view.sections, view.settings
            known.runset_settings, view = view.runset_settings, known
        url = view.save().url
    except Exception as error:
        raise UserError(f"W&B did not take the view: {first_line(error)}") from error
    write_json(place, {"url": url, "entity": entity, "project": project})
    return url


def _package() -> Any:
    try:
        import wandb_workspaces.workspaces as workspaces
    except ModuleNotFoundError:
        raise UserError("views need wandb-workspaces, which is not installed: pip install 'fgtrain[views]'") from None
    return workspaces


def _known(workspaces: Any, place: Path, entity: str, project: str) -> Any:
    """The view that was saved before; None where it is gone, elsewhere, or cannot be read by the package any more."""
    try:
        kept = read_json(place)
        if (kept["entity"], kept["project"]) == (entity, project):
            return workspaces.Workspace.from_url(kept["url"])
    except Exception:
        pass
    return None


def _workspace(study: "Study", found: "dict[str, list[Panel]]", entity: str, project: str) -> Any:
    from wandb_workspaces import expr

    workspaces = _package()
    recipes = [one.recipe for one in study.recipes]
    groups = {recipe.wandb.group for recipe in recipes}
    names = [recipe.name for recipe in recipes]
    together = len(groups) == 1 and None not in groups
    which = expr.Metric("Group") == groups.pop() if together else expr.Metric("Name").isin(names)
    return workspaces.Workspace(
        entity=entity,
        project=project,
        name=f"fgtrain {study.name or ', '.join(names[:3])}",
        sections=[
            workspaces.Section(name=head, panels=[_drawn(one) for one in panels], is_open=True)
            for head, panels in found.items()
        ],
        settings=workspaces.WorkspaceSettings(max_runs=MOST_LINES),
        runset_settings=workspaces.RunsetSettings(
            filters=expr.And(which), groupby=[expr.Config("arm")] if len(recipes) > 1 else []
        ),
    )


def _drawn(one: "Panel") -> Any:
    """Of the runs of an arm their mean, as a band from the least to the most."""
    import wandb_workspaces.reports.v2 as reports

    titles = {"title": one.title}
    if not one.lines:
        x, (y,) = reports.SummaryMetric(one.x), one.y
        return reports.ScatterPlot(x=x, y=reports.SummaryMetric(y), **titles)
    return reports.LinePlot(
        x=one.x,
        y=list(one.y),
        title_x=one.x_title,
        title_y=one.y_title or None,
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
        max_runs_to_show=MOST_LINES,
        **titles,
    )
