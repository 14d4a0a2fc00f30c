"""What a builder is: options, a version, and the function that writes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .options import LeakOptions, Options, SourceOptions
from .records import Manifest, write_training_set
from .sources import Source


def in_out(out: Path, options: Options) -> Path:
    return out


@dataclass(frozen=True)
class Builder:
    """`run(root, out, options)` writes into `out`, the manifest last; `folder` says where that manifest lies.

    `version` counts every change of the bytes that the same inputs and options give.
    """

    summary: str  # one line, for --help
    options: type[Options]
    version: int
    run: Callable[[Path, Path, Options], None]
    needs_root: bool = True
    root_optional: bool = False  # one of its ways to run reads no data set
    folder: Callable[[Path, Options], Path] = in_out
    outdated: Callable[[Path, Options], bool] | None = None  # has somebody edited what the build in `out` asks to edit?
    description: str = ""  # further lines of the command's own --help
    example: str = ""  # options of an example call, without --out; default CUB at --root


def write_source_rows(
    out: Path, rows, *, builder: str, version: int, sources: tuple[Source, ...], options: SourceOptions
) -> Manifest:
    """A training set made of labelled images, written with what its manifest says about them."""
    return write_training_set(
        out,
        rows,
        name=out.name,
        builder=builder,
        version=version,
        image_root=sources[0].root,
        sources=[source.name for source in sources],
        splits=[options.split],
        options=options.identity(),
        check=end_check(options, out.name, sources[0].root, sources),
    )


def end_check(
    options: Options, name: str, image_root: Path, sources: tuple[Source, ...] = ()
) -> Callable[[Path, set[str]], dict] | None:
    """What `write_training_set` looks for before it writes the manifest; None where the options ask for nothing.

    `sources`: the labelled data sets that the rows come from, whose test images must not be among them.
    """
    if not isinstance(options, LeakOptions):
        return None
    from .leakage.build_check import training_check  # needs much, and only builders of training sets need it

    missing_allowed = not getattr(options, "check_images", True)
    return training_check(options, name, image_root, sources, missing_allowed)
