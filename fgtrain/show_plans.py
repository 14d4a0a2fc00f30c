"""--plan: every number of a recipe, what differs between two, or a study on two screens."""

from collections import Counter

from data_builders.built_from import looked_at_once
from data_builders.shared.terminal import say
from fgtrain.errors import UserError
from fgtrain.graph import build_graph, todo
from fgtrain.graph.begin import light_plans
from fgtrain.jobs.build import refuse_wrong_options
from fgtrain.model.plans import whole_plan
from fgtrain.plan import compare_plans, print_comparison, print_plan
from fgtrain.plan.matched import check_matched
from fgtrain.plan.study_tables import print_study_plan
from fgtrain.recipe.study import Study
from fgtrain.show_example import example_lines
from fgtrain.training.throughput import device_peak


@looked_at_once()
def show_plans(study: Study, full: bool) -> None:
    """Print it. `full`: the whole plan of every run, too. UserError where a study's arms are not matched."""
    for one in study.recipes:
        refuse_wrong_options(one.recipe)
    plans = {(one.arm, one.seed): whole_plan(one.recipe, device_peak(one.recipe.devices)) for one in study.recipes}
    alone = len(study.recipes) == 1
    if alone or full:
        for plan in plans.values():
            print_plan(plan)
        for line in example_lines(study.recipes[0].recipe):
            say(line)
    if alone:
        return
    if study.name is None and len(study.recipes) == 2:
        a, b = study.recipes
        print_comparison(compare_plans(a.recipe, plans[a.arm, a.seed], b.recipe, plans[b.arm, b.seed]))
        return
    matched = check_matched(study, plans)
    try:
        jobs, unknown = Counter(job.kind for job in todo(build_graph(study, light_plans(study)))), ""
    except UserError as error:  # a root is not given: a plan does without, the jobs' paths do not
        jobs, unknown = None, str(error)
    print_study_plan(study, plans, matched, jobs, full=full)
    if unknown:
        say(f"Jobs are not counted: {unknown}")
