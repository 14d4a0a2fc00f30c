"""What a study says of its arms: quantities, measures and contrasts, which must be there to be matched or compared."""

from evaluation.shared.measure_names import MeasureName, read_measure
from evaluation.tasks.task_files import all_specs, could_select

from .keys import LONGEST_NAME
from .problems import Problem, instead
from .schema import Recipe
from .study import run_name
from .study_schema import MEASURES, Contrast, Matched, StudyFile


def check_study(
    study: StudyFile, recipes: dict[str, Recipe], points: dict[str, list[str]]
) -> tuple[tuple[Matched, ...], tuple[Contrast, ...], list[Problem]]:
    """`matched` and contrasts with the arms that they mean, and what is wrong (places not filled in).

    `points`: an arm as it is written -> the arms that the grid makes of it.
    """
    problems = [*_seeds(study), *_names(study, recipes), *_runs_roots(recipes), *_measures(study, recipes)]
    matched, wrong = _matched(study, recipes, points)
    contrasts, also = _contrasts(study, recipes, points)
    return matched, contrasts, [*problems, *wrong, *also]


def _seeds(study: StudyFile):
    for seed in dict.fromkeys(study.seeds):
        if study.seeds.count(seed) > 1:
            yield Problem(("seeds",), f"names {seed} twice. Each seed is one run of an arm")


def _names(study: StudyFile, recipes: dict[str, Recipe]):
    """Arms whose runs would share a folder where the file system knows no case, or have none for its name's length."""
    seen: dict[str, str] = {}
    runs = [run_name(study.name, arm, seed) for arm in recipes for seed in study.seeds or (recipes[arm].seed,)]
    if len(longest := max(runs, key=len)) > LONGEST_NAME:
        text = f"makes a run called {longest}: {len(longest)} characters, at most {LONGEST_NAME}. Shorten it"
        yield Problem(("name",), text)
    for arm in recipes:
        if (other := seen.setdefault(arm.casefold(), arm)) != arm:
            yield Problem(("arms", arm), f"and {other} would share a folder on some file systems. Rename one")


def _runs_roots(recipes: dict[str, Recipe]):
    roots = {arm: recipe.runs_root for arm, recipe in recipes.items()}
    if len(set(roots.values())) > 1:
        first, *others = roots
        other = next(arm for arm in others if roots[arm] != roots[first])
        text = f"differs between arms ({first}: {roots[first]}, {other}: {roots[other]}). A study lies in one folder: "
        yield Problem(("arms", other, "runs_root"), text + "leave it out")


def _measures(study: StudyFile, recipes: dict[str, Recipe]):
    tasks = list(dict.fromkeys(task for recipe in recipes.values() for task in recipe.evaluation.tasks))
    for index, name in enumerate(study.answer.measure):
        key = ("answer", "measure", index)
        if name in study.answer.measure[:index]:
            yield Problem(key, f"is {name}, as another is. Leave one of them out")
        if name.startswith("features/") and any(_of_features(name, recipe) for recipe in recipes.values()):
            continue
        try:
            said = read_measure(name)
        except ValueError as error:
            yield Problem(key, f"is {name}, {error}")
            continue
        yield from (Problem(key, text) for text in _when(said, name, recipes))
        if said.what in MEASURES or any(_could_mean(said.what.partition(":")[0], task) for task in tasks):
            continue
        text = f"is {name}, neither a measure nor one of the arms' tasks. {instead(said.what, [*MEASURES, *tasks])}"
        yield Problem(key, text)


def _could_mean(measure: str, task: str) -> bool:
    """Might the measure be of what this entry of evaluation.tasks asks? It is known with the question files."""
    if measure == task or measure.startswith(f"{task}/"):
        return True
    specs = all_specs()
    asked = [specs[task]] if task in specs else [one for one in specs.values() if could_select(task, one)]
    return any(measure == one.name or (task == one.name and could_select(measure, one)) for one in asked)


def _when(said: MeasureName, name: str, recipes: dict[str, Recipe]):
    """What is wrong with the checkpoint, or with asking in between."""
    points = list(dict.fromkeys(point for recipe in recipes.values() for point in recipe.evaluation.at))
    if said.at is not None and said.at not in points:
        yield f"is {name}, but no arm is scored at {said.at} (evaluation.at). {instead(said.at, points)}"
    seldom = [arm for arm, recipe in recipes.items() if recipe.evaluation.every_steps is None]
    if said.reaches is not None and seldom:
        yield f"is {name}, but nothing is asked while {seldom[0]} trains. Add evaluation.every_steps: 100 to changes"


