"""Benchmark images of equal content whose questions have different answers. They are listed: published benchmarks are
asked as they are."""

import os
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from ..options import Options
from ..shared.files import read_json
from ..shared.terminal import say
from .benchmarks import QuestionFile, find_question_files
from .findings import Finding, lines, write_findings
from .identical import identical
from .image_files import Files
from .open_questions import plain


def names_its_image(file: QuestionFile) -> bool:
    """Is the answer a name of what the image shows, however the question goes?"""
    return file.kind == "frow" or (file.kind == "fgbmk" and ("_choice" in file.path.name or "_short" in file.path.name))


def contradictions(files: list[QuestionFile]) -> list[Finding]:
    """A finding per question file and group of images. Images that are not there are not compared."""
    paths = dict.fromkeys(question.path for file in files for question in file.questions() if question.path)
    with Files(paths) as known:
        groups = identical(known, np.flatnonzero(known.sizes > 0))
        group_of = {known.paths[index]: number for number, group in enumerate(groups) for index in group}
    if not groups:
        return []
    findings = []
    for file in files:
        answers: dict[tuple, dict[str, tuple[str, str]]] = defaultdict(dict)  # asked -> image -> (image, answer)
        for question in file.questions():
            if question.path in group_of:
                asked = "" if names_its_image(file) else plain(question.text)
                shown = (question.image, str(question.gold))
                answers[group_of[question.path], asked].setdefault(question.path, shown)
        reported = set()
        for (group, _), by_image in answers.items():
            if len({answer for _, answer in by_image.values()}) > 1 and group not in reported:
                reported.add(group)
                images, said = zip(*by_image.values(), strict=True)
                findings.append(
                    Finding("benchmark_answer", file.name, "", {"images": list(images), "answers": list(said)})
                )
    return findings


def list_at_the_end(folder: Path, out: Path, manifest: dict, options: Options) -> None:
    """Of the question files that a manifest vouches for: into findings.jsonl beside it, the first ones printed."""
    there = manifest["builder"] == "general" or getattr(options, "check_images", True)
    if not there or getattr(options, "check", "bytes") == "none":
        return
    files = []
    for part in [folder / part for part in manifest.get("parts", ())] or [folder]:
        names = (manifest if part == folder else read_json(part / "manifest.json")).get("files", ())
        places = [part / "questions.jsonl", *(base / name for name in names for base in (part, out / "FROW"))]
        for place in places:
            # Published files are listed with their origin's paths, which say nothing about this folder.
            if place.suffix == ".jsonl" and place.is_file() and place.resolve().is_relative_to(out.resolve()):
                files += find_question_files(Path(os.path.normpath(place)))
    findings = contradictions(files)
    write_findings(folder, findings)
    for line in lines(findings):
        say(line, file=sys.stderr)
