"""python -m fgtrain RECIPE-OR-STUDY [key=value ...] [--plan | --status | --submit] [--smoke]

Carries out what a recipe or a study says: builds its data, trains every stage, asks the checkpoints, reports. What is
done already is not done again, whoever has done it. Several recipes are carried out together and compared;
seed=17,18,19 makes a run of each seed.
"""

import argparse
import os
import sys
from difflib import get_close_matches
from pkgutil import resolve_name
from typing import TYPE_CHECKING

# Nothing that takes long: --help and the other commands come through here. The rest is imported where it is needed.
from data_builders.shared.version_option import add_version
from fgtrain.errors import SharedUserError, UserError, run_command

if TYPE_CHECKING:
    from fgtrain.recipe.study import Study

# Word -> the module whose main(words) does it, imported when asked for, and its line in the help.
SUBCOMMANDS = {
    "init": ("fgtrain.init.command", "a recipe and a study from a folder of photos"),
    "recipes": ("fgtrain.recipes", "recipes that come with the program: list them, copy one"),
    "ask": ("fgtrain.ask.command", "what a checkpoint says about your photos"),
    "export": ("fgtrain.export", "a checkpoint for other programs"),
    "convert": ("fgtrain.convert", "weights published as pickles, as safetensors"),
    "import-internvl": ("fgtrain.import_internvl.command", "published InternVL, or a part of it, without its code"),
    "wandb-view": ("fgtrain.wandb_view", "one saved view in W&B for all runs of a study"),
    "completion": ("fgtrain.completion", "what makes bash or zsh complete the commands"),
}


def parser() -> argparse.ArgumentParser:
    column = max(map(len, SUBCOMMANDS)) + 2
    others = "".join(f"  {word:<{column}}{line}\n" for word, (_, line) in SUBCOMMANDS.items())
    top = argparse.ArgumentParser(
        prog="python -m fgtrain",
        description=__doc__,
        epilog=f"other commands, each with a --help of its own:\n{others}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("words", nargs="+", metavar="RECIPE | STUDY | key=value", help="files, then changes to all")
    what = top.add_mutually_exclusive_group()
    what.add_argument("--plan", action="store_true", help="print every number and stop; needs neither weights nor GPU")
    what.add_argument("--status", action="store_true", help="print what is done, running, waiting or failed, and stop")
    top.add_argument("--submit", action="store_true", help="hand the jobs to Slurm; with --plan, show its scripts")
    top.add_argument("--full", action="store_true", help="with --plan: every run's whole plan, not only the study's")
    top.add_argument("--quiet", action="store_true", help="say only what goes wrong, and the scores in the end")
    top.add_argument(
        "--smoke", action="store_true", help="three steps a stage, five questions a task, in a folder of its own"
    )
    top.add_argument(
        "--cluster", metavar="FILE", help="the cluster's profile (default: $FGTRAIN_CLUSTER, then slurm/cluster.yaml)"
    )
    add_version(top)
    return top


def refuse_what_does_not_go_together(arguments: argparse.Namespace) -> None:
    """UserError when an option would silently be without effect."""
    if arguments.submit and arguments.status:
        raise UserError("--submit and --status do not go together: --status shows what Slurm has, too. Leave one out")
    if arguments.cluster is not None and not arguments.submit:
        raise UserError("--cluster names a profile for --submit. Add --submit, or leave it out")
    if arguments.full and not arguments.plan:
        raise UserError("--full is of --plan. Add --plan, or leave it out")
    if arguments.quiet and (arguments.plan or arguments.status or arguments.submit):
        raise UserError("--quiet is of a run on this host: --plan, --status and --submit are there to be read. Drop it")


def refuse_misspelt_command(word: str) -> None:
    """UserError where the first word is no file and looks like a command."""
    near = get_close_matches(word, SUBCOMMANDS, n=1)
    if near and not os.path.exists(word):
        raise UserError(f"no recipe and no command {word}. Did you mean {near[0]}?")


def carry_out_here(study: "Study", words: list[str], quiet: bool) -> int:
    """Carry the study out on this host; returns the exit status. `words`: what was typed; `quiet`: says only what goes
    wrong, and the scores."""
    from evaluation.launcher import launched
    from fgtrain.graph.begin import begin
    from fgtrain.graph.ending import tell_results
    from fgtrain.graph.opening import tell_opening
    from fgtrain.misfit import refuse_misfit
    from fgtrain.training.stop_signals import stoppable

    try:
        here = refuse_misfit({one.recipe.name: one.recipe.devices for one in study.recipes})
    except SharedUserError:
        if launched().first:  # which speaks for all
            raise
        return 0
    if not here.first:
        return 0  # the first one starts as many as are needed
    with stoppable():
        graph, left, plans = begin(study)
    if left:
        from fgtrain.executors.local import carry_out

        if not quiet:
            tell_opening(study, plans, graph, left)
        outcome = carry_out(left, quiet=quiet)
        if outcome.status:
            return outcome.status
    tell_results(study, len(graph) - len(left), len(left), words)
    return 0


def main(words: list[str]) -> int:
    """Do what the words say, whichever command they begin with; returns the exit status."""
    if words and words[0] in SUBCOMMANDS:
        return resolve_name(f"{SUBCOMMANDS[words[0]][0]}:main")(words[1:]) or 0
    options = parser()
    arguments, unknown = options.parse_known_intermixed_args(words)  # changes may stand behind options, too
    if unknown:
        from fgtrain.recipe.load import SCHEMA_KEYS
        from fgtrain.recipe.problems import instead

        known = [option for action in options._actions for option in action.option_strings if option.startswith("--")]
        key = unknown[0].lstrip("-").partition("=")[0]
        if key.partition(".")[0] in SCHEMA_KEYS:
            raise UserError(f"unknown option {unknown[0]}. To change the recipe, write {key}=VALUE without --")
        raise UserError(f"unknown option {unknown[0]}. {instead(unknown[0], known)} And key=value changes the recipe")
    refuse_what_does_not_go_together(arguments)
    refuse_misspelt_command(arguments.words[0])
    from fgtrain.recipe.study_load import load_study

    study = load_study(arguments.words)
    if arguments.smoke:
        from fgtrain.recipe.smoke import smoke

        study = smoke(study)
    if not any(one.recipe.network for one in study.recipes):
        # Read when the libraries are imported, so before that. Their bars would only tell of local files.
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    if arguments.plan:
        from fgtrain.show_plans import show_plans

        show_plans(study, arguments.full)
    if arguments.submit:
        from fgtrain.executors.slurm import show, submit

        (show if arguments.plan else submit)(study, arguments.cluster)
    elif arguments.status:
        from fgtrain.executors.slurm import queue_of
        from fgtrain.graph.status import print_status

        print_status(study, queue_of(study))
    elif not arguments.plan:
        return carry_out_here(study, arguments.words, arguments.quiet)
    return 0


def command() -> int:
    """The console script; returns the exit status."""
    status = 0

    def run() -> None:
        nonlocal status
        status = main(sys.argv[1:])

    return run_command(run) or status


if __name__ == "__main__":
    sys.exit(command())
