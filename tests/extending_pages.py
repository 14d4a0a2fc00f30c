"""The examples of docs/extending as files, and packages that are installed for a test."""

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PAGES = Path(__file__).parents[1] / "docs" / "extending"
BLOCK = re.compile(r"(?:^`([\w./]+)`:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str, str]]:
    """(path or "", language, text) of each code block of the page. The path stands in a line of its own above it, or is
    the comment that the block begins with."""
    found = BLOCK.findall((PAGES / f"{page}.md").read_text(encoding="utf-8"))
    named = re.compile(r"# ([\w./]+\.\w+)\n")
    return [(path or (named.match(text) or ["", ""])[1], language, text) for path, language, text in found]


def write_example(page: str, folder: Path) -> dict[str, dict[str, str]]:
    """Write each block with a path below `folder`, as it stands; back come its package's entry points."""
    for path, _, text in blocks(page):
        if path:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    project = folder / "pyproject.toml"
    return tomllib.loads(project.read_text())["project"].get("entry-points", {}) if project.exists() else {}


def commands(page: str) -> list[list[str]]:
    """The words of every command in the page's blocks of language sh."""
    lines = "".join(text for _, language, text in blocks(page) if language == "sh").replace("\\\n", " ").splitlines()
    return [line.split() for line in lines if line]


@contextmanager
def installed(folder: Path, points: Mapping[str, Mapping[str, str]], name: str = "theirs") -> Iterator[None]:
    """Inside, a package of that name is installed whose modules lie in `folder`. `points`: group -> name -> value."""
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [[f"[{group}]", *(f"{key} = {value}" for key, value in ones.items())] for group, ones in points.items()]
    (about / "entry_points.txt").write_text("\n".join(line for ones in lines for line in ones) + "\n")
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for module in [key for key, one in sys.modules.items() if _inside(one, folder)]:
            del sys.modules[module]


def _inside(module: object, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).is_relative_to(folder)
