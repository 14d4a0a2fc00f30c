"""Which packages a command has imported when it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
# What takes longest to import, of all that is installed.
TRAINING = {"torch", "transformers", "lightning", "peft", "accelerate", "datasets", "deepspeed", "wandb"}
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


def imported(folder: Path, *words: object) -> set[str]:
    """The packages that `python -m WORDS` has imported when it ends well, in `folder`."""
    environment = os.environ | {"PYTHONPATH": str(TOP)}
    command = [sys.executable, "-c", STARTED, *map(str, words)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    status, modules = json.loads(done.stdout.splitlines()[-1])
    assert status == 0, done.stderr
    return set(modules)
