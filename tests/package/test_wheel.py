"""The wheel holds what a clone has, and needs no clone."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILT = "import sys, setuptools.build_meta as backend; backend.build_wheel(sys.argv[1])"
# Recipes and Slurm files -> where the wheel has them.
SHIPPED = {"recipes": "fgtrain/shipped/recipes", "slurm": "fgtrain/shipped/slurm"}
CODE = ("data_builders", "evaluation", "fgtrain")


def tracked() -> list[str]:
    """Files of the repository, without what only looks like one in a folder that somebody works in."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.splitlines() if (TOP / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from links to the repository's files, so that nothing is written there and nothing old gets in."""
    folder = tmp_path_factory.mktemp("clone")
    for name in tracked():
        if name.split("/")[0] in (*CODE, *SHIPPED, "pyproject.toml", "setup.py", "README.md", "LICENSE"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(TOP / name)
    out = tmp_path_factory.mktemp("dist")
    built = subprocess.run([sys.executable, "-c", BUILT, out], cwd=folder, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert "Package would be ignored" not in built.stdout + built.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_has_all_of_the_packages_the_recipes_and_the_slurm_files(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    expected = {name for name in tracked() if name.startswith(tuple(f"{one}/" for one in CODE))}
    for folder, place in SHIPPED.items():
        expected |= {name.replace(folder, place, 1) for name in tracked() if name.startswith(f"{folder}/")}
    own = {name for name in held if ".dist-info/" not in name}
    assert own == expected
    assert {f"{package}/py.typed" for package in CODE} <= held


def test_the_wheel_gives_the_commands(wheel):
    opened = zipfile.ZipFile(wheel)
    (points,) = (name for name in opened.namelist() if name.endswith("entry_points.txt"))
    commands = opened.read(points).decode().partition("[console_scripts]\n")[2].partition("\n\n")[0]
    assert {line.split(" = ")[0] for line in commands.splitlines()} == {"fgtrain", "fgtrain-data", "fgtrain-eval"}


@pytest.mark.slow
def test_an_installed_wheel_runs_a_smoke_outside_the_clone(wheel, tmp_path):
    place = tmp_path / "venv"
    venv.create(place)
    (site,) = place.glob("lib/python3*/site-packages")
    # What it needs is here already; a plain path, whose own .pth files (the editable install's) are not read.
    (site / "ready.pth").write_text(os.pathsep.join(path for path in sys.path if path.endswith("site-packages")))
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin/python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-index", "--no-deps", "--ignore-installed", str(wheel)], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    here = tmp_path / "here"
    here.mkdir()

    def run(command: str, *words: str) -> str:
        started = [str(place / "bin" / command), *words]
        done = subprocess.run(started, cwd=here, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "short_answer" in run("fgtrain-data", "--help")
    assert "judge-agreement" in run("fgtrain-eval", "--help")
    assert run("fgtrain", "--version").startswith("fgtrain ")
    assert "mini/align_fg10" in run("fgtrain", "recipes")
    run("fgtrain", "recipes", "copy", "mini/align_fg10")
    run("fgtrain", "recipes/mini/align_fg10.yaml", "--smoke")
    (page,) = here.glob("runs/smoke/*/report.html")
    assert "Traceback" not in page.read_text(encoding="utf-8")
