"""What pages type exists: every command, and every option behind it."""

import re

import pytest
from documented import DOCS

# Behind the start of a line, a prompt or a backquote; up to a backquote, a comment, or the end of the line.
COMMAND = re.compile(r"python -m (fgtrain|evaluation|data_builders)\b([^`#\n]*)")
OPTION = re.compile(r"(?<=\s)--[a-z][a-z-]*")


@pytest.fixture(scope="module")
def helps(from_code) -> dict[str, str]:
    return dict(from_code.commands.helps())


def typed_in_pages() -> list[tuple[str, str, list[str]]]:
    """(page, package, words) of every command that a page holds."""
    return [
        (str(page.relative_to(DOCS)), package, rest.split())
        for page in sorted(DOCS.rglob("*.md"))
        for package, rest in COMMAND.findall(page.read_text(encoding="utf-8"))
    ]


def test_pages_type_commands_and_options_that_there_are(helps):
    wrong, seen = [], set()
    for page, package, words in typed_in_pages():
        own = f"python -m {package}"
        first = f"{own} {words[0]}" if words else own
        if package != "fgtrain" and words and first not in helps and re.fullmatch(r"[a-z][a-z_-]*", words[0]):
            wrong.append(f"{page}: {first}")
        text = helps.get(first, helps[own])
        seen.add(first if first in helps else own)
        wrong += [f"{page}: {first} {one}" for one in OPTION.findall(" " + " ".join(words)) if one not in text]
    assert wrong == []
    assert len(seen) > 10, "the pages' commands were not found"
