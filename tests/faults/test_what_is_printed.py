"""Names come from data, replies, folders and recipes: on a terminal they move no cursor and hide nothing."""

import ast
from pathlib import Path

import pytest

from evaluation.__main__ import main

REPOSITORY = Path(__file__).resolve().parents[2]
# `say` itself, and a program that imports nothing of the project and prints nothing.
PLAIN = {"data_builders/shared/terminal.py", "evaluation/serving/keeper.py"}


@pytest.mark.parametrize("package", ["data_builders", "evaluation", "fgtrain"])
def test_whatever_is_not_a_fixed_text_is_printed_by_say(package: str) -> None:
    """`print` of a value, or of a text with one in it, is `data_builders.shared.terminal.say`."""
    found = []
    for path in sorted((REPOSITORY / package).rglob("*.py")):
        if (name := str(path.relative_to(REPOSITORY))) in PLAIN:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            if called and any(not isinstance(part, ast.Constant) for part in node.args):
                found.append(f"{name}:{node.lineno}")
    assert not found


def test_a_method_that_would_clear_the_screen_is_shown_as_it_is_written(tmp_path: Path, capsys) -> None:
    table = tmp_path / "scores.csv"
    rows = [f"set{number},{number},{number + 1},{number + 2}" for number in range(6)]
    table.write_text("\n".join(["data set,a\x1b[2Jb,c\u202ed,e", *rows]) + "\n", encoding="utf-8")
    main(["friedman", str(table)])
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "\u202e" not in said.out + said.err
    assert r"a\x1b[2Jb" in said.out
