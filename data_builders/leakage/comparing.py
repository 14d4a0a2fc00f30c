"""Training sets beside benchmarks and beside their own sources' test images."""

from collections import defaultdict

import numpy as np

from ..records import images_of
from ..shared.progress import progress
from .benchmarks import QuestionFile
from .findings import Finding
from .identical import identical
from .image_files import Files
from .near import near
from .open_questions import OpenQuestion, OpenQuestions, asked_in, open_ones, plain
from .outcome import Outcome, Scanned, Settings, Tested
from .training import TrainingSet, labels_of, questions_of


def compare(sets: list[TrainingSet], files: list[QuestionFile], settings: Settings) -> Outcome:
    """All findings, set by set. Reads every row and question once, and again only where something was found."""
    outcome = Outcome()
    tested, open_questions = read_benchmarks(files, outcome)
    scanned = [scan(one, open_questions) for one in sets]
    own = {path for one in sets for path in one.test_images}
    outcome.images = len({path for one in scanned for path in one.labels})
    outcome.test_images = len({*tested, *own})
    asked = dict.fromkeys([*(path for one in scanned for path in one.labels), *tested])
    with Files(dict.fromkeys([*asked, *own])) as known:
        note_missing(known, settings, outcome)
        if not settings.looks:  # for which all are decoded
            known.look_for_broken(np.flatnonzero(known.sizes[: len(asked)] > 0))
        compare_images(scanned, tested, known, settings, outcome)
        outcome.faults += list(known.faults.values())
    for one in scanned:
        for turn, (question, share) in one.questions.items():
            about = {"question": turn, "other_question": question.text, "question_id": question.question_id}
            one.found[turn].append(Finding("question", one.name, question.file, {**about, "share": round(share, 3)}))
    same_questions(scanned, files, tested)
    for one in scanned:
        name_rows(one)
        outcome.findings += {id(finding): finding for group in one.found.values() for finding in group}.values()
    return outcome


def look_at_images(paths: list[str], settings: Settings) -> Outcome:
    """With nothing to compare them with: are the images there and whole?"""
    outcome = Outcome(images=len(paths))
    with Files(paths) as known:
        note_missing(known, settings, outcome)
        there = np.flatnonzero(known.sizes > 0)
        if settings.looks:
            known.looks(there)
        else:
            known.look_for_broken(there)
        outcome.faults += list(known.faults.values())
    return outcome


def note_missing(known: Files, settings: Settings, outcome: Outcome) -> None:
    if settings.missing_allowed:
        outcome.not_there = len(known.missing)
    else:
        outcome.faults += [f"no image {known.paths[index]}" for index in known.missing]


def read_benchmarks(files: list[QuestionFile], outcome: Outcome) -> tuple[Tested, OpenQuestions]:
    """(image path -> the first file that asks about it and the image as it stands there, the open questions)."""
    tested: Tested = {}
    found: list[OpenQuestion] = []
    absent: dict[str, set[str]] = defaultdict(set)
    if not files:
        return tested, OpenQuestions(found)
    with progress("reading benchmarks", "questions") as advance:
        for file in files:
            rows, there = [], file.data_set_is_there
            for question in file.questions():
                outcome.questions += 1
                if question.path is not None and there:
                    tested.setdefault(question.path, (file.name, question.image))
                elif question.path is not None:
                    absent[str(file.images.root)].add(question.path)
                if file.kind != "fgbmk":
                    rows.append((question.question_id, question.image, question.text))
                if outcome.questions % 1000 == 0:
                    advance(1000)
            chosen = [(key, text) for key, _, text in rows] if file.kind == "frow" else open_ones(rows)
            found += [OpenQuestion(text, file.name, key) for key, text in chosen]
        advance(outcome.questions % 1000)
    outcome.open_questions = len(found)
    outcome.absent = {folder: len(images) for folder, images in absent.items()}
    return tested, OpenQuestions(found)


def scan(which: TrainingSet, open_questions: OpenQuestions) -> Scanned:
    one, seen, number = Scanned(which), set(), 0
    with progress(f"checking {which.name}", "rows") as advance:
        for number, row in which.rows():
            for image in images_of(row):
                one.labels.setdefault(which.path(image), None)
            if which.labelled:
                for image, label in labels_of(row):
                    one.labels[which.path(image)] = label
            if len(open_questions):
                for turn in questions_of(row):
                    # Fixed wordings come a hundred thousand times.
                    if (key := hash(turn)) not in seen:
                        seen.add(key)
                        if match := open_questions.like(turn):
                            one.questions[turn] = match
            if number % 1000 == 999:
                advance(1000)
        advance((number + 1) % 1000)
    return one


