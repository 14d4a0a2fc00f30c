"""Where the process that imports the libraries for jobs ends, what is told is how it ended, and not a guess."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from fgtrain.executors.local import forkserver
from fgtrain.executors.local.forkserver import Forked, ForkServer
from fgtrain.executors.local.running import Ended, RunningJob
from fgtrain.graph import Job

SERVERS = {  # what the server does in place of importing -> what is said
    "raise ImportError('no libgomp')": r"the libraries that it needs cannot be imported:\n.*ImportError: no libgomp",
    "os.kill(os.getpid(), 9)": r"was ended by SIGKILL \(out of memory, if nobody else ended it\)",
    "os.kill(os.getpid(), 11)": r"was ended by SIGSEGV$",
    "os._exit(7)": r"ended with status 7$",
}


def job(folder: Path) -> Job:
    title = "train sft"
    return Job(name="a/train", kind="train", title=title, identity=(), folder=folder, done=lambda: False)


def ended(process: Forked, folder: Path) -> Ended:
    """As the job's end is told, as soon as the server says no more."""
    process.server.process.wait()
    found = None
    while found is None:
        found = RunningJob(job(folder), [process], (0, ())).poll()
    return found


def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> ForkServer:
    (tmp_path / "fake_server.py").write_text(
        f"import os\nfrom fgtrain.executors.local import fork_main\n\ndef imports():\n    {does}\n\n"
        "fork_main.import_libraries = imports\nfork_main.main()\n"
    )
    monkeypatch.setattr(forkserver, "SERVER", "fake_server")
    there, _ = os.pipe()
    return ForkServer({**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}, there)


@pytest.mark.parametrize("does", SERVERS)
def test_how_it_ended_while_it_imported_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    one = server(tmp_path, monkeypatch, does)
    process = one.fork(tmp_path / "job", {}, tmp_path / "log", None)
    found = ended(process, tmp_path / "job")
    assert found.status == 1
    assert found.message.startswith("train sft: the ")
    assert re.search(SERVERS[does], found.message, re.S), found.message
    assert not one.alive
    one.close()


def test_a_stop_that_it_was_asked_for_stays_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = server(tmp_path, monkeypatch, "os._exit(7)")
    running = RunningJob(job(tmp_path / "job"), [one.fork(tmp_path / "job", {}, tmp_path / "log", None)], (0, ()))
    running.ask_to_stop(signal.SIGTERM)
    one.process.wait()
    found = None
    while found is None:
        found = running.poll()
    assert found == Ended(130, "stopped by SIGTERM; what was finished is kept")
    one.close()
