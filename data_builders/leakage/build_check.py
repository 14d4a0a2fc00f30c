"""The check that runs by itself at the end of every builder.

Of a training set before its manifest is written: against its source's own test split, inside itself, and against the
benchmarks of `--against`. Of a benchmark: byte-identical images with different answers, which are listed.
"""

import os
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from ..options import CheckOptions, LeakOptions
from ..shared.errors import UserError
from ..shared.files import atomic_write, read_jsonl, write_json, write_jsonl
from ..shared.terminal import say
from ..sources import Source
from .benchmarks import QuestionFile, digest, find_question_files
from .comparing import compare, look_at_images
from .findings import Finding, leaks, lines, write_findings
from .outcome import Outcome, Settings
from .training import TrainingSet, read_set, test_images

LEFT_OUT = "left_out.jsonl"
LEVELS = ("none", "bytes", "full")


def training_check(
    options: LeakOptions, name: str, image_root: Path, sources: tuple[Source, ...] = (), missing_allowed: bool = False
) -> Callable[[Path, Collection[str]], dict]:
    """What `write_training_set` calls with the folder and its rows' images between rows and manifest.

    It returns what the manifest says about the check. UserError when something leaks, or an image is broken.
    """
    if options.check == "none":
        if options.against:
            raise UserError("--check none with --against: nothing would be compared; write bytes or full")
        return lambda folder, images: {"level": "none"}

    def check(folder: Path, images: Collection[str]) -> dict:
        files, own = question_files(options), test_images(sources)
        which = TrainingSet(folder, name, Path(image_root).resolve(), bool(sources), own)
        settings = Settings(looks=options.check == "full", missing_allowed=missing_allowed)
        if files or sources:
            outcome = compare([which], files, settings)
        else:  # nothing to compare with, and nobody's labels
            outcome = look_at_images([which.path(image) for image in sorted(images)], settings)
        for line in outcome.not_compared():
            say(f"{name}: {line}", file=sys.stderr)
        refuse_faults(outcome)
        left_out = 0
        found = leaks(outcome.findings)
        if found and options.on_leak == "drop":
            left_out = drop(folder, found)
            say(f"{name}: {left_out:,} rows left out, see {folder / LEFT_OUT}", file=sys.stderr)
        elif found:
            raise UserError(message(folder, outcome.findings))
        write_findings(folder, [])
        if not left_out:
            keep_left_out(folder, [])
        return told(folder, options, outcome, left_out)

    return check


def refuse_broken(images: Iterable[Path], options: CheckOptions) -> None:
    """UserError when images that a benchmark asks about are missing or broken, unless the options look for nothing."""
    if options.check != "none":
        refuse_faults(look_at_images([str(path) for path in images], Settings(looks=options.check == "full")))


def refuse_faults(outcome: Outcome) -> None:
    if outcome.faults:
        raise UserError(faults_message(outcome.faults))


def question_files(options: LeakOptions) -> list[QuestionFile]:
    return [file for folder in options.against for file in find_question_files(Path(folder))]


def faults_message(faults: list[str]) -> str:
    """What is wrong with image files, in words: how many, and the first twenty of `faults`, each a line."""
    more = f"\n  ... and {len(faults) - 20:,} more" if len(faults) > 20 else ""
    images = "an image" if len(faults) == 1 else f"{len(faults):,} images"
    return f"{images} cannot be used:\n  " + "\n  ".join(faults[:20]) + more


def message(folder: Path, findings: list[Finding]) -> str:
    path = write_findings(folder, findings)
    rows = {line for one in findings for line in one.rows}
    return "\n".join(
        [
            f"{folder.name} would be trained on what it is tested with, or contradicts itself; rows: {len(rows):,}",
            *lines(findings),
            f"All of it: {path}. To leave these rows out: --on-leak drop",
        ]
    )


