"""What a page of docs/ tells its reader to write and to type."""

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
FENCE = re.compile(r"^```(\S+)\n((?::\w+: .*\n)*)\n?(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it is to be written to (its caption), its text."""

    language: str
    file: str | None
    text: str


def blocks_of(page: str) -> list[Block]:
    """The page's fenced blocks, in order; `page` relative to docs/. Other directives (lists of pages) are left out."""
    found = []
    for match in FENCE.finditer((DOCS / page).read_text(encoding="utf-8")):
        head, options, text = match.groups()
        if head.startswith("{"):
            continue
        caption = re.search(r"^:caption: (\S+)$", options, re.MULTILINE)
        found.append(Block(head, caption and caption[1], text))
    return found
