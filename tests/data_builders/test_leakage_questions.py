"""Which questions repeat a benchmark's."""

import random

import pytest

from data_builders.leakage.open_questions import ALIKE, OpenQuestion, OpenQuestions, open_ones, plain, share

FROW = [
    "What is the typical wingspan of the bird in the image?",
    "What is the primary diet of the bird in the image?",
    "Which materials does this bird use for its nest, and where does it build it?",
]


@pytest.fixture
def frow():
    return OpenQuestions(OpenQuestion(text, "FROW/cub", number) for number, text in enumerate(FROW))


@pytest.mark.parametrize(
    ("turn", "number"),
    [
        (FROW[1], 1),
        ("<image>\nwhat is the primary DIET of the bird in the image", 1),
        ("What is the primary diet of the bird in the image?\nAnswer briefly.", 1),
        ("What is the typical wingspan of the bird in this image?", 0),
        ("Which materials does this bird use for its nest, and where does it build this nest?", 2),
    ],
)
def test_the_same_question_in_nearly_the_same_words_is_found(frow, turn, number):
    question, _ = frow.like(turn)
    assert question.question_id == number


@pytest.mark.parametrize(
    "turn",
    [
        "What is the primary habitat of the bird in the image?",  # nine of ten words, another matter
        "What is the typical wingspan of an albatross, and how does it help in flight?",
        "What species is the bird in the image?",
        "",
    ],
)
def test_another_question_in_the_same_form_is_not(frow, turn):
    assert frow.like(turn) is None


def test_the_index_finds_what_comparing_all_pairs_finds(frow):
    rng = random.Random(3)
    words = [f"w{number}" for number in range(30)]
    weights = [1 / (number + 1) for number in range(30)]
    texts = [" ".join(rng.choices(words, weights, k=rng.randint(1, 12))) for _ in range(700)]
    index = OpenQuestions(OpenQuestion(text, "f", number) for number, text in enumerate(texts[:350]))
    known = [frozenset(text.split()) for text in texts[:350]]
    found = 0
    for text in texts[350:]:
        all_words = frozenset(text.split())
        best = max(share(all_words, one) for one in known)
        match = index.like(text)
        # these words are all part of the matter
        expected = best >= 0.85
        assert (match is not None) == expected, text
        if match and plain(text) not in map(plain, texts[:350]):
            found += 1
            assert match[1] == best >= ALIKE
    assert found > 5


def test_of_general_benchmarks_only_questions_of_their_own_are_open():
    long = "In which year did exports of machinery first overtake those of textiles in the northern provinces?"
    rows = [(f"p{n}", f"{n}.jpg", f"Is there a {what} in the image?") for n, what in enumerate("abcdefghij")]
    rows += [
        (f"c{n}", f"c{n}.jpg", f"What is the value of the {what} bar in the chart shown here?")
        for n, what in enumerate(("red", "blue", "dark green"))
    ]
    rows += [("unique", "u.jpg", long), ("short", "s.jpg", "Who signed the letter?"), ("words", None, "Why?")]
    rows += [("twice", "x.jpg", "How many " + long), ("twice too", "y.jpg", "How many " + long)]
    assert [key for key, _ in open_ones(rows)] == ["unique", "words"]
