"""Does what a recipe asks for exist on this cluster? Said before anything is queued."""

from collections.abc import Iterator, Sequence

from fgtrain.errors import UserError
from fgtrain.recipe import Recipe

from .profile import Cluster

COMPUTING = ("train", "evaluate")  # sections of jobs that take all devices of a recipe


def refuse_misfits(recipes: Sequence[Recipe], cluster: Cluster, profile: str) -> None:
    """UserError that names every recipe's devices which the profile's nodes do not have, with the arithmetic."""
    problems = list(dict.fromkeys(problem for recipe in recipes for problem in _misfits(recipe, cluster, profile)))
    if len(problems) == 1:
        raise UserError(problems[0])
    if problems:
        raise UserError("these recipes do not fit the cluster:\n" + "\n".join(f"  - {problem}" for problem in problems))


def _misfits(recipe: Recipe, cluster: Cluster, profile: str) -> Iterator[str]:
    devices = recipe.devices
    for section in COMPUTING:
        there = cluster.machine(section).gpus_per_node
        key = "gpus_per_node" if section == "train" else f"{section}.gpus_per_node"
        if section != "train" and there == cluster.gpus_per_node:
            continue
        if devices.accelerator == "gpu" and not there:
            yield (
                f"{recipe.name}: devices.accelerator is gpu, but {profile} says {key}: 0. "
                f"Correct the profile, or write devices.accelerator=cpu"
            )
        if devices.accelerator != "cpu" and there and devices.count > there:
            total = devices.world_size
            nodes = -(-total // there)
            yield (
                f"{recipe.name}: devices.count is {devices.count} per node, but a node has {there} GPUs "
                f"({key} in {profile}). {total} devices ({devices.count} x {devices.nodes} "
                f"node{'s' * (devices.nodes > 1)}) are {_spread(total, there, nodes)}"
            )


def _spread(total: int, there: int, nodes: int) -> str:
    while total % nodes:
        nodes += 1
    written = f"devices.count={total // nodes} devices.nodes={nodes}"
    return f"{nodes} nodes of {total // nodes}: write {written}"