def compare_images(scanned: list[Scanned], tested: Tested, known: Files, settings: Settings, outcome: Outcome) -> None:
    place = {path: index for index, path in enumerate(known.paths)}
    there = known.sizes > 0
    groups = identical(known, np.flatnonzero(there))
    group_of = {index: group for group in groups for index in group.tolist()}
    if settings.looks and len(known.paths):
        everything = known.looks(np.flatnonzero(there))
        looks = np.zeros(len(known.paths), everything.dtype)
        looks["flat"] = 1  # what cannot be read is compared with nothing
        looks[there] = everything
        looks["flat"][list(known.faults)] = 1
        outcome.flat = int(looks["flat"][there].sum()) - sum(bool(there[index]) for index in known.faults)
    for one in scanned:
        own = one.which.test_images
        reference = {**own, **tested}
        rest = []
        for path in one.labels:
            twins = (known.paths[index] for index in group_of.get(place[path], ()))
            other = path if path in tested else next((twin for twin in twins if twin in reference), None)
            if path in own:
                add_image(one, "test_image", path, own[path])
            elif other is not None:
                add_image(one, "identical_image", path, reference[other], other)
            else:
                rest.append(place[path])
        add_labels(one, groups, known)
        if settings.looks and reference and rest:
            others = np.array([place[path] for path in reference], int)
            for i, j, bits, mirrored, more in near(looks[rest], looks[others], settings.near_bits, settings.mirrored):
                path, other = known.paths[rest[i]], known.paths[others[j]]
                about = {"bits": bits, "mirrored": mirrored, "further": more}
                add_image(one, "near_image", path, reference[other], other, **about)


def add_image(one: Scanned, kind: str, path: str, found: tuple[str, str], other: str = "", **more: object) -> None:
    against, other_image = found
    about = {"image": one.which.image(path)} | ({"other_image": other_image} if other else {})
    one.found[path].append(Finding(kind, one.name, against, {**about, **more}))
    if other:
        one.twins[path] = other


def add_labels(one: Scanned, groups: list[np.ndarray], known: Files) -> None:
    for group in groups:
        paths = [known.paths[index] for index in group if one.labels.get(known.paths[index]) is not None]
        labels = [one.labels[path] for path in paths]
        if len(set(labels)) > 1:
            finding = Finding("label", one.name, "", {"images": [*map(one.which.image, paths)], "labels": labels})
            for path in paths:
                one.found[path].append(finding)


def same_questions(scanned: list[Scanned], files: list[QuestionFile], tested: Tested) -> None:
    """Where a training image is a benchmark's, which of the benchmark's questions about it are trained on too."""
    wanted = {other for one in scanned for other in one.twins.values()} & tested.keys()
    if not wanted:
        return
    asked_about = defaultdict(list)
    for file in files:
        for question in file.questions():
            if question.path in wanted:
                asked_about[question.path].append((plain(question.text), question, file.name))
    for one in scanned:
        images = {path: other for path, other in one.twins.items() if other in asked_about}
        if not images:
            continue
        for line, row in one.which.rows():
            for image in images_of(row):
                other = images.get(one.which.path(image))
                if other is None:
                    continue
                texts = {plain(text): text for turn in questions_of(row) for text in asked_in(turn)}
                for text, question, name in asked_about[other]:
                    if text in texts:
                        about = {"image": image, "question": texts[text], "other_image": question.image}
                        about |= {"other_question": question.text, "question_id": question.question_id}
                        finding = Finding("question_and_image", one.name, name, about, {line: row.get("id")})
                        one.found[one.which.path(image)].append(finding)


def name_rows(one: Scanned) -> None:
    """Fill in which rows each finding is about."""
    if not one.found:
        return
    for line, row in one.which.rows():
        for key in dict.fromkeys([*map(one.which.path, images_of(row)), *questions_of(row)]):
            for finding in one.found.get(key, ()):
                if finding.kind != "question_and_image":
                    finding.rows[line] = row.get("id")
