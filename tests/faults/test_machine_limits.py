"""A limit of the machine, wherever it is met and whoever says so, is one message with what to do, and no traceback."""

import errno
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image
from safetensors import SafetensorError
from table import rows

from data_builders.__main__ import main as build_main
from data_builders.leakage.image_integrity import fault_of
from data_builders.shared.errors import UserError, run_command, told
from data_builders.shared.files import atomic_write, write_bytes
from data_builders.shared.pictures import looks_like_picture, open_image
from evaluation.__main__ import main as evaluate
from fgtrain import __main__ as training
from fgtrain.data.quarantine import Quarantine
from fgtrain.jobs import __main__ as program
from fgtrain.jobs.spec import JobSpec, read_faults, write_spec

REPOSITORY = Path(__file__).resolve().parents[2]


def of(number: int, *names: str) -> OSError:
    return OSError(number, os.strerror(number), *names)


def from_another(cause: BaseException) -> BaseException:
    try:
        raise ValueError("what a library made of it") from cause
    except ValueError as error:
        return error


@rows(
    ("the disk is full", of(errno.ENOSPC, "/a/b"), "/a/b: no space left on the disk. Free some"),
    ("the quota is used up", of(errno.EDQUOT, "/a/b"), "/a/b: no space left in your quota"),
    ("files may not grow", of(errno.EFBIG), "ulimit -f unlimited"),
    ("the disk is read-only", of(errno.EROFS, "/a/b"), "/a/b: the disk can only be read. Choose another place"),
    ("too many open files", of(errno.EMFILE, "/a/b"), "ulimit -n 65536"),
    ("too many open files on the machine", of(errno.ENFILE, "/a/b"), "too many files are open at once on this machine"),
    ("no memory, as the system says", of(errno.ENOMEM), "no memory left"),
    ("no memory, as Python says", MemoryError(), "no memory left"),
    ("no memory, as torch says", RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "no memory"),
    ("no memory to load a library", ImportError("x.so: failed to map segment from shared object"), "no memory left"),
    ("no thread, as Python says", RuntimeError("can't start new thread"), "ulimit -u"),
    ("no process", of(errno.EAGAIN), "no more threads or processes can be started"),
    ("full, as safetensors says", SafetensorError("I/O error: No space left on device (os error 28)"), "no space left"),
    ("too large, as safetensors says", SafetensorError("I/O error: File too large (os error 27)"), "ulimit -f"),
    ("open files, as torch says", RuntimeError("unable to open file: Too many open files (24)"), "ulimit -n"),
    ("what a library made of it", from_another(of(errno.ENOSPC, "/a/b")), "/a/b: no space left on the disk"),
    ("a folder that is not ours", of(errno.EACCES, "/a/b"), "Permission denied: /a/b"),
)
def test_a_limit_is_one_message(how, out, capsys):
    def fails() -> None:
        raise how

    assert run_command(fails) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert out in said
    assert said.count("\n") == 1
    assert "Traceback" not in said


@rows(
    ("a wrong value", ValueError("no number"), None),
    ("a file that a defect does not find", of(errno.ENOENT, "/a/b"), None),
    ("a file that would make one wait", of(errno.EAGAIN, "/a/b"), None),
    ("a connection that is reset", of(errno.ECONNRESET), None),
    ("a key", KeyError("Cannot allocate memory"), None),
)
def test_a_defect_keeps_its_traceback(how, out):
    assert told(how) is out
    with pytest.raises(type(how)):
        run_command(lambda: (_ for _ in ()).throw(how))


def fails_with(error: BaseException):
    def fails(*given: object, **named: object) -> None:
        raise error

    return fails


def builders(monkeypatch, error) -> int:
    monkeypatch.setattr("data_builders.build.build", fails_with(error))
    return run_command(lambda: build_main(["drawn", "--out", "x"]))


def evaluation(monkeypatch, error) -> int:
    monkeypatch.setattr("evaluation.__main__.parser", fails_with(error))
    return evaluate([])


def fgtrain(monkeypatch, error) -> int:
    monkeypatch.setattr("fgtrain.recipe.study_load.load_study", fails_with(error))
    monkeypatch.setattr(sys, "argv", ["fgtrain", __file__])
    return training.command()


