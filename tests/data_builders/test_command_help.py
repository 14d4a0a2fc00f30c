"""What the command line says to a newcomer: help, misspelt options, a file system that refuses."""

import errno
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from data_builders.__main__ import main
from data_builders.build import BENCHMARK_BUILDERS, BUILDERS, find_builder
from data_builders.command_line import BENCHMARKS, COMMANDS, OTHERS, TRAINING
from data_builders.options import LeakOptions
from data_builders.shared.errors import UserError, run_command
from data_builders.sources import SOURCE_NAMES, about

READ_SOURCES = ("short_answer", "questions", "caption", "caption_fg", "tf_balanced", "mosaic", "open_world", "fgbmk")


def help_of(capsys, *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_builder_and_its_own_help_every_option(capsys):
    top = help_of(capsys)
    for name in (*BUILDERS, "check"):
        assert f"\n  {name} " in top
        own = help_of(capsys, name)
        assert max(map(len, own.splitlines())) < 140
        for option in find_builder(name).options.model_fields if name != "check" else ():
            assert f"  --{option.replace('_', '-')} " in own, (name, option)
        assert f"example:\n  python -m data_builders {name} " in own


def test_the_lines_of_the_help_are_what_the_builders_say_of_themselves():
    assert [*TRAINING, *BENCHMARKS, *OTHERS] == sorted(
        (*BUILDERS, *COMMANDS), key=[*TRAINING, *BENCHMARKS, *OTHERS].index
    )
    assert tuple(BENCHMARKS) == BENCHMARK_BUILDERS
    for name in BUILDERS:
        builder = find_builder(name)
        assert builder.summary.endswith((TRAINING | BENCHMARKS | OTHERS)[name])
        assert (name in TRAINING) == issubclass(builder.options, LeakOptions)
    for name, module in COMMANDS.items():
        assert OTHERS[name] == import_module(f"data_builders.{module}").SUMMARY


def test_help_says_of_every_source_what_must_lie_there_and_where_to_get_it(capsys):
    for what in (*READ_SOURCES, "frow"):
        text = " ".join(help_of(capsys, what).split())
        for name in SOURCE_NAMES:
            known = about(name)
            assert f" {name} {known.title}: {known.layout} from {known.where}" in text, (what, name)
    drawn = " ".join(help_of(capsys, "drawn").split())
    assert all(f" {name}, " in drawn for name in ("cub", "food101", "ai2d"))


def test_a_misspelt_option_is_told_what_it_may_have_meant():
    with pytest.raises(UserError, match=r"short_answer has no --levle\. Did you mean --level\? All its options: "):
        main(["short_answer", "--source", "cub", "--root", "a", "--out", "b", "--levle=genus"])
    with pytest.raises(UserError, match=r"check has no extra\. All its options: python -m data_builders check --help"):
        main(["check", "--root", "a", "extra"])


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS, errno.ENOTDIR])
def test_what_the_file_system_refuses_is_one_message(number, capsys):
    def refused() -> None:
        raise OSError(number, os.strerror(number), "/some/place")

    assert run_command(refused) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "/some/place" in said
    assert said.count("\n") == 1
    with pytest.raises(ConnectionResetError):
        run_command(lambda: (_ for _ in ()).throw(ConnectionResetError(errno.ECONNRESET, "reset")))


INTERRUPTED = """
import runpy, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("data_builders.build", "evaluation.commands.run"):
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder())
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("words", ["data_builders fgbmk --help", "evaluation run --help"])
def test_ctrl_c_while_the_program_is_still_loading_is_no_traceback(words):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, *words.split()],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.startswith("interrupted;")
