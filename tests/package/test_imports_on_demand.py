"""What only tells, plans or compares begins at once: libraries that take seconds are imported where they are needed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
# What takes longest to import, of all that is installed.
TRAINING = {"torch", "transformers", "lightning", "peft", "accelerate", "datasets", "deepspeed", "wandb"}
FIGURES = {"pandas", "scipy", "sklearn", "matplotlib", "scikit_posthocs", "seaborn", "statsmodels"}
SLOW = TRAINING | FIGURES | {"numpy", "pydantic", "openai", "pyarrow", "albumentations", "jinja2", "rich", "PIL"}
STARTED = """
import json, runpy, sys
sys.argv = sys.argv[1:]
status = 0
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit as ended:
    status = ended.code or 0
print("\\n" + json.dumps([status, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def imported(folder: Path, *words: str) -> set[str]:
    """The packages that `python -m WORDS` has imported when it ends well, in `folder`."""
    environment = os.environ | {"PYTHONPATH": str(TOP)}
    command = [sys.executable, "-c", STARTED, *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    status, modules = json.loads(done.stdout.splitlines()[-1])
    assert status == 0, done.stderr
    return set(modules)


@pytest.mark.parametrize("package", ["fgtrain", "evaluation", "data_builders"])
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_no_library_that_takes_long(package, option, tmp_path):
    assert imported(tmp_path, package, option) & SLOW == set()
