"""A benchmark of a few pictures on disk and a model that answers by a function, for the tests of evaluation."""

import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from data_builders.shared.files import read_jsonl
from evaluation.protocols import Answer, ImageQuestions, Question
from evaluation.scoring.predictions import load_questions, read_predictions
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.task_files import task_without_items

HIERARCHY = "FG-BMK/human-oriented/hierarchical_granularity_recognition"
NAME = "fgbmk/cub/species/choice"
SPECIES = ("lum wug", "tam wug", "lum dax", "tam dax")


class FakesInstalled:
    """In the place of the entry points of answerers: loads `make()` from folders that hold `fake`."""

    group = "evaluation.answerers"

    def __init__(self, make: Callable[[], object]):
        self.make = make

    def installed(self) -> list[str]:
        return ["fake"]

    def code(self, name: str) -> dict[str, str]:
        return {"fake.py": "1"}

    def load(self, name: str) -> Callable[[Path], object]:
        return lambda folder: self.make() if (folder / "fake").exists() else None


class FakeAnswerer:
    """Answers `reply(image name, prompt)`; counts what it was asked; dies after `dies_after` questions."""

    def __init__(self, reply: Callable[[str, str], str] = lambda image, prompt: "yes", dies_after: int | None = None):
        self.reply, self.dies_after = reply, dies_after
        self.name, self.model_hash, self.settings = "fake", "hash-1", {"chat": "qa"}
        self.asked: list[tuple[str, str]] = []
        self.encoded = 0  # images handed over

    def answer(self, groups: list[ImageQuestions]) -> list[list[Answer]]:
        replies = []
        for group in groups:
            self.encoded += 1
            name = group.image.name if group.image else ""
            for question in group.questions:
                self.asked.append((name, question.prompt))
                if self.dies_after is not None and len(self.asked) > self.dies_after:
                    raise RuntimeError("killed")
            replies.append([self._answer(name, question) for question in group.questions])
        return replies

    def _answer(self, name: str, question: Question) -> Answer:
        """An option weighs as much as it is long."""
        weights = tuple((-float(len(option)), len(option)) for option in question.options)
        return Answer(self.reply(name, question.prompt), True, weights or None)

    def text_log_likelihood(self, texts: list[str]) -> list[tuple[float, int]]:
        return [(-float(len(text)), len(text.split())) for text in texts]


def write_rows(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def draw_images(folder: Path, count: int) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{index}.png" for index in range(count)]
    for index, name in enumerate(names):
        Image.new("RGB", (8, 8), (index * 7 % 256, 0, index)).save(folder / name)
    return names


def make_benchmark(root: Path, images: int = 8) -> Path:
    """A data folder with FG-BMK questions about `images` pictures of four species, drawn tasks, FROW and plain text."""
    names = draw_images(root / "CUB_200_2011" / "images", images)
    choice, true_false, short = [], [], []
    for index, name in enumerate(names):
        gold, other = SPECIES[index % 4], SPECIES[(index + 2) % 4]
        base = {"question_id": index + 1, "image": f"images/{name}", "category": "generic"}
        options = ", ".join(f'"{one}"' for one in SPECIES)
        asked = f"Which species is it? Choose one answer from the following list: {options}. Answer the question."
        choice.append({**base, "text": asked, "class": gold})
        right = index % 4 in (0, 3)
        asked = f"Is the species of the bird {gold if right else other}? Answer with yes or no."
        true_false.append({**base, "text": asked, "class": "yes" if right else "no"})
        short.append({**base, "text": "Which species? Directly answer with species names.", "class": gold})
    folder = root / HIERARCHY / "cub" / "species"
    write_rows(folder / "species_question_choice.jsonl", choice)
    write_rows(folder / "species_question_true_flase.jsonl", true_false)
    write_rows(folder / "species_question_short_answer.jsonl", short)
    for kind, golds in {"count": ["1", "2"], "presence": ["yes", "no"], "document": ["17", "42"]}.items():
        names = draw_images(root / "general" / kind, 4)
        rows = [
            {"question_id": i, "image": name, "question": f"{kind}?", "answer": golds[i % 2], "category": golds[i % 2]}
            for i, name in enumerate(names)
        ]
        write_rows(root / "general" / kind / "questions.jsonl", rows)
    names = draw_images(root / "FROW" / "images", 2)
    reference = "The bird is the {} (Wugus lum). It eats 12 berries and small beetles."
    rows = [
        {"image": f"images/{n}", "name": s, "question": "What does it eat?", "ref_answer": reference.format(s)}
        for n, s in zip(names, SPECIES[:2], strict=True)
    ]
    write_rows(root / "FROW" / "cub_with_reference.jsonl", rows)
    write_rows(
        root / "stories" / "heldout.jsonl", [{"id": f"t{i}", "text": "once upon a time " * (i + 1)} for i in range(3)]
    )
    return root


def published_rows(questions):
    """Prediction rows as FG-BMK writes them: "text" is the answer, "prompt" the question. The first six are right."""
    return [
        {
            "question_id": row["question_id"],
            "image": row["image"],
            "prompt": row["text"],
            "text": row["class"] if row["question_id"] <= 6 else "no idea",
            "class": row["class"],
            "category": row["category"],
        }
        for row in read_jsonl(questions)
    ]


def score(path, questions=None, name=NAME):
    """The scores of a published prediction file, read with or without its questions."""
    task = load_questions(name, questions) if questions else task_without_items(name)
    answers, notes = read_predictions(task, path)
    return score_answers(task, answers, notes=notes)
