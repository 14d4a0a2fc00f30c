"""The same inputs, options and seed give the same bytes in every process, however its hashes fall."""

import os
import subprocess
import sys
from pathlib import Path

from data_builders.build import build

REPOSITORY = Path(__file__).resolve().parents[2]
# Builds everything that reads labelled images, and prints a digest of every file.
PROGRAM = """
import hashlib, sys
from pathlib import Path
from data_builders.build import build
root, out = Path(sys.argv[1]), Path(sys.argv[2])
texts = {"texts": str(root / "texts")}
for what, more in {
    "short_answer": {}, "questions": {"per_kind": 2, "wordings": 10}, "caption": {}, "caption_fg": {},
    "tf_balanced": {}, "mosaic": {"neighbours": "sibling", "render": 1, "check": "full"},
    "open_world": {**texts, "frow": "none"}, "frow": texts,
    "fgbmk": {"tracks": "hierarchy,knowledge_bias,attributes", "max_images_per_class": 1},
}.items():
    build(what, root=root, out=out / what, options={"source": "cub", "seed": 5, **more})
for path in sorted(out.rglob("*")):
    if path.is_file() and path.name != ".built.json":  # which holds times
        print(path.relative_to(out), hashlib.sha256(path.read_bytes()).hexdigest())
"""


def test_processes_with_other_hash_seeds_write_the_same(tmp_path):
    options = {"source": "cub", "pixels": 32, "train_images_per_species": 2, "test_images_per_species": 2}
    build("drawn", root=None, out=tmp_path / "cub", options=options)
    running = []
    for number in ("1", "77"):
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "cub"), str(tmp_path / number)]
        # Caches of their own: what one process keeps about pictures must not help the other.
        env = {**os.environ, "PYTHONHASHSEED": number, "XDG_CACHE_HOME": str(tmp_path / f"cache {number}")}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running.append(subprocess.Popen(command, cwd=REPOSITORY, env=env, **pipes))
    (one, trouble), (other, _) = (process.communicate() for process in running)
    assert running[0].returncode == running[1].returncode == 0, trouble
    assert len(one.splitlines()) > 50
    assert one.splitlines() == other.splitlines()
