"""What a result is known by beside its inputs: the code that made it, and nothing that only readers see."""

import subprocess
import sys
from pathlib import Path

import pytest

from data_builders.shared.code_identity import TOP, CodeIdentity, code_of, commit, explain_change
from data_builders.shared.code_imports import source_file

LOSS = '''"""What is minimised."""


def loss(logits, targets):
    """Mean over tokens."""
    # natural log
    return cross_entropy(logits, targets, smoothing=0.0)
'''
GATHERS = '"""Gathered."""\n\nfrom .loss import loss\nfrom .table import table\n\n__all__ = ["loss", "table"]\n'


def write(folder: Path, **files: str) -> None:
    """`fgtrain__model__loss="..."` writes fgtrain/model/loss.py."""
    for name, text in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        for above in path.relative_to(folder).parents[:-1]:
            (folder / above / "__init__.py").touch()


def code_in(folder: Path, *roots: str) -> CodeIdentity:
    """As a process that begins now would find it."""
    code_of.cache_clear()
    source_file.cache_clear()
    return code_of(*roots, top=folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# natural log", "# base e"),
        ("Mean over tokens.", "The mean over all tokens."),
        ('"""What is minimised."""\n', ""),
        ("\n\n\n", "\n"),
        ("smoothing=0.0)", "smoothing=0.0,\n    )  # none"),
        ("    ", "  "),
    ],
)
def test_what_only_a_reader_sees_leaves_the_hash_alone(tmp_path, old, new):
    write(tmp_path, fgtrain__loss=LOSS)
    before = code_in(tmp_path, "fgtrain.loss")
    assert LOSS.replace(old, new) != LOSS
    write(tmp_path, fgtrain__loss=LOSS.replace(old, new))
    assert code_in(tmp_path, "fgtrain.loss") == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.0", "0.1"),
        ("0.0", "0"),
        ("0.0", "None"),
        ("smoothing", "label_smoothing"),
        ("return ", ""),
        ("(logits, targets)", "(targets, logits)"),
        ("(logits, targets)", "(logits, *targets)"),
        ("(logits, targets)", "(logits, targets=None)"),
        ("def ", "async def "),
    ],
)
def test_one_line_of_code_is_another_program_and_is_named(tmp_path, old, new):
    write(tmp_path, fgtrain__loss=LOSS, fgtrain__step="from .loss import loss")
    before = code_in(tmp_path, "fgtrain.step")
    assert LOSS.replace(old, new, 1) != LOSS
    write(tmp_path, fgtrain__loss=LOSS.replace(old, new, 1))
    after = code_in(tmp_path, "fgtrain.step")
    assert after.hash != before.hash
    assert explain_change(before.files, after.files) == "code of fgtrain/loss.py changed since"


@pytest.mark.parametrize(
    "statement",
    [
        "import fgtrain.model.loss",
        "import fgtrain.model.loss as other",
        "from fgtrain.model import loss",
        "from fgtrain.model.loss import loss",
        "from ..model import loss",
        "from ..model.loss import loss as minimised",
        "from ..model.loss import *",
        "def later():\n    from ..model import loss",
        "if x:\n    from ..model import loss",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    from ..model import loss",
        "import importlib\nimportlib.import_module('fgtrain.model.loss')",
        "from importlib import import_module\nimport_module('.losses', __package__)",
        "from importlib import import_module\nimport_module(f'.los{name}', __package__)",
    ],
)
def test_every_import_statement_is_followed(tmp_path, statement):
    losses = "from ..model import loss"
    write(tmp_path, fgtrain__model__loss=LOSS, fgtrain__training__losses=losses, fgtrain__training__step=statement)
    assert "fgtrain/model/loss.py" in code_in(tmp_path, "fgtrain.training.step").files


def test_what_only_a_type_checker_imports_is_not_followed(tmp_path):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .loss import loss"
    write(tmp_path, fgtrain__loss=LOSS, fgtrain__step=text)
    assert list(code_in(tmp_path, "fgtrain.step").files) == ["fgtrain/step.py"]


