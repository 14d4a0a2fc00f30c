"""How many processes a launcher has started, beside how many a recipe asks for: compared before anything is read."""

import os
from collections.abc import Mapping

from evaluation.launcher import Launched, launched, stray, tasks_per_node
from fgtrain.errors import SharedUserError, UserError
from fgtrain.recipe.devices_schema import Devices


def refuse_misfit(recipes: Mapping[str, Devices], environment: Mapping[str, str] = os.environ) -> Launched:
    """Compare the processes that a launcher has started with what the recipes ask for; name -> devices.

    None is needed: every job starts its own. Where a launcher has started as many as a recipe asks for, on one node,
    the first one carries out and the others leave. UserError for any other number, before anything is read;
    SharedUserError where all that were started raise it alike.
    """
    here = launched(environment)
    wanted = {devices.world_size: name for name, devices in recipes.items()}
    if here.by is None:
        left = stray(environment)
        if left and (several := max(wanted, default=1)) > 1:
            raise UserError(
                f"{' '.join(left)} in the environment says that this is one of several processes, {wanted[several]} "
                f"asks for {several}, and none will come: nobody says how many there are. Type: "
                f"unset {' '.join(text.partition('=')[0] for text in left)} (the {several} are started from here), "
                f"or use torchrun --nproc-per-node={several}"
            )
        return here
    if (problem := _misfit(here, recipes, wanted, environment)) is not None:
        raise (SharedUserError if here.known else UserError)(problem)
    return here


def _misfit(
    here: Launched, recipes: Mapping[str, Devices], wanted: Mapping[int, str], environment: Mapping[str, str]
) -> str | None:
    """What is wrong with the number of processes that were started, and what to type. `wanted`: number -> recipe."""
    told, misfits = ", ".join(here.variables), [size for size in wanted if size != here.size]
    if misfits:
        size = misfits[0]
        devices = recipes[wanted[size]]
        return (
            f"{wanted[size]} asks for {number_of(size)} (devices.count {devices.count} x devices.nodes "
            f"{devices.nodes}), but {here.by} has started {here.size} ({told}). {_instead(here, devices)}"
        )
    if here.size > 1 and here.nodes > 1:
        return (
            f"{here.by} has started {here.size} processes on {here.nodes} nodes ({told}). Over several nodes they are "
            f"started by the run itself: write --submit, or start it once, without {here.by}, in a job of that many "
            f"nodes (slurm/train.sbatch)"
        )
    if here.by == "srun" and tasks_per_node(environment) is None:
        return (
            f"srun has started {here.size} processes without saying how many a node ({told}). Type: "
            f"srun --ntasks-per-node={here.size} ..., or leave srun out: the {here.size} are started from here"
        )
    if not here.first and not here.known:
        return (
            f"{' '.join(here.variables)} in the environment says that this is not the first of {here.size} processes, "
            f"and which launcher has started the first one is not known. Type: torchrun --nproc-per-node={here.size}, "
            f"or unset {' '.join(text.partition('=')[0] for text in here.variables)} (they are started from here)"
        )
    return None


def _instead(here: Launched, devices: Devices) -> str:
    if here.known:
        options = f"--ntasks-per-node={devices.count} --nodes={devices.nodes}"
        if here.by == "torchrun":
            options = f"--nproc-per-node={devices.count} --nnodes={devices.nodes}"
        out = f"Leave {here.by} out (the processes are started from here)"
        return f"{out}, or type {options}, or devices.count={here.size}"
    names = " ".join(text.partition("=")[0] for text in here.variables)
    return (
        f"No other will come. Type: unset {names} (the processes are started from here), or torchrun "
        f"--nproc-per-node={devices.count}, or devices.count={here.size}"
    )


def number_of(number: int) -> str:
    return f"{number} processes" if number > 1 else "one process"