def drop(folder: Path, findings: list[Finding]) -> int:
    """Take the findings' rows out of rows.jsonl and list them with the reasons. UserError when none would be left."""
    reasons: dict[int, list[Finding]] = {}
    for finding in findings:
        for line in finding.rows:
            reasons.setdefault(line, []).append(finding)
    path = folder / "rows.jsonl"
    kept, left_out = 0, []
    with open(path, encoding="utf-8", newline="\n") as before, atomic_write(path) as after:
        for number, (line, row) in enumerate(zip(before, read_jsonl(path), strict=True)):
            if number not in reasons:
                after.write(line)
                kept += 1
                continue
            why = [{**one.as_row(), "rows": 1} for one in reasons[number]]
            for one in why:
                del one["rows"]
            left_out.append({"id": row["id"], "image": row.get("image"), "reason": "leakage", "leakage": why})
        if not kept:
            raise UserError(message(folder, findings) + ", but no row would be left")
    keep_left_out(folder, left_out)
    return len(left_out)


def keep_left_out(folder: Path, rows: list[dict]) -> None:
    """What the builder itself left out stays in the list; what an earlier check left out does not."""
    path = folder / LEFT_OUT
    there = list(read_jsonl(path)) if path.exists() else []
    kept = [row for row in there if "leakage" not in row]
    if kept or rows:
        if kept + rows != there:
            write_jsonl(path, kept + rows)
    else:
        path.unlink(missing_ok=True)


def told(folder: Path, options: LeakOptions, outcome: Outcome, left_out: int) -> dict:
    found = {
        "level": options.check,
        "images": outcome.images,
        "test_images": outcome.test_images,
        "against": {
            os.path.relpath(Path(one).resolve(), folder.resolve()): digest(find_question_files(Path(one)))
            for one in options.against
        },
    }
    if outcome.not_there:
        found["images_not_there"] = outcome.not_there
    if outcome.absent:
        top = folder.resolve()
        found["data_sets_not_there"] = {os.path.relpath(one, top): count for one, count in outcome.absent.items()}
    return {**found, "left_out": left_out} if left_out else found


def missing_part(folder: Path, manifest: dict, options: LeakOptions) -> bool:
    """Does a finished set lack a part of the check that is asked for now: another benchmark, or a closer look?"""
    known = manifest.get("check") or {}
    # Sets that were built before there was a check are taken as they are, unless more than the default is asked for.
    if LEVELS.index(options.check) > LEVELS.index(known.get("level", "bytes")):
        return True
    if options.check == "none":
        return False
    done = known.get("against", {})
    return any(
        done.get(os.path.relpath(Path(one).resolve(), folder.resolve())) != digest(find_question_files(Path(one)))
        for one in options.against
    )


def left_out_otherwise(folder: Path, manifest: dict, options: LeakOptions) -> str | None:
    """Where rows were left out of a finished set: why the same would not be left out now."""
    known = manifest.get("check") or {}
    if not known.get("left_out"):
        return None
    if options.on_leak != "drop":
        return f"on_leak was 'drop' ({known['left_out']} rows left out), is {options.on_leak!r}"
    if options.check != known["level"]:
        return f"check was {known['level']!r}, is {options.check!r} ({known['left_out']} rows were left out)"
    now = {os.path.relpath(Path(one).resolve(), folder.resolve()) for one in options.against}
    if now != set(known["against"]) or missing_part(folder, manifest, options):
        return f"against was {', '.join(known['against']) or 'nothing'} ({known['left_out']} rows were left out)"
    return None


def check_again(folder: Path, manifest: dict, options: LeakOptions) -> dict:
    """The manifest of a finished set, checked further where more is asked for now. UserError when something leaks."""
    if not missing_part(folder, manifest, options):
        return manifest
    which = read_set(folder, folder, own_test=True)
    missing_allowed = not getattr(options, "check_images", True)
    settings = Settings(looks=options.check == "full", missing_allowed=missing_allowed)
    outcome = compare([which], question_files(options), settings)
    for line in outcome.not_compared():
        say(f"{which.name}: {line}", file=sys.stderr)
    refuse_faults(outcome)
    if leaks(outcome.findings):
        raise UserError(
            message(folder, outcome.findings) + " (into another --out; this one was built without that comparison)"
        )
    known = told(folder, options, outcome, 0)
    known["against"] = {**(manifest.get("check") or {}).get("against", {}), **known["against"]}
    manifest = {**manifest, "check": known}
    write_json(folder / "manifest.json", manifest)
    return manifest