def test_an_import_that_cannot_be_told_from_the_text_is_refused(tmp_path):
    write(tmp_path, fgtrain__step="import importlib\nimportlib.import_module(name)")
    with pytest.raises(ValueError, match=r"step\.py, line 2: which module"):
        code_in(tmp_path, "fgtrain.step")
    with pytest.raises(ValueError, match=r"no module fgtrain\.steps"):
        code_in(tmp_path, "fgtrain.steps")


def test_a_package_that_only_gathers_names_is_looked_through(tmp_path):
    write(tmp_path, fgtrain__plan__loss=LOSS, fgtrain__plan__table="table = 1", fgtrain__step="from .plan import loss")
    (tmp_path / "fgtrain/plan/__init__.py").write_text(GATHERS)
    before = code_in(tmp_path, "fgtrain.step")
    assert list(before.files) == ["fgtrain/plan/__init__.py", "fgtrain/plan/loss.py", "fgtrain/step.py"]
    write(tmp_path, fgtrain__plan__table="table = 2", fgtrain__plan__more="more = 3")
    (tmp_path / "fgtrain/plan/__init__.py").write_text(GATHERS + "from .more import more\n")
    assert code_in(tmp_path, "fgtrain.step") == before, "neither another name nor what it is worth was taken"
    (tmp_path / "fgtrain/plan/__init__.py").write_text(GATHERS.replace(".loss", ".table"))
    assert code_in(tmp_path, "fgtrain.step").hash != before.hash, "the name now comes from elsewhere"
    (tmp_path / "fgtrain/plan/__init__.py").write_text(GATHERS + "CONSTANT = 1\n")
    assert "fgtrain/plan/table.py" in code_in(tmp_path, "fgtrain.step").files, "code of its own: all of it is run"


def test_a_submodule_brings_the_code_of_the_packages_above_it(tmp_path):
    write(tmp_path, fgtrain__model__loss=LOSS, fgtrain__model__register="register = 1", fgtrain__step="")
    (tmp_path / "fgtrain/model/__init__.py").write_text("from .register import register\nregister()\n")
    write(tmp_path, fgtrain__step="from .model.loss import loss")
    assert {"fgtrain/model/__init__.py", "fgtrain/model/register.py"} <= code_in(tmp_path, "fgtrain.step").files.keys()


def test_changes_are_told_first_file_first():
    before = {"a.py": "1", "b.py": "1", "gone.py": "1"}
    assert explain_change(before, dict(before)) == ""
    assert explain_change(before, {"a.py": "1", "b.py": "2", "new.py": "1"}) == "code of b.py and 2 more changed since"


def test_every_module_of_ours_can_be_followed():
    for path in sorted(
        path for name in ("data_builders", "evaluation", "fgtrain") for path in (TOP / name).rglob("*.py")
    ):
        code_of(path.relative_to(TOP).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"))


def test_the_code_is_looked_at_without_loading_it():
    code = "import sys; from data_builders.shared.code_identity import code_of"
    code += "; found = code_of('fgtrain.training.trainer')"
    code += "; assert 'fgtrain/training/module.py' in found.files"
    code += "; sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'fgtrain', 'evaluation')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=TOP).returncode == 0


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit_in(folder: Path) -> str | None:
    commit.cache_clear()
    return commit(folder)


def test_the_commit_is_that_of_the_checkout_that_holds_the_code(tmp_path, monkeypatch):
    write(tmp_path, data_builders__step="x = 1")
    assert commit_in(tmp_path) is None, "no checkout"
    git(tmp_path, "init")
    assert commit_in(tmp_path) is None, "a folder within somebody's checkout"
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    first = git(tmp_path, "rev-parse", "HEAD")
    assert commit_in(tmp_path) == first
    (tmp_path / "untracked").touch()
    assert commit_in(tmp_path) == first
    write(tmp_path, data_builders__step="x = 2")
    assert commit_in(tmp_path) == f"{first}-dirty"
    monkeypatch.setenv("PATH", "")
    assert commit_in(tmp_path) is None, "no git"


def test_asking_for_the_commit_starts_nothing_of_the_checkouts(tmp_path):
    write(tmp_path, data_builders__step="x = 1")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    monitor = tmp_path / "monitor"
    monitor.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    monitor.chmod(0o755)
    git(tmp_path, "config", "core.fsmonitor", str(monitor))
    assert commit_in(tmp_path)
    assert not (tmp_path / "started").exists()
