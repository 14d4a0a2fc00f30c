"""What the jobs of one run have in common: the run, its plan, and the graph that they are added to."""

import hashlib
from pathlib import Path
from typing import Any

from fgtrain.jobs.build import builds
from fgtrain.plan import Plan, light_facts
from fgtrain.recipe import Recipe
from fgtrain.runs.evaluations import asked, start_fingerprint

from .job import Graph, Job

JOBS = "jobs"  # folder of a run, or of a study, that holds those of its jobs


class OneRun:
    """Adds jobs of one run to the graph."""

    def __init__(self, graph: Graph, recipe: Recipe, plan: Plan, show: bool, judged_in: Path) -> None:
        """`judged_in`: the folder that notes what judges are paid for all runs that start together."""
        self.graph, self.recipe, self.plan, self.show, self.judged_in = graph, recipe, plan, show, judged_in
        self.asked = asked(recipe)
        self.facts = light_facts(recipe)
        self.start = start_fingerprint(recipe, self.facts)
        self.first, self.then = builds(recipe)
        self.ends: list[str] = []
        self.reached: dict[str, tuple[str, ...]] = {}  # checkpoint -> jobs after which it is there

    def job(self, what: str, kind: str, title: str, identity: tuple, **more: Any) -> str:
        recipe = self.recipe
        return self.graph.add(
            Job(
                name=f"{recipe.name}/{what}",
                kind=kind,
                title=title,
                identity=identity,
                folder=recipe.run_folder / JOBS / what,
                recipe=more.pop("recipe", recipe),
                runs=(recipe.name,),
                **more,
            )
        )

    def devices(self) -> dict[str, Any]:
        devices = self.recipe.devices
        return {"processes": devices.world_size, "nodes": devices.nodes, "computes": True}


def decisive(arguments: dict[str, Any]) -> dict[str, Any]:
    """What of a build job's arguments decides what it builds."""
    return {key: value for key, value in arguments.items() if key != "place"}


def short(identity: tuple) -> str:
    return hashlib.blake2b(repr(identity).encode(), digest_size=4).hexdigest()
