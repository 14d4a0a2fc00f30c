"""A study file as recipes, one an arm, with every mistake in the file, its base and its arms."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from .load import others_near, place_of, read_chain, shown
from .problems import Key, Place, Problem
from .schema import Recipe
from .soup import SOUP, Soup, souped, what_is_wrong
from .study_arms import ArmValues, Layer, arm_name, grid_layers, set_twice
from .study_checks import check_study
from .study_schema import Contrast, Matched, StudyFile
from .validate import repaired
from .yaml_reader import Source


@dataclass(frozen=True)
class ReadStudy:
    """The file as it is written, and what it means: names of arms stand for all their points of the grid."""

    file: StudyFile
    base: Recipe | None  # None where there is none, or where it is no recipe without an arm's changes
    recipes: dict[str, Recipe]  # arm -> recipe, under the arm's name
    points: dict[str, str]  # arm -> its point of the grid, empty without one
    matched: tuple[Matched, ...]
    contrasts: tuple[Contrast, ...]
    soups: dict[str, Soup]  # arm -> what it averages; its recipe is then one of its ingredients' with the average


def read_study(file: Path, source: Source, overrides: list[str]) -> tuple[ReadStudy | None, list[Problem]]:
    """The study in `file`, whose content is `source`, or None and what is wrong. `overrides` go over every arm."""
    study, wrong, damaged = repaired(source.values, StudyFile)
    problems = [*source.problems, *(Problem(p.key, p.text, place_of(p.key, source.places)) for p in wrong)]
    if study is None:
        return None, problems
    reader = _Reader(file, source.places, study)
    told = {key[:1] for key in (*damaged, *(one.key for one in source.problems))}
    if not study.arms and not study.grid and told.isdisjoint({("arms",), ("grid",)}):
        example = "For example arms: {none: {}, early: {stages.align.mix.fg_short_answer: 10}}"
        reader.problem(("arms",), f"is missing, and there is no grid either. {example}")
    problems += list(set_twice(study, source.places))
    recipes = reader.recipes(overrides)
    problems += reader.problems
    if not problems:
        matched, contrasts, wrong = check_study(study, recipes, reader.points)
        problems += [Problem(p.key, p.text, place_of(p.key, source.places)) for p in wrong]
    if problems:
        return None, problems
    return ReadStudy(study, reader.base(overrides), recipes, reader.point_of, matched, contrasts, reader.soups), []


class _Reader:
    """Lays changes, arms and grid over their recipe files; collects what is wrong."""

    def __init__(self, file: Path, places: dict[Key, Place], study: StudyFile) -> None:
        self.file, self.places, self.study = file, places, study
        self.problems: list[Problem] = []
        self.read: dict[Path, ArmValues] = {}
        self.points: dict[str, list[str]] = {}  # arm as written -> arms with the grid's points

        self.point_of: dict[str, str] = {}
        self.soups: dict[str, Soup] = {}

    def problem(self, key: Key, text: str) -> None:
        self.problems.append(Problem(key, text, place_of(key, self.places)))

    def recipes(self, overrides: list[str]) -> dict[str, Recipe]:
        found: dict[str, Recipe] = {}
        wrong: dict[str, list[Problem]] = {}
        grid = grid_layers(self.study.grid)
        if not self.study.arms and not self.study.grid:
            return found
        for arm, changes in (self.study.arms or {"": {}}).items():
            if SOUP in changes:
                continue
            values = self.started(arm, changes.get("recipe"), whole="model" in changes)
            if values is None:
                continue
            own = {key: value for key, value in changes.items() if key != "recipe"}
            values = self.laid(values, Layer(("arms", arm), own))
            for suffix, point in grid:
                name = arm_name(arm, suffix)
                self.points.setdefault(arm, []).append(name)
                self.point_of[name] = suffix
                here, wrong[name] = _overridden(self.laid(values, point), overrides)
                recipe, more = here.recipe(name)
                wrong[name] += more
                if recipe is not None:
                    found[name] = recipe
        self.problems += _of_arms(wrong)
        return found if self.problems else found | self.souped(found)

    def souped(self, recipes: dict[str, Recipe]) -> dict[str, Recipe]:
        """The arms that average others, each as if all seeds were one."""
        found = {}
        for arm, changes in self.study.arms.items():
            if SOUP not in changes:
                continue
            key: Key = ("arms", arm, SOUP)
            if beside := [change for change in changes if change != SOUP]:
                self.problem(key, f"stands beside {', '.join(beside)}. The arm is an average of others: leave them out")
            soup, wrong, _ = repaired(changes[SOUP] if isinstance(changes[SOUP], dict) else {}, Soup)
            for problem in wrong:
                self.problem((*key, *problem.key), problem.text)
            for text in what_is_wrong(soup, recipes, self.study.seeds):
                self.problem(key, text)
            if not self.problems:
                first, *others = soup.arms
                ingredients = {one: recipes[one] for one in others} or {"seeds": recipes[first]}
                self.soups[arm] = soup
                found[arm] = souped(recipes[first], ingredients).model_copy(update={"name": arm})
                self.points[arm], self.point_of[arm] = [arm], ""
        return found

    def base(self, overrides: list[str]) -> Recipe | None:
        """The base as it is, with what is laid over all arms."""
        values = self.started("", None, whole=False) if self.study.base is not None else None
        return None if values is None else _overridden(values, overrides)[0].recipe("base")[0]

    def started(self, arm: str, recipe: object, whole: bool) -> ArmValues | None:
        """What the arm starts from: its own recipe file or the base, with the changes for all arms.

        `whole`: the arm's changes are a recipe in themselves and need no base.
        """
        key: Key = ("base",) if recipe is None else ("arms", arm, "recipe")
        name = self.study.base if recipe is None else recipe
        if name is None:
            if not whole:
                self.problem(key, "is missing. For example base: general.yaml")
                return None
            return self.laid(ArmValues({}, {}), Layer(("changes",), self.study.changes))
        if not isinstance(name, str):
            self.problem(key, f"is {name!r}, must be the name of one recipe file")
            return None
        file = self.file.parent / Path(name).expanduser()
        if not file.is_file():
            self.problem(key, f"names {name}, which does not exist{others_near(file)}")
            return None
        if file not in self.read:
            values, places, problems = read_chain(file)
            self.problems += problems
            if any(one.key == ("extends",) for one in problems):
                return None
            if not isinstance(values, dict) or "arms" in values:
                what = "is a study itself" if isinstance(values, dict) else "holds no recipe"
                self.problem(key, f"names {shown(file)}, which {what}. Name a recipe")
                return None
            self.read[file] = self.laid(ArmValues(values, places), Layer(("changes",), self.study.changes))
        return self.read[file]

    def laid(self, values: ArmValues, layer: Layer) -> ArmValues:
        values, problems = values.with_layer(layer, self.places)
        self.problems += problems
        return values


def _overridden(values: ArmValues, overrides: Iterable[str]) -> tuple[ArmValues, list[Problem]]:
    problems: list[Problem] = []
    for text in overrides:
        values, wrong = values.with_override(text)
        problems += wrong
    return values, problems


def _of_arms(found: dict[str, list[Problem]]) -> list[Problem]:
    """Each problem once; with the arms it is one of, where its key does not tell and it is not one of all."""
    arms: dict[Problem, list[str]] = {}
    for arm, problems in found.items():
        for problem in dict.fromkeys(problems):
            arms.setdefault(problem, []).append(arm)
    return [
        problem
        if len(of) == len(found) or problem.key[:1] == ("arms",)
        else replace(problem, text=f"{problem.text} (arm{'s' * (len(of) > 1)} {', '.join(of)})")
        for problem, of in arms.items()
    ]
