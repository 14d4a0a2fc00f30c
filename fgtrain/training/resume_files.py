"""Resume points on disk: written whole or not at all, known by their hashes, the last two kept.

resume/step00000120/  state.pt         what all ranks share (with a strategy that does not shard: everything)
                      rank00000.pt     that rank's shards, one file a rank
                      manifest.json    step, strategy, number of ranks, size and hash of each file
"""

import hashlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO

from data_builders.shared.terminal import say
from fgtrain.errors import SharedUserError

STATE_FILE, RANK_FILE, MANIFEST = "state.pt", "rank{:05d}.pt", "manifest.json"
KEPT = 2
BLOCK = 1 << 22


class _Hashed:
    """A file that hashes what is written to it."""

    def __init__(self, file: Any) -> None:
        self.file, self.digest, self.bytes = file, hashlib.sha256(), 0

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.bytes += len(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


class PointFiles(CheckpointIO):
    """Writes and reads the files of a resume point, for Lightning as well. Reads tensors and plain values only.

    Writing notes what was written, or why it failed, instead of raising: other ranks wait for this one.
    """

    def __init__(self) -> None:
        self.written: dict[str, dict[str, Any]] = {}
        self.error: OSError | RuntimeError | None = None

    def begin(self) -> None:
        self.written, self.error = {}, None

    def write(self, path: Path, content: Any) -> None:
        try:
            with open(path, "wb") as file:
                hashed = _Hashed(file)
                torch.save(content, hashed)
                file.flush()
                os.fsync(file.fileno())
            self.written[path.name] = {"bytes": hashed.bytes, "sha256": hashed.digest.hexdigest()}
        except (OSError, RuntimeError) as error:  # torch reports a full disk as either
            self.error = error

    def read(self, path: Path) -> Any:
        return torch.load(path, map_location="cpu", weights_only=True)

    # ---- as Lightning asks, under strategies that do not shard

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        self.write(Path(path) / STATE_FILE, checkpoint)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        return self.read(Path(path) / STATE_FILE)

    def remove_checkpoint(self, path: Any) -> None:
        shutil.rmtree(path, ignore_errors=True)


def publish(temporary: Path, final: Path, manifest: dict[str, Any]) -> None:
    """Make a written folder the newest resume point, then remove all but the last two."""
    with open(temporary / MANIFEST, "w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    _sync(temporary)
    shutil.rmtree(final, ignore_errors=True)
    os.rename(temporary, final)
    _sync(final.parent)
    for older in points(final.parent)[KEPT:]:
        shutil.rmtree(older, ignore_errors=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def points(folder: Path) -> list[Path]:
    """Resume points, newest first; whole ones and others."""
    return sorted((path for path in folder.glob("step*") if path.is_dir()), reverse=True)


def newest_whole(folder: Path) -> Path | None:
    """The newest resume point whose files are all as they were written; says in one line which ones are not."""
    refused = []
    for point in points(folder):
        if (fault := fault_of(point)) is None:
            if refused:
                say(f"{'; '.join(refused)}. Going on from {point.name}")
            return point
        refused.append(f"resume point {point} is refused: {fault}")
    if refused:
        say(f"{'; '.join(refused)}. There is no other: the stage begins anew")
    return None


def fault_of(point: Path) -> str | None:
    """What is wrong with a resume point's files, or None."""
    try:
        manifest = read_manifest(point)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{MANIFEST} cannot be read ({type(error).__name__})"

    def fault(item: tuple[str, dict[str, Any]]) -> str | None:
        name, facts = item
        path = point / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != facts["bytes"]:
            return f"{name} has {path.stat().st_size} bytes, not {facts['bytes']}"
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            while block := file.read(BLOCK):
                digest.update(block)
        return None if digest.hexdigest() == facts["sha256"] else f"{name} was altered (its hash differs)"

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return next((found for found in pool.map(fault, manifest["files"].items()) if found), None)


def read_manifest(point: Path) -> dict[str, Any]:
    manifest = json.loads((point / MANIFEST).read_text(encoding="utf-8"))
    found = {key: manifest[key] for key in ("step", "strategy", "ranks", "files")}
    if not all(type(facts["bytes"]) is int and type(facts["sha256"]) is str for facts in found["files"].values()):
        raise ValueError("its files have neither bytes nor sha256")
    return found


def refuse_other_shards(point: Path, strategy: str, ranks: int) -> None:
    """SharedUserError unless a start under `strategy` with so many ranks can go on from the point.

    Without shards (`single`, `ddp`) any number of ranks can; shards belong to their strategy and number of ranks.
    """
    manifest = read_manifest(point)
    theirs, of = manifest["strategy"], manifest["ranks"]
    if theirs == strategy and (strategy == WHOLE or of == ranks):
        return
    wrote = f"{of} ranks under {theirs}" if theirs != WHOLE else "a strategy that does not shard (single, ddp)"
    now = f"{ranks} ranks under {strategy}" if strategy != WHOLE else "single or ddp"
    again = f"devices.strategy={theirs} on {of} devices" if theirs != WHOLE else "devices.strategy=auto"
    raise SharedUserError(
        f"{point} was written by {wrote}, and this start is {now}. Shards cannot be divided anew: go on with {again}, "
        f"or remove {point.parent} to begin the stage anew"
    )


WHOLE = "whole"  # the strategy's name in a manifest where nothing is sharded
