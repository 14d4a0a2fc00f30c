"""What a builder is: options and the function that writes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .options import Options


def in_out(out: Path, options: Options) -> Path:
    return out


@dataclass(frozen=True)
class Builder:
    """`run(root, out, options)` writes into `out`, the manifest last; `folder` says where that manifest lies.

    It may find a set there that other code has built, and writes over it. `alone`: the folder that one build at a time
    writes into, where several share it; default `folder`.
    """

    summary: str  # one line, for --help
    options: type[Options]
    run: Callable[[Path, Path, Options], None]
    needs_root: bool = True
    root_optional: bool = False  # one of its ways to run reads no data set
    folder: Callable[[Path, Options], Path] = in_out
    alone: Callable[[Path, Options], Path] | None = None
    outdated: Callable[[Path, Options], bool] | None = None  # has somebody edited what the build in `out` asks to edit?
    description: str = ""  # further lines of the command's own --help
    example: str = ""  # options of an example call, without --out; default CUB at --root
