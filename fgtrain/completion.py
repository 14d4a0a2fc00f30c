"""python -m fgtrain completion bash|zsh > FILE

What makes a shell complete fgtrain, fgtrain-data and fgtrain-eval: their commands, options, choices and files. Source
FILE where the shell starts: ~/.bashrc, or ~/.zshrc after compinit. Needs shtab: pip install 'fgtrain[completion]'.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

from data_builders.shared.terminal import say
from fgtrain.errors import UserError
from fgtrain.shipped import shipped_recipes

# The first word of fgtrain is a command or a recipe's file, which shtab has no way to say.
FILES = {
    "bash": "_shtab_fgtrain_pos_0_COMPGEN=_shtab_compgen_files\n_shtab_fgtrain_pos_0_nargs=+",
    "zsh": "functions[_fgtrain_words]=$functions[_shtab_fgtrain_commands]\n"
    "_shtab_fgtrain_commands() { _fgtrain_words; _files -g '*.(yaml|yml)' }",
}
Commands = Mapping[str, tuple[str, argparse.ArgumentParser]]  # word -> its line, its options


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m fgtrain completion",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("shell", choices=[*FILES])
    return top


def main(words: list[str]) -> None:
    """UserError where shtab is not installed."""
    shell = parser().parse_args(words).shell
    if find_spec("shtab") is None:
        raise UserError("completion needs shtab, which is not installed: pip install 'fgtrain[completion]'")
    import shtab

    from fgtrain.__main__ import parser as own

    say(shtab.complete(whole("fgtrain", [own()], fgtrain_commands()), shell, preamble=FILES[shell]))
    say(shtab.complete(whole("fgtrain-data", [], data_commands()), shell))
    say(shtab.complete(whole("fgtrain-eval", [], evaluation_commands()), shell))


def fgtrain_commands() -> Commands:
    from fgtrain.__main__ import SUBCOMMANDS

    return {word: (line, resolve_name(f"{module}:parser")()) for word, (module, line) in SUBCOMMANDS.items()}


def data_commands() -> Commands:
    from data_builders.command_line import BENCHMARKS, OTHERS, TRAINING
    from data_builders.command_line import parser as data_parser

    lines = TRAINING | BENCHMARKS | OTHERS
    return {word: (lines[word], one) for word, one in data_parser().commands.items()}


def evaluation_commands() -> Commands:
    from evaluation.__main__ import COMMANDS
    from evaluation.__main__ import parser as evaluation_parser

    (commands,) = (one for one in evaluation_parser()._actions if isinstance(one, argparse._SubParsersAction))
    return {word: (COMMANDS[word], one) for word, one in commands.choices.items()}


def whole(program: str, own: Iterable[argparse.ArgumentParser], commands: Commands) -> argparse.ArgumentParser:
    """The program as one parser that shtab can read: options of `own`, and the commands with all of theirs."""
    import shtab

    from data_builders.sources import SOURCE_NAMES

    top = argparse.ArgumentParser(prog=program)
    for option in (action for one in own for action in one._get_optional_actions() if action.dest != "help"):
        top._add_action(option)
    words = top.add_subparsers()
    for word, (line, one) in commands.items():
        words.add_parser(word, help=line, description=line, parents=[one], add_help=False)
    values = {"source": SOURCE_NAMES, "name": [*shipped_recipes()]}  # what their metavar NAME may be
    for action in _actions(top):
        if action.dest in values:
            action.choices = values[action.dest]
        elif action.type is Path:
            action.complete = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE
    return top


def _actions(one: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in one._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