def _of_features(name: str, recipe: Recipe) -> bool:
    """Does the recipe measure features/DATA SET/MEASURE/PART? The data set's name may go on with a level, and is its
    folder's where a layout has none of its own."""
    chosen, parts = recipe.evaluation.features, name.split("/")
    if chosen is None or len(parts) != 4:
        return False
    _, data, what, part = parts
    of = any(data.startswith(one.source) or one.source in ("folder", "fgbmk_lists") for one in chosen.sources)
    return of and what in chosen.measures and part.count("-") <= 1 and set(part.split("-")) <= set(chosen.parts)


def _matched(
    study: StudyFile, recipes: dict[str, Recipe], points: dict[str, list[str]]
) -> tuple[tuple[Matched, ...], list[Problem]]:
    mixed = list(dict.fromkeys(name for recipe in recipes.values() for name in recipe.mixed_data))
    trained = {part for recipe in recipes.values() for stage in recipe.enabled_stages.values() for part in stage.train}
    found, problems = [], []
    for index, one in enumerate(study.matched):
        kind, _, of = one.what.partition(".")
        known = {"exposures": mixed, "updates": sorted(trained)}.get(kind)
        if known is not None and of not in known:
            verb = "mixes" if kind == "exposures" else "trains"
            problems.append(Problem(("matched", index), f"is {one.what}, but no arm {verb} {of}. {instead(of, known)}"))
        left_out: list[str] = []
        for place, arm in enumerate(one.but):
            meant = _meant(arm, recipes, points)
            if not meant:
                text = f"is {arm}, which is no arm. {instead(arm, recipes)}"
                problems.append(Problem(("matched", index, "but", place), text))
            left_out += meant
        if len(set(recipes) - set(left_out)) < 2 and len(recipes) > 1:
            problems.append(Problem(("matched", index, "but"), "leaves fewer than two arms to match. Name fewer"))
        for arm, stage in _stopping_early(recipes, left_out):
            text = f"is {one.what}, but stages.{stage}.stop_when may end the stage of {arm} early, so that nobody "
            problems.append(
                Problem(("matched", index), f"{text}knows what it sees. Add but: [{arm}], or leave stop_when out")
            )
        found.append(one.model_copy(update={"but": tuple(left_out)}))
    return tuple(found), problems


def _stopping_early(recipes: dict[str, Recipe], left_out: list[str]) -> list[tuple[str, str]]:
    """(arm, stage) of each stage that may stop early, in arms that are to be matched."""
    arms = {arm: recipe.training_stages for arm, recipe in recipes.items() if arm not in left_out}
    return [(arm, name) for arm, stages in arms.items() for name, stage in stages.items() if stage.stop_when]


def _contrasts(
    study: StudyFile, recipes: dict[str, Recipe], points: dict[str, list[str]]
) -> tuple[tuple[Contrast, ...], list[Problem]]:
    """Two arms as they are written are compared at each point of the grid."""
    found, problems = [], []
    for index, one in enumerate(study.answer.contrasts):
        a, b = (_meant(arm, recipes, points) for arm in (one.a, one.b))
        wrong = [
            f"names {arm}, which is no arm. {instead(arm, recipes)}"
            for arm, meant in ((one.a, a), (one.b, b))
            if not meant
        ]
        if one in study.answer.contrasts[:index]:
            wrong.append(f"is {one}, as another is, and would count twice. Leave one of them out")
        if one.a == one.b:
            wrong.append(f"takes {one.a} from itself. Name two arms")
        if a and b and len(a) != len(b):
            wrong.append(f"compares one point of the grid with several. Arms: {', '.join(recipes)}")
        problems += [Problem(("answer", "contrasts", index), text) for text in wrong]
        found += [Contrast(a=x, b=y) for x, y in zip(a, b, strict=False)]
    return tuple(found), problems


def _meant(arm: str, recipes: dict[str, Recipe], points: dict[str, list[str]]) -> list[str]:
    return [arm] if arm in recipes else points.get(arm, []) if arm else []
