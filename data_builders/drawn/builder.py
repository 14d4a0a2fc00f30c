"""`drawn`: the whole miniature world, or a miniature of one source data set or benchmark in its own layout."""

from importlib import import_module
from pathlib import Path

from ..builder import Builder
from ..builder_code import builder_code
from ..shared.build_marker import MANIFEST, claim_folder, release_folder
from ..shared.errors import UserError
from ..shared.files import write_json
from ..shared.progress import progress
from ..sources import SOURCE_NAMES
from . import world
from .miniature import CREATURES, Miniature
from .world import DrawnOptions
from .worlds import parts
from .worlds.table import DOMAINS

BENCHMARKS = ("ai2d", "chartqa", "docvqa", "infovqa", "mathvista", "pope")


def build(root: Path, out: Path, options: DrawnOptions) -> None:
    if options.source == "world":
        return world.build(root, out, options)
    if options.source not in ("worlds", *SOURCE_NAMES, *BENCHMARKS):
        known = ", ".join(("world", "worlds", *SOURCE_NAMES, *BENCHMARKS))
        raise UserError(f"source is {options.source!r}; drawn has {known}")
    code = builder_code("drawn")
    claim_folder(out, options.identity(), code.hash, own_entries(out))
    if options.source == "worlds":
        parts.write(out, options)
    else:
        write_miniature(out, options)
    write_json(
        out / "manifest.json",
        {"name": out.name, "builder": "drawn", "code": code.to_dict(), "options": options.identity()},
    )
    release_folder(out)


def write_miniature(out: Path, options: DrawnOptions) -> None:
    test = options.test_images_per_species
    counts = {"train": options.train_images_per_species, "val": test, "test": test}
    with progress(f"drawing {options.source}", "pictures") as advance:
        # Each miniature has pictures of its own: put together, the same ones would bear different names.
        shown = DOMAINS.get(options.source, CREATURES)
        mini = Miniature(out, f"{options.seed}/{options.source}", options.pixels, counts, advance, shown)
        package = "layouts" if options.source in SOURCE_NAMES else "benchmarks"
        import_module(f".{package}.{options.source}", __package__).write(mini)


def own_entries(out: Path) -> list[str]:
    """Names in the folder of a miniature: all but those under which others have put sets of their own."""
    entries = [path for path in out.glob("[!.]*") if path.name != MANIFEST]
    return [path.name for path in entries if path.is_file() or next(path.rglob(MANIFEST), None) is None]


BUILDER = Builder(
    "a miniature world: species in CUB's layout, general skills with test questions, facts in words; "
    "or, with --source, a miniature of one data set in its own layout",
    DrawnOptions,
    build,
    needs_root=False,
    example="--source cars",
    description=(
        f"--source world, worlds (parts and facts of all domains), or one of: "
        f"{', '.join((*SOURCE_NAMES, *BENCHMARKS))}.\n\n"
        "Everything is there that the download has: pictures, lists, official splits, taxonomy, attributes where the "
        "data set has them, and texts/ with an encyclopedia text per category."
    ),
)
