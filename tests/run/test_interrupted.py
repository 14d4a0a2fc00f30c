"""Stopped before there is anything to keep. Whole processes, as a user starts them."""

import signal
from pathlib import Path

from run_fakes import finished, left_over, recipe_values, start, write_recipe


def test_asked_to_stop_while_libraries_are_imported_it_says_so_and_nothing_else(place: Path) -> None:
    """Half an import cannot be used, and whatever imports the library again on the way out would fail by it."""
    values = recipe_values(place, evaluation={"tasks": []})
    for number in (signal.SIGTERM, signal.SIGINT):
        process = start(write_recipe(place, values))
        while not any("libtorch_python" in loaded(pid) for pid in left_over(process)):
            assert process.poll() is None, finished(process)
        process.send_signal(number)
        status, output = finished(process)
        assert status == 130, output
        assert not left_over(process)
        assert "Traceback" not in output, output
        assert f"stopped by {number.name}" in output
        assert "goes on from there" in output


def loaded(pid: int) -> str:
    """The files that a process has in memory."""
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return ""
