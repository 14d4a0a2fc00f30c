"""python -m fgtrain recipes [copy NAME [--to DIR]]

Recipes and studies that come with the program. Without a word more: their names, and what each is for. `copy` writes
one, and all that it needs (the recipes that it extends or compares, a miniature's parts), into DIR/recipes/; from DIR,
its commands run as they are documented.
"""

import argparse
import filecmp
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_builders.shared.files import atomic_path
from data_builders.shared.terminal import say
from fgtrain.errors import UserError
from fgtrain.recipe.load import shown
from fgtrain.recipe.problems import nearest
from fgtrain.recipe.yaml_reader import leading_comment, read_yaml
from fgtrain.shipped import RECIPES, SHIPPED, shipped_names, shipped_recipes

FOLDER = RECIPES.name


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m fgtrain recipes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = top.add_subparsers(dest="what", metavar="copy")
    copy = commands.add_parser("copy", help="write one, and all that it needs", allow_abbrev=False)
    copy.add_argument("name", metavar="NAME", help="as the list has it: align_fg10, studies/placement")
    copy.add_argument("--to", metavar="DIR", type=Path, default=Path(), help="default: here")
    return top


def main(words: list[str]) -> None:
    """UserError for a name that is none, and for files that are there already and differ."""
    arguments = parser().parse_args(words)
    if arguments.what is None:
        return print_list()
    recipe = find_shipped(arguments.name)
    files = copy_recipe(recipe, arguments.to)
    size = sum(path.stat().st_size for path in files)
    say(f"{shown(arguments.to / relative(recipe))}, with all it needs: {len(files)} files, {size / 1000:,.0f} kB")
    there = "" if arguments.to.resolve() == Path.cwd() else f"cd {shlex.quote(str(arguments.to))} && "
    say(f"its plan: {there}python -m fgtrain {relative(recipe)} --plan")


def print_list() -> None:
    """Name and first sentence of each, a line an entry, as wide as the terminal or whole where there is none."""
    width = shutil.get_terminal_size((1000, 24)).columns - 1
    groups: dict[Path, dict[str, str]] = {}
    for name, path in shipped_recipes().items():
        groups.setdefault(relative(path.parent), {})[name] = first_sentence(leading_comment(path))
    lines = []
    for folder, entries in groups.items():
        column = max(map(len, entries)) + 2
        lines.append(f"{folder}/")
        lines += [shorten(f"{name:{column}}{text}", width) for name, text in entries.items()]
        lines.append("")
    say("\n".join([*lines, "copy one, with all it needs: python -m fgtrain recipes copy NAME"]))


def first_sentence(text: str) -> str:
    return re.split(r"(?<=[.?!])\s", " ".join(text.split()), maxsplit=1)[0]


def shorten(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 3].rstrip()}..."


def find_shipped(name: str) -> Path:
    """The file of the recipe. UserError where the name means none, or several."""
    known, means = shipped_recipes(), shipped_names(name)
    if len(means) > 1:
        raise UserError(f"{name} may be {' or '.join(means)}. Name one of them")
    if not means:
        near = nearest(name, known)
        meant = f"Did you mean {near}? " if near else ""
        raise UserError(f"no recipe {name} comes with the program. {meant}All: python -m fgtrain recipes")
    return known[means[0]]


def copy_recipe(recipe: Path, to: Path) -> list[Path]:
    """Copy the shipped recipe and what it needs to where they lie below `to`; returns the copies, the recipe last.

    Files that are there and equal stay. UserError where one differs, before anything is written.
    """
    pairs = [(path, to / relative(path)) for path in needed(recipe)]
    for path, copy in pairs:
        if copy.exists() and not (copy.is_file() and filecmp.cmp(path, copy, shallow=False)):
            raise UserError(f"{copy} is there already and differs from the program's. Choose another --to, or move it")
    for path, copy in pairs:
        if not copy.exists():
            with atomic_path(copy) as temporary:
                shutil.copyfile(path, temporary)
    return [copy for _, copy in pairs]


def relative(path: Path) -> Path:
    """recipes/..., as the recipes themselves name each other's parts."""
    return path.relative_to(SHIPPED)


def needed(recipe: Path) -> list[Path]:
    """All files that it needs, itself last. UserError for one that does not come with the program."""
    found: dict[Path, None] = {}

    def add(path: Path) -> None:
        values = read_yaml(path, shown(path)).values
        for other in _other_recipes(values):
            if (one := Path(path.parent, other).resolve()) not in found:
                add(one)
        for text in _texts(values):
            if text.startswith(f"{FOLDER}/"):
                found.update(dict.fromkeys(_parts(path, text)))
        found[path] = None

    add(recipe)
    return list(found)


def _parts(recipe: Path, text: str) -> list[Path]:
    """The files of what a recipe names as recipes/..."""
    path = SHIPPED / text
    if not path.exists():
        raise UserError(
            f"{relative(recipe)} needs {text}, which does not come with the program: it is made in a clone of the "
            "repository, as the recipe's first lines say"
        )
    return sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]


def _other_recipes(values: dict[str, Any]) -> Iterator[str]:
    """What it names of other recipe files, relative to its own folder."""
    yield from (values[key] for key in ("extends", "base") if key in values)
    yield from (arm["recipe"] for arm in values.get("arms", {}).values() if "recipe" in arm)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)
