"""Several processes that want the same data: each set is built once, and all of them find it."""

import hashlib
import json
import multiprocessing
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from lock_fakes import MODES, start
from small_sources import make_cub

from data_builders.build import build
from data_builders.fgbmk import builder
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json

DRAWN = {"train_images_per_species": 2, "test_images_per_species": 1, "general_train": 3, "general_test": 2}
DRAWN |= {"pixels": 32, "processes": 1}
# (what, where its data lie, where it goes): sets that lie in one another's folders too
SETS = (
    ("drawn", None, "world", DRAWN),
    ("short_answer", "world/CUB_200_2011", "built/short", {"source": "cub"}),
    ("questions", "world/CUB_200_2011", "world/questions", {"source": "cub"}),
    ("fgbmk", "world/CUB_200_2011", "world", {"source": "cub", "tracks": ["hierarchy"]}),
    ("fgbmk", "world/CUB_200_2011", "world", {"source": "cub", "tracks": ["knowledge_bias"]}),
)
BUILDS = """
import dataclasses, json, os, sys
from pathlib import Path
from data_builders import build
from data_builders.drawn import parallel_drawing

folder, sets, find = Path(sys.argv[1]), json.loads(sys.argv[2]), build.find_builder
runs = os.open(folder / "runs", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def counted(what):
    def run(root, out, options):
        os.write(runs, f"{what}\\n".encode())
        found.run(root, out, options)
    found = find(what)
    return dataclasses.replace(found, run=run)

def write_one_and_stay(path, data):
    write(path, data)
    sys.stdin.read()

write = parallel_drawing.write_bytes
if sys.argv[3:]:
    parallel_drawing.write_bytes = write_one_and_stay
build.find_builder = counted
print("ready", flush=True)
sys.stdin.readline()
for what, root, out, options in sets:
    build.build(what, root=folder / root if root else None, out=folder / out, options=options)
print("done", flush=True)
"""


def contents(folder: Path) -> dict[str, str]:
    """What was built, without the locks and the records, which hold times."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("world", "built")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file() and path.name != ".built.json" and ".lock" not in path.relative_to(folder).as_posix()
    }


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    folder = tmp_path_factory.mktemp("single")
    for what, root, out, options in SETS:
        build(what, root=folder / root if root else None, out=folder / out, options=options)
    return contents(folder)


def begin(process) -> None:
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize("mode", MODES)
def test_sets_that_four_processes_build_at_once_are_built_once(tmp_path, mode, single):
    folder = tmp_path / "data"
    folder.mkdir()
    processes = [start(BUILDS, folder, json.dumps(SETS), mode=mode, folder=tmp_path) for _ in range(4)]
    for process in processes:
        begin(process)
    for process in processes:
        out, errors = process.communicate()
        assert (process.returncode, out) == (0, "done\n"), errors
    assert sorted((folder / "runs").read_text().split()) == sorted(what for what, *_ in SETS)
    assert contents(folder) == single


@pytest.mark.parametrize("mode", MODES)
def test_who_waits_for_a_build_that_is_killed_says_so_and_finishes_it(tmp_path, mode, single):
    folder = tmp_path / "data"
    folder.mkdir()
    builds = start(BUILDS, folder, json.dumps(SETS), "stay", mode=mode, folder=tmp_path)
    begin(builds)
    while not list((folder / "world").glob("CUB_200_2011/images/*/*.jpg")):
        assert builds.poll() is None
    waits = start(BUILDS, folder, json.dumps(SETS), mode=mode, folder=tmp_path)
    begin(waits)
    while "another process builds it; waiting until it is there" not in waits.stderr.readline():
        assert waits.poll() is None
    builds.kill()
    builds.communicate()
    out, errors = waits.communicate()
    assert (waits.returncode, out) == (0, "done\n"), errors
    assert contents(folder) == single
    assert (folder / "runs").read_text().split().count("drawn") == 2


def _build_later(barrier, cub: Path, out: Path, dataset: str) -> None:
    read = builder.read_json

    def read_and_wait(path):
        found = read(path)
        if path.name == "images.json":  # whoever else reads it now must not be able to
            with suppress(threading.BrokenBarrierError):
                barrier.wait(0.5)
        return found

    builder.read_json = read_and_wait
    build("fgbmk", root=cub, out=out, options={"source": "cub", "dataset": dataset, "tracks": ["knowledge_bias"]})


def test_data_sets_that_are_added_to_one_benchmark_at_once_are_all_in_its_list_of_images(tmp_path):
    cub, context = make_cub(tmp_path / "cub"), multiprocessing.get_context("fork")
    build("fgbmk", root=cub, out=tmp_path / "out", options={"source": "cub", "tracks": ["knowledge_bias"]})
    barrier = context.Barrier(2)
    processes = [
        context.Process(target=_build_later, args=(barrier, cub, tmp_path / "out", dataset)) for dataset in "ab"
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert set(read_json(tmp_path / "out" / "FG-BMK" / "images.json")) == {"cub", "a", "b"}


def test_a_build_that_fails_leaves_a_folder_that_another_may_be_built_into(tmp_path):
    with pytest.raises(UserError):
        build("fgbmk", root=tmp_path / "nothing", out=tmp_path / "world", options={"source": "cub"})
    with pytest.raises(UserError):
        build("short_answer", root=tmp_path / "nothing", out=tmp_path / "world" / "short", options={"source": "cub"})
    build("drawn", root=None, out=tmp_path / "world", options=DRAWN)


def test_what_is_built_is_found_where_nothing_may_be_written(tmp_path, monkeypatch):
    """A read-only data set: no lock is asked for."""
    cub = make_cub(tmp_path / "cub")
    first = build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub"})

    def refuse(*_, **__):
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "open", refuse)
    assert build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub"}) == first


def test_a_folder_with_no_room_beside_it_is_built_into(tmp_path, monkeypatch):
    """Somebody's own folder in one that belongs to another."""
    given = tmp_path / "given" / "mine"
    given.mkdir(parents=True)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != given.parent and access(path, mode))
    build("drawn", root=None, out=given, options=DRAWN)
    assert [path.name for path in given.parent.iterdir()] == ["mine"]
