"""The end of `fgtrain init`: what was written, what will not be measured, the plan, and what to type next."""

import shlex
import sys
from collections import Counter
from pathlib import Path

from data_builders.shared.terminal import say
from evaluation.tasks.load import load_tasks
from fgtrain.graph import build_graph, todo
from fgtrain.graph.begin import light_plans
from fgtrain.jobs.build import build_data_set, builds
from fgtrain.model.plans import whole_plan
from fgtrain.plan.evaluation import Asked, asked_of
from fgtrain.plan.matched import check_matched
from fgtrain.plan.study_tables import print_study_plan
from fgtrain.processes import Group
from fgtrain.recipe import Recipe
from fgtrain.recipe.load import shown
from fgtrain.recipe.study import Study
from fgtrain.recipe.study_load import load_study
from fgtrain.training.throughput import device_peak

from .general import DRAWN, DRAWN_SKILLS, DRAWN_TEST, TEXT_HELD_OUT
from .recipe import PERPLEXITY, Setting

PROGRAM = "fgtrain" if Path(sys.argv[0]).name == "fgtrain" else "python -m fgtrain"


def build_all(study: Study) -> None:
    """The sets made of photos, so that the plan counts what there is. UserError as a start would have it.

    Drawn pictures are not waited for: how many there will be is known.
    """
    for one in study.recipes:
        for arguments in (some for part in builds(one.recipe) for some in part):
            if arguments["what"] != DRAWN:
                build_data_set(one.recipe, Group(), **arguments)


def asked_here(recipe: Recipe) -> dict[str, Asked]:
    """What each task asks: all questions are here but those that are drawn, or that the model writes."""
    later = {PERPLEXITY: Asked(TEXT_HELD_OUT, 0, prompt_tokens=64)}
    later |= {f"{DRAWN}_{skill}": Asked(DRAWN_TEST, DRAWN_TEST, groups=("general",)) for skill in DRAWN_SKILLS}
    folders = [folder for folder in recipe.evaluation_folders() if folder.is_dir()]
    return {task: later.get(task) or asked_of(load_tasks([task], folders)) for task in recipe.evaluation.tasks}


def print_plan(study: Study) -> None:
    """Every arm asks the same."""
    asked = asked_here(study.recipes[0].recipe)
    plans = {
        (one.arm, one.seed): whole_plan(one.recipe, device_peak(one.recipe.devices), asked) for one in study.recipes
    }
    jobs = Counter(job.kind for job in todo(build_graph(study, light_plans(study))))
    print_study_plan(study, plans, check_matched(study, plans), jobs)


def tell_written(out: Path, told: dict[str, str]) -> None:
    for what in ("written", "renewed", "kept"):
        names = [name for name, how in told.items() if how == what]
        if names:
            more = ": edited; to have them anew, delete them" if what == "kept" else ""
            say(f"{what} in {shown(out)}: {', '.join(names)}{more}")


def tell_unmeasured(setting: Setting) -> None:
    """Silence would be taken for nothing forgotten."""
    for note in setting.general.notes:
        say(note)
    if setting.general.measures_seeing:
        return
    command = f"{PROGRAM} init ... --general"
    mixed = ", ".join(name for name in setting.general.sets)
    beside = f"{mixed} and text" if mixed else "Only text"
    say(
        "Not measured: what the model forgets of seeing (charts, documents, counting, other things). "
        f"{beside} that the model itself writes is mixed in; the perplexity of such text says whether it still speaks."
    )
    say(f"  drawn skills, no download:     {command} drawn")
    say(f"  published benchmarks:          python -m data_builders general --help, then {command} DIR")
    say(f"  your own or LLaVA's data:      {command} FILE.json   (mixed in; some of it is asked about)")


def tell_next(out: Path, setting: Setting) -> None:
    recipe, study = (shlex.quote(shown(out / name)) for name in ("recipe.yaml", "study.yaml"))
    run = shlex.quote(shown(out / "runs" / setting.name))
    say("\nNext:")
    if not setting.model.here:
        say(f"  {setting.model.name} is not on this machine: hf download {setting.model.name}, or add network=true")
    if setting.devices.accelerator == "gpu":
        say("  (on a machine with a GPU; devices.gpu=NAME plans for another than the one above)")
    say(f"  {PROGRAM} {recipe} --smoke      # three steps: does all of it stand?")
    say(f"  {PROGRAM} {recipe}              # the mixed run; its report says what was learnt and forgotten")
    say(f"  {PROGRAM} {study}               # all arms and seeds; on Slurm: --submit")
    say(f"  {PROGRAM} ask {run} PHOTO")


def finish(out: Path, told: dict[str, str], setting: Setting) -> None:
    """Build, plan, tell."""
    tell_written(out, told)
    study = load_study([str(out / "study.yaml")])
    build_all(study)
    print_plan(study)
    if setting.lora_only:
        size = f"{setting.model.parameters / 1e9:.1f} B parameters"
        say(f"The whole model ({size}) does not fit the device that was planned for, so every arm trains adapters")
    tell_unmeasured(setting)
    tell_next(out, setting)
