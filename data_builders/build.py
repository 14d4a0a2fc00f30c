"""The one way to run a builder: build what is missing, return at once when it is there."""

import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from .builder import Builder
from .builder_code import BENCHMARK_BUILDERS, BUILDERS, MODULES, builder_code, changed_code
from .built_from import changed_since, write_record
from .options import LeakOptions, Options, parse_options
from .shared.build_marker import build_lock
from .shared.errors import UserError
from .shared.files import read_json
from .shared.state_files import read_state
from .shared.terminal import say
from .touched_files import recorded


def find_builder(what: str) -> Builder:
    """The builder of that name, whose module is imported for it. UserError with all names where there is none."""
    if what not in MODULES:
        raise UserError(f"no builder {what!r}; there are: {', '.join(BUILDERS)}")
    return import_module(f".{MODULES[what]}", __package__).BUILDER


def differences(manifest: dict, what: str, builder: Builder, options: Options, folder: Path, root: Path | None) -> list:
    """What would be built otherwise now, one text per difference; empty when the same would be built."""
    if manifest.get("builder") != what:
        return [f"builder was {manifest.get('builder')}, is {what}"]
    found = []
    was, now = manifest.get("options", {}), options.identity()
    found += [
        f"{key} was {was.get(key)!r}, is {now.get(key)!r}" for key in {**was, **now} if was.get(key) != now.get(key)
    ]
    # What has its own copies of the images (image_root) says apart from them where it was built from (root).
    origin = manifest.get("root", manifest.get("image_root"))
    if root is not None and builder.needs_root and isinstance(origin, str):
        built_from = (folder.resolve() / origin).resolve()
        given = root.resolve()
        # A source's image root may be a folder inside the data set's own (GroceryStoreDataset/dataset).
        if built_from != given and given not in built_from.parents:
            found.append(f"root was {built_from}, is {given}")
    if isinstance(options, LeakOptions) and manifest.get("check", {}).get("left_out"):
        from .leakage.build_check import left_out_otherwise

        found += filter(None, [left_out_otherwise(folder, manifest, options)])
    return found


def same_build(out: Path, what: str, options: dict, root: Path | None = None) -> bool:
    """Is what `build` would write already there, whole and with equal options (and root, where given)?"""
    builder = find_builder(what)
    checked = parse_options(builder.options, options, what)
    folder = builder.folder(Path(out), checked)
    if not (folder / "manifest.json").exists():
        return False
    if builder.outdated is not None and builder.outdated(Path(out), checked):
        return False
    manifest = read_manifest(folder)
    if why_anew(manifest, what, folder, root):
        return False
    return not differences(manifest, what, builder, checked, folder, root) and not unchecked(folder, manifest, checked)


def outdated(out: Path, what: str, options: dict) -> bool:
    """Is there a finished set that `build` would build anew, because its builder's code or its source has changed?"""
    builder = find_builder(what)
    folder = builder.folder(Path(out), parse_options(builder.options, options, what))
    return (folder / "manifest.json").exists() and bool(why_anew(read_manifest(folder), what, folder))


def read_manifest(folder: Path) -> dict:
    """UserError when it is none."""
    path, way_on = folder / "manifest.json", f"Delete {folder}, and it is built again"
    manifest = read_state(path, dict[str, Any], way_on)
    if not isinstance(manifest.get("options", {}), dict):
        raise UserError(f"{path} is no manifest of a built set: its options are no mapping. {way_on}")
    return manifest


def why_anew(manifest: dict, what: str, folder: Path, root: Path | None = None) -> str:
    """Why a finished set is to be built anew, as "... since" (it was built); "" where it is taken as it is."""
    return changed_code(manifest, builder_code(what)) or changed_since(folder, root)


def unchecked(folder: Path, manifest: dict, options: Options) -> bool:
    """Do the options ask for a comparison that the finished set has not gone through?"""
    if not isinstance(options, LeakOptions):
        return False
    from .leakage.build_check import missing_part

    return missing_part(folder, manifest, options)


def build(what: str, *, root: Path | None, out: Path, options: dict) -> dict:
    """Build `what` into `out` unless it is there already; return its manifest.

    One build at a time writes into a folder: who comes meanwhile waits, and finds it built. What the builder's code
    would write otherwise since it was built, or another source, is built anew, with a line that says why.

    UserError for unknown builders and options, a missing root, faulty source data, and a folder that holds something
    else.
    """
    builder = find_builder(what)
    checked = parse_options(builder.options, options, what)
    out = Path(out)
    root = Path(root) if root is not None else None
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; name a folder")
    if (manifest := _finished(builder, what, root, out, checked)) is not None:
        return manifest
    alone = builder.alone or builder.folder
    with build_lock(alone(out, checked), out):
        return _build(builder, what, root, out, checked)


def _finished(builder: Builder, what: str, root: Path | None, out: Path, options: Options) -> dict | None:
    """The manifest of what is there and needs nothing done to it. UserError for a folder that holds something else."""
    folder = builder.folder(out, options)
    path = folder / "manifest.json"
    if not path.exists():
        return None
    manifest = read_manifest(folder)
    if changed := differences(manifest, what, builder, options, folder, root):
        raise UserError(
            f"{folder} was built otherwise: {'; '.join(changed)}. Choose another --out, or delete the folder."
        )
    if why_anew(manifest, what, folder, root) or (builder.outdated is not None and builder.outdated(out, options)):
        return None
    return None if unchecked(folder, manifest, options) else manifest


def _build(builder: Builder, what: str, root: Path | None, out: Path, options: Options) -> dict:
    # Again: whoever had the lock before may have built it.
    if (manifest := _finished(builder, what, root, out, options)) is not None:
        return manifest
    folder = builder.folder(out, options)
    path = folder / "manifest.json"
    if path.exists():
        manifest = read_manifest(folder)
        if why := why_anew(manifest, what, folder, root):
            again(what, builder, folder, root, why)
        elif builder.outdated is None or not builder.outdated(out, options):
            from .leakage.build_check import check_again

            return check_again(folder, manifest, options)
    if builder.needs_root and not builder.root_optional and root is None:
        raise UserError(f"{what} reads a data set: add --root DIR, the data set's own folder")
    with recorded(root, options) as touched:
        builder.run(root if root is not None else out, out, options)
    if not isinstance(read_json(path).get("parts"), list):  # which have records of their own
        write_record(folder, touched, root, options)
    if what in BENCHMARK_BUILDERS:
        from .leakage.contradictions import list_at_the_end

        list_at_the_end(folder, out, read_json(path), options)
    return read_json(path)


def again(what: str, builder: Builder, folder: Path, root: Path | None, why: str) -> None:
    """Say that a finished set is built anew. UserError when what it was built from is no longer there."""
    if builder.needs_root and not builder.root_optional and (root is None or not root.exists()):
        there = "no --root was given" if root is None else f"there is no {root}"
        raise UserError(
            f"{folder}: {why} it was built, so it must be built anew, but {there}. Add --root DIR, the data set's own "
            "folder as it was downloaded"
        )
    say(f"{what}: {folder}: {why} it was built; built anew", file=sys.stderr)


def command_line(what: str, root: Path | None, out: Path, options: dict) -> str:
    """What a user would type to build it."""
    words = ["python", "-m", "data_builders", what]
    if root is not None:
        words += ["--root", str(root)]
    words += ["--out", str(out)]
    for key, value in options.items():
        if value is None:
            continue
        if isinstance(value, dict):
            text = ",".join(f"{name}={one}" for name, one in value.items())
        else:
            text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        words += ["--" + key.replace("_", "-"), text]
    return shlex.join(words)