@rows(
    ("python -m data_builders", builders, 2),
    ("python -m evaluation", evaluation, 2),
    ("python -m fgtrain", fgtrain, 2),
)
def test_each_command_says_it_alike(how, out, monkeypatch, capsys):
    for error, says in ((RuntimeError("can't start new thread"), "ulimit -u"), (of(errno.EMFILE), "ulimit -n")):
        with monkeypatch.context() as patched:
            assert how(patched, error) == out
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert says in said


def test_a_job_leaves_word_of_it(tmp_path, monkeypatch):
    write_spec(tmp_path, JobSpec("run/build", "build", "build", recipe=False), None)
    monkeypatch.setattr(program, "function_of", lambda kind: fails_with(MemoryError()))
    assert program.run_job(tmp_path) == 2
    (fault,) = read_faults(tmp_path)
    assert fault.message.startswith("no memory left")


def atomically(path: Path) -> None:
    with atomic_write(path) as file:
        file.write("x" * 9000)


@rows(
    ("a file that is replaced as a whole", atomically, "ulimit -f"),
    ("one of very many files", lambda path: write_bytes(path, b"x" * 9000), "ulimit -f"),
)
def test_a_file_that_may_not_grow_is_named_and_what_was_there_stays(how, out, tmp_path):
    path = tmp_path / "file"
    path.write_text("before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(UserError, match=out) as caught:
            how(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(path) in str(caught.value)
    assert path.read_text() == "before"


def limited(which: int, bound: int, *words: object) -> subprocess.CompletedProcess:
    def limit() -> None:
        resource.setrlimit(which, (bound, bound))

    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, preexec_fn=limit)


@rows(
    ("the size of a file", (resource.RLIMIT_FSIZE, 600), "ulimit -f unlimited"),
)
def test_a_builder_under_a_limit(how, out, tmp_path):
    for name, shade in (("jay", 10), ("wren", 90)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), (shade, 0, 0)).save(tmp_path / "photos" / name / "1.png")
    words = ("data_builders", "caption", "--source", "folder", "--root", tmp_path / "photos", "--out", tmp_path / "set")
    done = limited(*how, *words)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert out in done.stderr
    assert not (tmp_path / "set/manifest.json").exists()


def open_broken(path: Path) -> None:
    open_image(path)


def look_for_broken(path: Path) -> None:
    assert fault_of(str(path)) is None


def set_aside(path: Path) -> None:
    try:
        open_image(path)
    except UserError as error:
        Quarantine(path.parent / "quarantine.jsonl", 5).add("set", "1", str(error))


def pick_out(path: Path) -> None:
    assert looks_like_picture(path)


@rows(
    ("a picture is opened", open_broken, "ulimit -n"),
    ("broken pictures are looked for", look_for_broken, "ulimit -n"),
    ("bad rows are set aside", set_aside, "ulimit -n"),
    ("pictures are told from other files", pick_out, "ulimit -n"),
)
def test_a_limit_is_not_taken_for_a_broken_picture(how, out, tmp_path, capsys):
    path = tmp_path / "1.tif"
    Image.new("RGB", (8, 8), (9, 9, 9)).save(path)
    how(path)
    files = [os.open(path, os.O_RDONLY)]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, limits[1]))
    try:
        while True:
            try:
                files.append(os.open(path, os.O_RDONLY))
            except OSError:
                break
        status = run_command(lambda: how(path))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for file in files:
            os.close(file)
    assert status == 2
    assert out in capsys.readouterr().err
    assert not (tmp_path / "quarantine.jsonl").exists()


def test_a_thread_that_cannot_be_started(tmp_path, monkeypatch, capsys):
    for name, shade in (("jay", 10), ("wren", 90)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), (shade, 0, 0)).save(tmp_path / "photos" / name / "1.png")
    monkeypatch.setattr(threading.Thread, "start", fails_with(RuntimeError("can't start new thread")))
    words = ["caption", "--source", "folder", "--root", str(tmp_path / "photos"), "--out", str(tmp_path / "set")]
    assert run_command(lambda: build_main(words)) == 2
    assert "ulimit -u" in capsys.readouterr().err
