"""Does a training question ask what a benchmark asks?

Fixed wordings ("What is the species of the bird in this image?") are the same in training and test by design: such a
question leaks only with its image. An open question leaks by its words alone. Open are FROW's questions; questions
without an image; and of the other benchmarks those that are asked about one image only, have 8 words or more, and
whose shape (the words that are frequent in that benchmark, in order) is that of fewer than 3 images.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from ..naming import Asked, asked, words
from ..records import IMAGE_PLACEHOLDER

# Of all words and of those that decide what is asked: shared ones over those of both.
ALIKE, SAME_MATTER = 0.8, Asked.ALIKE
FEWEST_WORDS = 8
FREQUENT = 0.05  # share of a benchmark's questions
MOST_OF_SHAPE = 2  # images


def plain(text: str) -> str:
    """The words of a question in lower case; case, punctuation and accents do not count."""
    return " ".join(words(text.replace(IMAGE_PLACEHOLDER, " ")))


def asked_in(turn: str) -> list[str]:
    """The question of a training turn: as it stands, and without the instruction that may follow on further lines."""
    text = turn.replace(IMAGE_PLACEHOLDER, "\n").strip()
    return list(dict.fromkeys([text, text.split("\n")[0].strip()]))


def share(one: frozenset, other: frozenset) -> float:
    return len(one & other) / max(1, len(one | other))


@dataclass(frozen=True)
class OpenQuestion:
    text: str
    file: str
    question_id: int | str


def open_ones(rows: Iterable[tuple[int | str, str | None, str]]) -> list[tuple[int | str, str]]:
    """Of one benchmark's (question id, image, question), those that leak by their words alone."""
    rows = list(rows)
    split = [plain(question).split() for _, _, question in rows]
    frequency = Counter(word for one in split for word in set(one))
    images_of_text, images_of_shape = defaultdict(set), defaultdict(set)
    texts, shapes = [], []
    enough = max(MOST_OF_SHAPE + 1, FREQUENT * len(rows))
    for (_, image, _), said in zip(rows, split, strict=True):
        shape = tuple(word if frequency[word] >= enough else "*" for word in said)
        # a name of one word or of three fills the same place
        shapes.append(tuple(word for i, word in enumerate(shape) if word != "*" or shape[i - 1 : i] != ("*",)))
        texts.append(" ".join(said))
        images_of_text[texts[-1]].add(image)
        images_of_shape[shapes[-1]].add(image)
    found = []
    for (key, image, question), said, text, shape in zip(rows, split, texts, shapes, strict=True):
        unique = len(images_of_text[text]) == 1 and len(images_of_shape[shape]) <= MOST_OF_SHAPE
        if image is None or (unique and len(said) >= FEWEST_WORDS):
            found.append((key, question))
    return found


class OpenQuestions:
    """All open questions of the benchmarks, by their words.

    Near ones are found by prefix filtering: two sets of words that share four fifths share one of the rarest fifth of
    either, so only questions with such a word are compared.
    """

    def __init__(self, questions: Iterable[OpenQuestion]):
        self.questions = list(questions)
        texts = [plain(one.text) for one in self.questions]
        self._exact = {text: number for number, text in reversed(list(enumerate(texts)))}
        self._words = [frozenset(text.split()) for text in texts]
        self._matter = [asked(one.text) for one in self.questions]
        self._frequency = Counter(word for one in self._words for word in one)
        self._with_word: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(self._words):
            for word in self._rarest(one):
                self._with_word[word].append(number)

    def __len__(self) -> int:
        return len(self.questions)

    def like(self, turn: str) -> tuple[OpenQuestion, float] | None:
        """The benchmark question that this turn asks too, and the share of words; None when there is none."""
        for text in asked_in(turn):
            said = plain(text)
            if said in self._exact:
                return self.questions[self._exact[said]], 1.0
            all_words = frozenset(said.split())
            numbers = {number for word in self._rarest(all_words) for number in self._with_word.get(word, ())}
            alike = [(share(all_words, self._words[number]), number) for number in numbers]
            alike = [one for one in alike if one[0] >= ALIKE]
            if alike:
                matter = asked(text)
                for part, number in sorted(alike, reverse=True):
                    if share(matter, self._matter[number]) >= SAME_MATTER:
                        return self.questions[number], part
        return None

    def _rarest(self, all_words: frozenset) -> list[str]:
        """Enough of the set's rarest words for any set that is alike to have one of them among its own."""
        ordered = sorted(all_words, key=lambda word: (self._frequency[word], word))
        return ordered[: len(ordered) - ceil(ALIKE * len(ordered) - 1e-9) + 1]
