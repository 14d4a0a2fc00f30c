"""What others must read is as readable as the umask says, whichever library wrote it."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file
from table import rows

from data_builders.build import build
from data_builders.leakage.cache import Facts
from data_builders.shared.files import atomic_path, write_bytes, write_json
from data_builders.shared.state_files import write_checked
from data_builders.shared.temporary_files import open_to_others
from fgtrain.data import FeatureCache, ImageRef
from fgtrain.data.rows import Rows
from fgtrain.images import Square


@pytest.fixture
def pictures(tmp_path) -> Path:
    for name, shade in (("jay", 10), ("wren", 90)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), (shade, 0, 0)).save(tmp_path / "photos" / name / "1.png")
    return tmp_path / "photos"


def built_set(pictures: Path, out: Path) -> None:
    build("caption", root=pictures, out=out / "set", options={"source": "folder"})


def rows_in_memory(pictures: Path, out: Path) -> None:
    built_set(pictures, out)
    Rows(out / "set", out / "cache")


def features(pictures: Path, out: Path) -> None:
    spec = Square(size=8, mean=(0.5,) * 3, std=(0.25,) * 3, resample="bilinear", tokens=1)
    cache = FeatureCache(out / "features", lambda pixels: pixels.mean((2, 3))[:, None, :], "encoder", spec)
    cache.get([ImageRef(path) for path in sorted(pictures.glob("*/*.png"))])


def facts(pictures: Path, out: Path) -> None:
    os.environ["XDG_CACHE_HOME"] = str(out)
    kept = Facts("whole", "u1", [f"/pictures/{n}" for n in range(100)], np.ones((100, 2), np.int64))
    kept.put(np.arange(100), np.ones(100, np.uint8))
    kept.save()


def by_a_library(pictures: Path, out: Path) -> None:
    with atomic_path(out / "weights.safetensors") as temporary:
        temporary.unlink()
        save_file({"a": np.zeros(2, np.float32)}, temporary)
        os.chmod(temporary, 0o600)


def checkpoint(pictures: Path, out: Path) -> None:
    save_file({"a": np.zeros(2, np.float32)}, out / "model.safetensors")
    os.chmod(out / "model.safetensors", 0o600)
    open_to_others(out)


def small_files(pictures: Path, out: Path) -> None:
    write_json(out / "a.json", {})
    write_bytes(out / "b.jpg", b"picture")
    write_checked(out / "c.json", {})


@rows(
    ("a built set", built_set, 3),
    ("rows as they are mapped into memory", rows_in_memory, 4),
    ("features of pictures", features, 4),
    ("facts about pictures", facts, 1),
    ("what a library writes by its name", by_a_library, 1),
    ("a checkpoint", checkpoint, 1),
    ("small files", small_files, 3),
)
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_rights_are_those_of_the_umask(how, out, umask, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    place = tmp_path / "out"
    place.mkdir()
    before = os.umask(umask)
    try:
        how(pictures, place)
    finally:
        os.umask(before)
    written = [path for path in place.rglob("*") if path.is_file() and not path.name.endswith("lock")]
    assert len(written) >= out
    assert {oct(stat.S_IMODE(path.stat().st_mode)) for path in written} == {oct(0o666 & ~umask)}
