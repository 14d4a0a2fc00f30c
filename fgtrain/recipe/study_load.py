"""Reads what a command line names: a study file, or recipes as an unnamed study. Every mistake in one message."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from fgtrain.errors import UserError

from .differences import ABSENT, Difference, as_values, differences
from .keys import MOST_SEED
from .load import find_recipe, load_recipe, shown
from .merge import COMMAND_LINE
from .problems import raise_problems
from .schema import Recipe
from .soup import SOUP, Soup, souped
from .study import Arm, ArmRecipe, Study, as_run, run_name
from .study_read import ReadStudy, read_study
from .study_schema import STUDY_KEYS
from .yaml_reader import Source, leading_comment, read_yaml


def load_study(words: list[str]) -> Study:
    """The study that the words of a command line (files and key=value) name.

    One study file, or one or several recipes, which are an unnamed study. `seed=17,18,19` gives the seeds, `name=` a
    study's name; every other change is laid over all arms. Raises one UserError that lists every mistake of a file.
    """
    _refuse_cut_words(words)
    files = [find_recipe(word) for word in words if "=" not in word]
    if not files:
        raise UserError("no recipe is named; for example: python -m fgtrain recipes/mini/align_fg10.yaml")
    overrides, seeds = _seeds([word for word in words if "=" in word])
    sources = [read_yaml(file, shown(file)) for file in files]
    studies = [file for file, source in zip(files, sources, strict=True) if _is_study(source)]
    if not studies:
        return _unnamed(files, overrides, seeds)
    if len(files) > 1:
        others = [shown(file) for file in files if file is not studies[0]]
        raise UserError(f"{shown(studies[0])} is a study, which stands alone. Leave out {', '.join(others)}")
    return _named(studies[0], sources[0], overrides, seeds)


def _refuse_cut_words(words: list[str]) -> None:
    """UserError for a change that the shell has cut at its blanks: `key=[a,` and `b]`."""
    for word in words:
        if "=" in word and any(word.count(left) > word.count(right) for left, right in ("[]", "{}")):
            at = words.index(word)
            end = next((n for n in range(at + 1, len(words)) if words[n].endswith(("]", "}"))), at)
            if end > at:
                whole = shlex.quote(" ".join(words[at : end + 1]))
                raise UserError(f"command line: {word} ends within a bracket. Put what holds blanks in quotes: {whole}")


def _is_study(source: Source) -> bool:
    return isinstance(source.values, dict) and any(key in source.values for key in STUDY_KEYS)


def _seeds(overrides: list[str]) -> tuple[list[str], tuple[int, ...]]:
    """The overrides without `seed=`, and its seeds: none where it is not there."""
    given = [word.partition("=")[2].strip() for word in overrides if word.partition("=")[0].strip() == "seed"]
    rest = [word for word in overrides if word.partition("=")[0].strip() != "seed"]
    if not given:
        return rest, ()
    text = given[-1].removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*)*", text):
        example = "Write seed=17, or seed=17,18,19 for several"
        raise UserError(f"command line: seed is {given[-1] or 'empty text'}, not whole numbers. {example}")
    seeds = tuple(int(number) for number in text.split(","))
    for seed in seeds:
        if seed > MOST_SEED:
            raise UserError(f"command line: seed is {seed}, must be at most {MOST_SEED}")
        if seeds.count(seed) > 1:
            raise UserError(f"command line: seed={given[-1]} names {seed} twice. Each seed is one run of an arm")
    return rest, seeds


def _unnamed(files: list[Path], overrides: list[str], seeds: tuple[int, ...]) -> Study:
    loaded = [load_recipe(file, overrides) for file in files]
    names = [recipe.name.casefold() for recipe in loaded]  # some file systems know no case
    for recipe in loaded:
        if (count := names.count(recipe.name.casefold())) > 1:
            raise UserError(
                f"{count} of the recipes are named {recipe.name}, and each needs a run folder of its own. Give one of "
                "them another name:, or leave it out"
            )
    recipes = {recipe.name: recipe for recipe in loaded}
    if overrides and (equal := _equal(recipes)) and not _equal({r.name: r for r in map(load_recipe, files)}):
        raise UserError(_made_equal(equal, overrides))
    runs = [ArmRecipe(name, recipe.seed, recipe) for name, recipe in recipes.items()]
    if len(seeds) == 1:
        runs = [ArmRecipe(one.arm, seeds[0], one.recipe.model_copy(update={"seed": seeds[0]})) for one in runs]
    elif seeds:
        runs = [
            ArmRecipe(name, seed, as_run(recipe, f"{name}-s{seed}", seed, group=name, arm=name))
            for seed in seeds
            for name, recipe in recipes.items()
        ]
    return Study(
        name=None,
        file=None,
        question="",
        arms=_arms(recipes, loaded[0], {}, {}),
        seeds=seeds or tuple(dict.fromkeys(recipe.seed for recipe in loaded)),
        matched=(),
        measure=(),
        contrasts=(),
        recipes=tuple(runs),
    )


def _named(file: Path, source: Source, overrides: list[str], seeds: tuple[int, ...]) -> Study:
    changes = []
    for word in overrides:
        key, _, value = word.partition("=")
        if key.strip() == "name":
            source.values["name"], source.places[("name",)] = value.strip(), COMMAND_LINE
        else:
            changes.append(word)
    if seeds:
        source.values["seeds"], source.places[("seeds",)] = list(seeds), COMMAND_LINE
    read, problems = read_study(file, source, changes)
    raise_problems(shown(file), problems, "study")
    if read is None:
        raise AssertionError("no study and no problem")
    if equal := _equal(read.recipes):
        if changes:
            plain, _ = read_study(file, source, [])
            if plain is not None and not _equal(plain.recipes):
                raise UserError(f"study {shown(file)}: {_made_equal(equal, changes)}")
        raise UserError(f"study {shown(file)}: arms {' and '.join(equal)} are equal. Change one, or leave it out")
    first = next(iter(read.recipes.values()))
    reference = read.base if read.base is not None else first
    seeds = read.file.seeds or (reference.seed,)
    name = read.file.name
    return Study(
        name=name,
        file=file,
        question=leading_comment(file),
        arms=_arms(read.recipes, reference, read.points, read.soups),
        seeds=seeds,
        matched=read.matched,
        measure=read.file.answer.measure,
        contrasts=read.contrasts,
        recipes=tuple(_runs(read, name, seeds)),
        soups=read.soups,
    )


def _runs(read: ReadStudy, name: str, seeds: tuple[int, ...]) -> Iterator[ArmRecipe]:
    def run(arm: str, seed: int, recipe: Recipe) -> Recipe:
        return as_run(recipe, run_name(name, arm, seed), seed, group=name, arm=arm)

    for seed in seeds:
        for arm, recipe in read.recipes.items():
            if (soup := read.soups.get(arm)) is None:
                yield ArmRecipe(arm, seed, run(arm, seed, recipe))
            elif soup.seeds_of is None or seed == seeds[0]:
                first, *others = soup.arms
                ingredients = [(f"of-{one}", one, seed) for one in others]
                if soup.seeds_of is not None:
                    ingredients = [(f"of-seed-{one}", first, one) for one in seeds[1:]]
                theirs = {key: run(one, its, read.recipes[one]) for key, one, its in ingredients}
                yield ArmRecipe(arm, seed, run(arm, seed, souped(read.recipes[first], theirs)))


def _equal(recipes: dict[str, Recipe]) -> tuple[str, str] | None:
    """Two arms that would do the same, or None."""
    seen: dict[str, str] = {}
    for arm, recipe in recipes.items():
        values = repr(as_values(recipe.model_copy(update={"name": "", "seed": 0})))
        if values in seen:
            return seen[values], arm
        seen[values] = arm
    return None


def _made_equal(arms: tuple[str, str], overrides: list[str]) -> str:
    what = overrides[0] if len(overrides) == 1 else "the changes " + " ".join(overrides)
    return f"{what} makes arms {arms[0]} and {arms[1]} equal, and nothing is left to compare. Leave it out"


def _arms(
    recipes: dict[str, Recipe], reference: Recipe, points: dict[str, str], soups: Mapping[str, Soup]
) -> tuple[Arm, ...]:
    def changes(name: str, recipe: Recipe) -> tuple[Difference, ...]:
        if name in soups:
            return (Difference(SOUP, ABSENT, str(soups[name])),)
        return tuple(one for one in differences(reference, recipe) if one.key not in ("name", "seed"))

    return tuple(Arm(name, changes(name, recipe), points.get(name, "")) for name, recipe in recipes.items())
