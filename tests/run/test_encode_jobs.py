"""An encode job is the same work before and after its data is built, and done for just the data that it has encoded."""

from pathlib import Path

import pytest
from run_fakes import recipe_values, study_of, write_recipe

from fgtrain.graph import Job, build_graph
from fgtrain.graph.begin import light_plans
from fgtrain.jobs import function_of
from fgtrain.plan import Plan
from fgtrain.processes import Group
from fgtrain.recipe import Recipe, load_recipe


def encode_jobs(recipe: Recipe, plan: Plan | None = None) -> list[Job]:
    study = study_of(recipe)
    plans = light_plans(study) if plan is None else {recipe.name: plan}
    return [job for job in build_graph(study, plans) if job.kind == "encode"]


def do(recipe: Recipe, *kinds: str) -> None:
    for kind in kinds:
        for job in build_graph(study_of(recipe), light_plans(study_of(recipe))):
            if job.kind == kind:
                function_of(kind)(job.recipe, Group(), **job.arguments)


@pytest.mark.parametrize("part", ["projector", "vision_encoder"])
def test_its_name_does_not_hang_on_what_is_built_already(place: Path, part: str) -> None:
    """What is in a queue under it is not submitted again when its data is there."""
    values = recipe_values(place, name="a")
    values["stages"]["align"]["train"] = {part: 1e-3}
    recipe = load_recipe(write_recipe(place, values))
    before = encode_jobs(recipe)
    assert [job.arguments["origin"] for job in before] == ["start" if part == "projector" else "align"]
    do(recipe, "build")
    plan = light_plans(study_of(recipe))["a"]
    assert all(data.sha256 is not None for stage in plan.stages for data in stage.data)
    after = encode_jobs(recipe)
    assert [(job.identity, job.folder, job.arguments["key"]) for job in after] == [
        (job.identity, job.folder, job.arguments["key"]) for job in before
    ]
    assert not any(job.done() for job in (*before, *after))


def test_it_is_done_for_the_data_and_the_encoder_that_it_has_encoded(place: Path) -> None:
    recipe = load_recipe(write_recipe(place, recipe_values(place, name="a")))
    (before,) = encode_jobs(recipe)
    do(recipe, "build", "prepare", "encode")
    assert not before.done()  # it was made when nothing was known of the data
    plan = light_plans(study_of(recipe))["a"]
    assert [job.done() for job in encode_jobs(recipe, plan)] == [True]
    stage = plan.stages[1]
    data = tuple(one.model_copy(update={"sha256": "0" * 64}) for one in stage.data)
    other = plan.model_copy(update={"stages": (plan.stages[0], stage.model_copy(update={"data": data}))})
    (again,) = encode_jobs(recipe, other)
    assert again.identity == before.identity
    assert not again.done()
