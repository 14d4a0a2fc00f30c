"""What report, status and submit need of a plan is known without torch, and files are not read through twice."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fgtrain.plan import data_facts, file_memo, light_facts, make_plan
from fgtrain.plan.file_memo import file_sha256
from fgtrain.plan.weights import weights_of
from fgtrain.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
MINI = ROOT / "recipes" / "mini" / "base.yaml"
PLANNING = """
import sys
from fgtrain.plan import data_facts, light_facts, make_plan, print_plan
from fgtrain.recipe import load_recipe
print_plan(make_plan(recipe := load_recipe(sys.argv[1]), data_facts(recipe), light_facts(recipe)))
print(*sorted({"torch", "transformers", "lightning", "deepspeed"} & sys.modules.keys()), file=sys.stderr)
"""


def test_a_plan_is_made_without_torch():
    command = [sys.executable, "-c", PLANNING, str(ROOT / "recipes" / "general.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr.strip() == ""
    assert "llava_558k" in done.stdout


def test_light_facts_give_the_plan_of_the_full_ones(monkeypatch):
    from fgtrain.model import model_facts

    monkeypatch.chdir(ROOT)
    recipe = load_recipe(MINI)
    full = model_facts(recipe.model_with_paths(), network=False, stages=recipe.enabled_stages)
    known = data_facts(recipe)
    a, b = make_plan(recipe, known, full), make_plan(recipe, known, light_facts(recipe))
    assert full.weights_sha is not None
    for one, other in zip(a.stages, b.stages, strict=True):
        same = ("fingerprint", "provisional", "samples", "steps", "store")
        assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]


@pytest.fixture
def model(tmp_path):
    recipe = load_recipe(MINI)
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"1" * 100)
    age(folder / "model.safetensors")
    values = {"vision_encoder": str(folder), "language_model": str(folder), "from_scratch": ()}
    return recipe.model.model_copy(update=values)


def age(path: Path, seconds: int = 100) -> None:
    """Set a file's time of writing back; its time of change is now, whatever anybody does."""
    before = path.stat().st_mtime - seconds
    os.utime(path, (before, before))


@pytest.fixture
def reads(monkeypatch):
    """Every file that is read through, from a new process's state, with no file too small or too new to remember."""
    read: list[str] = []
    real = file_memo.sha256_file
    monkeypatch.setattr(file_memo, "WORTH_IT", 50)
    monkeypatch.setattr(file_memo, "SETTLED_NS", -1)
    monkeypatch.setattr(file_memo, "_SEEN", {})
    monkeypatch.setattr(file_memo, "sha256_file", lambda path: read.append(path.name) or real(path))
    return read


def forget() -> None:
    file_memo._SEEN.clear()


def test_a_later_start_does_not_hash_weights_again(model, reads, tmp_path):
    memo = tmp_path / ".cache" / "files.json"
    first = weights_of(model, memo)
    assert reads.count("model.safetensors") == 1, "both parts are the same file"
    forget()
    assert weights_of(model, memo) == first
    assert reads.count("model.safetensors") == 1


def test_other_weights_of_the_same_size_and_time_have_another_hash(model, reads, tmp_path):
    memo, path = tmp_path / "files.json", Path(model.language_model) / "model.safetensors"
    first, times = weights_of(model, memo), path.stat()
    path.write_bytes(b"2" * 100)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    forget()
    assert weights_of(model, memo) != first


def test_weights_in_another_folder_have_the_same_hash(model, reads, tmp_path):
    shutil.copytree(model.language_model, tmp_path / "moved")
    moved = model.model_copy(update={"vision_encoder": str(tmp_path / "moved")})
    assert weights_of(moved, tmp_path / "files.json") == weights_of(model, tmp_path / "files.json")


@pytest.mark.parametrize("damage", ["value", "state", "torn", "list"])
def test_a_damaged_entry_is_not_used(model, reads, tmp_path, damage):
    memo, path = tmp_path / "files.json", Path(model.language_model) / "model.safetensors"
    right = file_sha256(path, memo)
    text = memo.read_text()
    (key,) = json.loads(text)
    if damage == "value":
        text = text.replace(right, "0" * 64)
    elif damage == "state":
        path.write_bytes(b"2" * 100)
        entry = json.loads(text)[key]
        stat = path.stat()
        state = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        text = json.dumps({key: entry | {"state": state}})
    memo.write_text({"torn": text[:40], "list": "[1]"}.get(damage, text))
    forget()
    assert (file_sha256(path, memo) == right) is (damage != "state")
    assert len(reads) == 2


def test_a_file_that_has_just_changed_is_not_remembered(model, reads, tmp_path, monkeypatch):
    monkeypatch.setattr(file_memo, "SETTLED_NS", 10**12)
    for _ in range(2):
        file_sha256(Path(model.language_model) / "model.safetensors", tmp_path / "files.json")
    assert len(reads) == 2
    assert not (tmp_path / "files.json").exists()


def test_a_memo_that_cannot_be_written_changes_nothing(model, reads, tmp_path):
    (tmp_path / "file").write_text("")
    assert weights_of(model, tmp_path / "file" / "files.json") == weights_of(model)
