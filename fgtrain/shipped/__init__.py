"""Recipes and Slurm files that come with the program: recipes/ and slurm/ beside the packages, or here in a wheel."""

from difflib import get_close_matches
from pathlib import Path

_HERE = Path(__file__).resolve().parent
# The folder that holds recipes/ and slurm/.
SHIPPED = _HERE if (_HERE / "recipes").is_dir() else _HERE.parents[1]
RECIPES = SHIPPED / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """Name -> file, of all recipes and studies: align_fg10, studies/placement, mini/studies/demo."""
    files = [path for pattern in ("*.yaml", "*/*.yaml", "*/*/*.yaml") for path in sorted(RECIPES.glob(pattern))]
    return {str(path.relative_to(RECIPES).with_suffix("")): path for path in files}


def shipped_names(name: str) -> list[str]:
    """The recipes that `name` may mean: the one of that name (recipes/NAME.yaml, too), else all whose file is called
    so. Empty where there is none."""
    name, known = _plain(name), shipped_recipes()
    return [name] if name in known else [one for one in known if one.rpartition("/")[2] == name]


def hint(name: str) -> str:
    """What to type where `name` is no file: the copy of the recipe that may be meant, or the list of all."""
    if means := shipped_names(name) or get_close_matches(_plain(name), shipped_recipes(), n=1):
        return f"{means[0]} comes with the program; copy it: python -m fgtrain recipes copy {means[0]}"
    return "Those that come with the program: python -m fgtrain recipes"


def _plain(name: str) -> str:
    return name.removeprefix("recipes/").removesuffix(".yaml").removesuffix(".yml")
