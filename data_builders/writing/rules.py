"""The writer without an endpoint: sentences of the text behind questions that fit them. It invents nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..naming import EMPTY, singular, words
from ..shared.errors import UserError
from ..shared.seeding import address_hash
from .sentences import sentences, with_context
from .subjects import Subject
from .topics import ANYTHING, TOPICS, Topic
from .writer import DRAFTS, Verdict

VERSION = 1
INTRODUCTION_WORDS = 70  # an introduction ends with the sentence that passes it
ANSWER_SENTENCES = 3
VISIBLE = "looks"


class RulesWriter:
    name = f"rules/{VERSION}"

    def __init__(self, seed: int):
        self.seed = seed

    def introduction(self, subject: Subject, sample: int) -> str:
        """The first sentence, then others: in order for sample 0, drawn for the rest."""
        listed = self.sentences(subject)
        others = list(range(1, len(listed)))
        if sample:
            others.sort(key=lambda place: address_hash(self.seed, "introduction", subject.category, sample, place))
        chosen, length = {0}, len(words(listed[0]))
        for place in others:
            if length >= INTRODUCTION_WORDS:
                break
            new = set(with_context(listed, place)) - chosen
            chosen |= new
            length += sum(len(words(listed[one])) for one in new)
        return subject.answer(" ".join(listed[place] for place in sorted(chosen)))

    def pairs(self, subject: Subject, sample: int) -> list[tuple[str, str]]:
        """Questions with answers; every topic once before any topic again. The same for every sample."""
        if sample:
            return []
        found = [(topic, self.answer_to(subject, topic)) for topic in self.topics(subject)]
        rounds = max(len(topic.questions) for topic, _ in found)
        wordings = {topic.name: self.wordings(subject, topic) for topic, _ in found}
        return [
            (wordings[topic.name][number], answer)
            for number in range(rounds)
            for topic, answer in found
            if number < len(topic.questions)
        ]

    def questions(self, subject: Subject) -> list[str]:
        return [question for question, _ in self.pairs(subject, 0)][:DRAFTS]

    def verdicts(self, subject: Subject, questions: list[str]) -> list[Verdict]:
        """What the picture shows needs no recognition; what fits any category only where there is nothing else."""
        about = {one: topic.name for topic in self.topics(subject) for one in self.wordings(subject, topic)}
        specific = any(about[question] not in (VISIBLE, ANYTHING.name) for question in questions)
        reasons = {VISIBLE: "the picture shows it", ANYTHING.name: "fits any category" if specific else ""}
        found = [reasons.get(about[question], "") for question in questions]
        return [Verdict(not reason, reason or "from a sentence of the text") for reason in found]

    def reference(self, subject: Subject, question: str, image: Path | None) -> str:
        """The sentences that the question came from; for a question of somebody's own those that share its words."""
        for topic in self.topics(subject):
            if question in self.wordings(subject, topic):
                return self.answer_to(subject, topic)
        listed = self.sentences(subject)
        asked = set(map(singular, words(question))) - EMPTY
        shared = [len(asked & set(map(singular, words(one)))) for one in listed]
        if not any(shared):
            raise UserError(
                f"{subject.category}: no sentence of the text answers {question!r}; write the answer "
                "as well, or name a --model"
            )
        return subject.answer(listed[shared.index(max(shared))])

    def sentences(self, subject: Subject) -> tuple[str, ...]:
        # A text of single words is a sentence, too.
        return sentences(subject.text.body) or (" ".join(subject.text.body.split()),)

    def topics(self, subject: Subject) -> list[Topic]:
        """What the text speaks of, in an order drawn for the category; what fits any text last."""
        listed = self.sentences(subject)
        found = [topic for topic in TOPICS if any(map(topic.pattern.search, listed))]
        found.sort(key=lambda topic: address_hash(self.seed, "topic", subject.category, topic.name))
        return [*found, ANYTHING]

    def wordings(self, subject: Subject, topic: Topic) -> list[str]:
        """The topic's questions about the thing, in an order drawn for the category."""
        drawn = sorted(
            topic.questions, key=lambda one: address_hash(self.seed, "wording", subject.category, topic.name, one)
        )
        return [one.format(thing=subject.thing) for one in drawn]

    def answer_to(self, subject: Subject, topic: Topic) -> str:
        """The first sentences of that topic, with what they need to be understood, the name first."""
        listed = self.sentences(subject)
        chosen: set[int] = set()
        for place in self.matching(listed, topic):
            if len(chosen) >= ANSWER_SENTENCES:
                break
            chosen.update(with_context(listed, place))
        return subject.answer(" ".join(listed[place] for place in sorted(chosen)))

    def matching(self, listed: Sequence[str], topic: Topic) -> Iterator[int]:
        return (place for place, sentence in enumerate(listed) if topic.pattern.search(sentence))
