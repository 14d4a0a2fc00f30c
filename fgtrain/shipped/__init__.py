"""Recipes and Slurm files that come with the program: recipes/ and slurm/ beside the packages, or here in a wheel."""

from pathlib import Path

_HERE = Path(__file__).resolve().parent
# The folder that holds recipes/ and slurm/.
SHIPPED = _HERE if (_HERE / "recipes").is_dir() else _HERE.parents[1]
