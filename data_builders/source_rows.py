"""Training sets made of labelled images: written with what their manifest says about them, and checked at the end."""

from collections.abc import Callable
from pathlib import Path

from .builder_code import builder_code
from .options import LeakOptions, Options, SourceOptions
from .records import Manifest, write_training_set
from .sources import Source


def write_source_rows(
    out: Path, rows, *, builder: str, sources: tuple[Source, ...], options: SourceOptions
) -> Manifest:
    """A training set made of labelled images, written with what its manifest says about them."""
    return write_training_set(
        out,
        rows,
        name=out.name,
        builder=builder,
        code=builder_code(builder),
        image_root=sources[0].root,
        sources=[source.name for source in sources],
        splits=[options.split],
        options=options.identity(),
        held_out={source.name: source.held_out.names for source in sources if source.held_out is not None},
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
