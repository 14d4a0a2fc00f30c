"""The writer behind an endpoint. Every answer is cached, so writing again costs nothing."""

from pathlib import Path

from ..shared.llm import Client
from . import prompts
from .subjects import Subject
from .writer import Verdict

SAMPLES = 3  # how often further open questions are asked for when too few can be used


class ModelWriter:
    def __init__(self, client: Client):
        self.client = client
        self.name = f"{client.endpoint.model}, prompts/{prompts.VERSION}"

    def introduction(self, subject: Subject, sample: int) -> str:
        return subject.answer(self.client.ask(prompts.introduction(subject), sample=sample))

    def pairs(self, subject: Subject, sample: int) -> list[tuple[str, str]]:
        if sample >= SAMPLES:
            return []
        answer = self.client.ask(prompts.pairs(subject), schema=prompts.Pairs, sample=sample)
        return [(one_line(pair.question), subject.answer(pair.answer.strip())) for pair in answer.pairs]

    def questions(self, subject: Subject) -> list[str]:
        answer = self.client.ask(prompts.drafts(subject), schema=prompts.Drafts)
        return [question for question in map(one_line, answer.questions) if question]

    def verdicts(self, subject: Subject, questions: list[str]) -> list[Verdict]:
        if not questions:
            return []

        def complete(answer: prompts.Verdicts) -> str | None:
            numbers = sorted(one.number for one in answer.verdicts)
            wanted = list(range(1, len(questions) + 1))
            return None if numbers == wanted else f"there must be one verdict for each of the numbers {wanted}"

        answer = self.client.ask(prompts.verdicts(subject, questions), schema=prompts.Verdicts, check=complete)
        return [verdict(one) for one in sorted(answer.verdicts, key=lambda one: one.number)]

    def reference(self, subject: Subject, question: str, image: Path | None) -> str:
        images = [image] if image is not None else []
        return subject.answer(self.client.ask(prompts.reference(subject, question, *images)))


def verdict(judged: prompts.Judged) -> Verdict:
    faults = {
        "not answerable from the text": not judged.answerable,
        "answerable without recognising the category": not judged.needs_recognition,
        "yes or no answers it": judged.yes_no,
        "gives the category away": judged.reveals,
    }
    found = [fault for fault, is_so in faults.items() if is_so]
    return Verdict(not found, f"{', '.join(found) or 'good'}: {one_line(judged.reason)}")


def one_line(text: str) -> str:
    return " ".join(text.split())
