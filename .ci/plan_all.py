"""The plan of every recipe together and of every study alone, in one process: importing takes longer than planning."""

import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from fgtrain.__main__ import main
from fgtrain.errors import run_command

FOLDERS = ("recipes", "recipes/mini", "recipes/mini/worlds")
RECIPES = [str(path) for folder in FOLDERS for path in sorted(Path(folder).glob("*.yaml"))]
STUDIES = [str(path) for path in sorted(Path("recipes").rglob("studies/*.yaml"))]


def plan_all() -> None:
    main([*RECIPES, "--plan", "--full"])
    for study in STUDIES:
        print(f"\n{study}", flush=True)
        main([study, "--plan"])


if __name__ == "__main__":
    sys.exit(run_command(plan_all) or 0)
