"""A disk that is full at any of a builder's writes: one message, nothing half-written, and the next run goes on."""

import errno
import itertools
import os
from pathlib import Path

import pytest
from small_sources import make_cub

from data_builders.build import build
from data_builders.built_from import RECORD
from data_builders.shared.errors import UserError

BUILDERS = {
    "short_answer": {},
    "tf_balanced": {},
    "mosaic": {"grid": 2, "render": 3},
    "fgbmk": {},
    "open_world": {"frow": "none"},
}


@pytest.fixture(scope="module")
def cub(tmp_path_factory):
    root = tmp_path_factory.mktemp("cub")
    texts = root / "texts"
    texts.mkdir()
    for name in ("Red Jay", "blue-jay", "STELLERS_JAY", "song sparrow", "fox_sparrow", "winter wren", "mockingbird"):
        (texts / f"{name}.txt").write_text(f"The {name} is a bird. It lives in the woods and eats seeds. It sings.")
    return make_cub(root / "cub"), texts


def files(folder: Path) -> dict[str, bytes]:
    """What others would read: temporary files and marks of an unfinished build begin with a dot."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize("what", BUILDERS)
def test_a_disk_that_is_full_at_any_write(what, cub, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root, texts = cub
    options = {"source": "cub", **BUILDERS[what], **({"texts": str(texts)} if what == "open_world" else {})}
    build(what, root=root, out=tmp_path / "0" / "set", options=options)
    whole, real = files(tmp_path / "0" / "set"), os.replace
    (manifest,) = (name for name in whole if name.endswith("manifest.json"))
    for full_at in itertools.count(1):
        out, writes = tmp_path / str(full_at) / "set", []

        def replace(here, there, out=out, writes=writes, full_at=full_at):
            if out in Path(there).parents:
                writes.append(there)
                if len(writes) == full_at:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(here, there)

        told = ""
        monkeypatch.setattr(os, "replace", replace)
        try:
            build(what, root=root, out=out, options=options)
        except UserError as error:
            told = str(error)
        monkeypatch.setattr(os, "replace", real)
        if not told:
            break
        assert f"no space left while writing {writes[-1]}" in told
        kept = files(out)
        assert kept.items() <= whole.items()
        # Whose record is not there is built again, manifest or not.
        assert manifest not in kept or Path(writes[-1]).name == RECORD
        assert not list(out.rglob("*.part"))
        build(what, root=root, out=out, options=options)
        assert files(out) == whole
    assert files(out) == whole
    assert full_at > len(whole)
