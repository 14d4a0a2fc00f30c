"""Checks every row and question file of a recipe, counts all of it, and leaves the final plan. Loads no weights."""

from collections.abc import Iterable
from dataclasses import replace

from data_builders.shared.locks import locked
from data_builders.shared.terminal import say
from evaluation.perturbing import perturbed_tasks
from evaluation.tasks.load import load_tasks
from evaluation.tasks.task import CONDITION
from evaluation.tasks.task_files import group_of
from fgtrain.data.datamodule import StageData
from fgtrain.data.replay import refuse_too_few
from fgtrain.model import model_facts, outline_model
from fgtrain.plan import Plan, data_facts, make_plan, print_plan, write_plan
from fgtrain.plan.checkpoints import features_at
from fgtrain.plan.code_changes import why_anew
from fgtrain.plan.evaluation import Asked, asked_of, perturbed_entries
from fgtrain.plan.plan_file import earlier_plan
from fgtrain.plan.prepared_lines import prepared_lines, write_plan_text
from fgtrain.plan.replayed import replayed_in
from fgtrain.processes import Group
from fgtrain.recipe import Recipe
from fgtrain.runs.features import features_folder
from fgtrain.runs.groups import refuse_idle_groups, refuse_unmeasured
from fgtrain.runs.names import write_names
from fgtrain.runs.preflight import refuse_what_cannot_run
from fgtrain.runs.unchanged import refuse_changed_data
from fgtrain.training.objectives.making import refuse_undrawn
from fgtrain.training.throughput import device_peak

from .adapters import activation_data
from .build import refuse_missing
from .device_memory import refuse_too_large
from .inputs import candidate_data, stage_data
from .own_answers import refuse_unasked
from .serving import refuse_unserved


def prepare(recipe: Recipe, group: Group, show: bool) -> None:
    """Leave the run's plan.json with nothing provisional in it, and plan.txt for people. `show`: say what it comes to.

    UserError for rows that cannot be used, questions that are missing, a run that was begun over other data.
    """
    refuse_what_cannot_run(recipe)
    for name in recipe.mixed_data:
        if recipe.data[name].replay is None:
            refuse_missing(recipe, name)
    with locked(recipe.run_folder / ".prepare.lock", waiting=f"{recipe.name} is being prepared elsewhere; waiting"):
        lvlm = outline_model(recipe.model_with_paths(), network=recipe.network, seed=recipe.seed)
        refuse_unserved(recipe, lvlm)
        for part in recipe.evaluation.features.parts if features_at(recipe) else ():
            features_folder(recipe, recipe.run_folder, part)  # are all data sets there?
        data = {name: stage_data(recipe, name, lvlm) for name in recipe.training_stages}
        replayed = dict.fromkeys(one for name in data for one in replayed_in(recipe, name))
        sources = [candidate_data(recipe, name, lvlm) for name in replayed]
        for one in (*data.values(), *sources):
            one.check()
        for name, source in zip(replayed, sources, strict=True):
            refuse_unasked(recipe, name, source)
            refuse_too_few(name, recipe.data[name].rows, source.usable())
        for name, one in data.items():
            refuse_undrawn(recipe, name, one)
        for name, stage in recipe.training_stages.items():
            for part in stage.looks_at:
                activation_data(recipe, name, part, lvlm).check()
        plan = counted_plan(recipe, data, counted_questions(recipe), sources)
        refuse_changed_data(recipe, plan)
        refuse_too_large(recipe, plan.stages)
        path = recipe.run_folder / "plan.json"
        for line in why_anew(earlier_plan(path), plan):
            say(line)
        write_names(recipe)
        write_plan(plan, path)
        write_plan_text(recipe.run_folder, lambda console: print_plan(plan, console))
    if show:
        for line in prepared_lines(plan):
            say(line)


def counted_questions(recipe: Recipe) -> dict[str, Asked]:
    """Entry of `evaluation.tasks`, or of what is asked again about perturbed pictures, -> what it asks. UserError for a
    question file that is missing or broken, or pictures that cannot be perturbed so."""
    folders = recipe.evaluation_folders() if recipe.evaluation.tasks else []
    groups, tasks = recipe.evaluation.groups, {}
    for name in recipe.evaluation.tasks:
        found = load_tasks([name], folders)
        tasks[name] = [replace(one, group=group_of(one.name, one.group, groups)) for one in found]
    everything = list({one.name: one for some in tasks.values() for one in some}.values())
    refuse_idle_groups(recipe, [one.name for one in everything])
    refuse_unmeasured(recipe, everything)
    for entry, selector in perturbed_entries(recipe).items():
        tasks[entry] = perturbed_tasks(everything, {selector: [entry.partition(CONDITION)[2]]})
    return {name: asked_of(some) for name, some in tasks.items()}


def counted_plan(
    recipe: Recipe,
    data: dict[str, StageData],
    asked: dict[str, Asked] | None = None,
    sources: Iterable[StageData] = (),
) -> Plan:
    """The plan with data and configuration at hand: nothing in it is provisional. Counting tokens checks every row.

    `sources`: what replayed rows are chosen from. Which they are is not known yet, nor their heaviest micro-batch.
    """
    facts = data_facts(recipe)
    for stage in (*data.values(), *sources):
        for name, counts in stage.counts_per_pass().items():
            cut = stage.cut_rows().get(name)
            facts[name] = replace(
                facts[name], tokens_per_pass=counts.tokens, counts_per_pass=counts, cut=str(cut) if cut else ""
            )
    whole = {name: stage for name, stage in data.items() if set(stage.stage.mix) == set(recipe.stages[name].mix)}
    heaviest = {name: stage.heaviest() for name, stage in whole.items()}
    of_model = model_facts(
        recipe.model_with_paths(), network=recipe.network, stages=recipe.enabled_stages, memo=recipe.file_memo
    )
    return make_plan(recipe, facts, of_model, None, heaviest, device_peak(recipe.devices), asked)
