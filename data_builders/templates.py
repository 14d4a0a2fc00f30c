"""Question wordings. FG-BMK's are kept to the letter, odd articles included: models are evaluated with them."""

from dataclasses import dataclass

# {meta}: meta-class word (aves, object); {rank}: species, genus, ...; {ranks}: its plural; {label}: the name asked.
TRUE_FALSE = (
    "Is the {rank} of the {meta} {label}?",
    "Is the {meta} {rank} in this photo a {label}?",
    "From your observation, is the {rank} of the {meta} shown a {label}?",
    "Does this {meta} belong to the {rank} known as {label}?",
)
TRUE_FALSE_END = " Answer with yes or no."
CHOICE = (
    "What is the {rank} of the {meta} in this image?",
    "Can you identify the {rank} of this {meta}?",
    "Which {rank} does this {meta} in the photo belong to?",
    "Observing the {meta} in the image, which of the following {ranks} is it?",
)
CHOICE_END = " Choose one answer from the following list: {options}. Answer the question using a single word or phrase."
SHORT_ANSWER = (
    "Which {rank} does the {meta} in this photo belong to?",
    "What {rank} of the {meta} is shown in the image?",
    "Can you identify the {rank} of this {meta} from the image?",
    "Based on your observation, what {rank} of the {meta} is depicted?",
)
SHORT_ANSWER_END = " Directly answer with {rank} names."

# Training rows only, beside FG-BMK's four.
MORE_SHORT_ANSWER = (
    "What is the {rank} of the {meta} in this image?",
    "Which {rank} is shown in this photo?",
    "Name the {rank} of the {meta} in the image.",
)

CAPTION = (
    "Describe the image briefly.",
    "What is shown in this image?",
    "Give a short caption of the photo.",
    "What does this photo show?",
)
CAPTION_ANSWER = ("a photo of a {label}.", "this is a photo of a {label}.", "the image shows a {label}.")

# {rows}, {columns}: the grid's size.
MOSAIC = (
    "The image is a grid of {rows} x {columns} photos. Which {ranks} are in it? "
    "Name them from left to right and from top to bottom, separated by commas.",
    "This is a collage of {tiles} photos. List the {rank} of each, row by row, separated by commas.",
    "Which {ranks} does this collage show? Answer with {tiles} names in reading order, separated by commas.",
)
# {first}: what the grid's first place is called.
MOSAIC_POSITION = (
    "The image is a grid of {rows} x {columns} photos. Which {rank} is in each? "
    'Answer place by place, as in "{first}: name; ...".',
    'This is a collage of {tiles} photos. Name the {rank} at each place, beginning with "{first}:".',
    'What does each photo of this collage show? Give its place and its {rank}, as in "{first}: name; ...".',
)


@dataclass(frozen=True)
class Words:
    """What fills a wording's places."""

    meta: str
    rank: str
    ranks: str


def true_false(which: int, words: Words, label: str) -> str:
    return TRUE_FALSE[which].format(meta=words.meta, rank=words.rank, label=label) + TRUE_FALSE_END


def choice(which: int, words: Words, options: list[str]) -> str:
    question = CHOICE[which].format(meta=words.meta, rank=words.rank, ranks=words.ranks)
    return question + CHOICE_END.format(options=", ".join(f'"{option}"' for option in options))


def short_answer(which: int, words: Words) -> str:
    """FG-BMK's four wordings first, then those for training only."""
    wordings = SHORT_ANSWER + MORE_SHORT_ANSWER
    return wordings[which].format(meta=words.meta, rank=words.rank) + SHORT_ANSWER_END.format(rank=words.rank)


# The drawn world's general skills. One wording a question: it is also the head of a classification task when an
# encoder is pretrained on them. The attribute wording is FG-BMK's.
ATTRIBUTE = "What is the {attribute} of the {subject}?"
COUNT = "How many shapes are in the image?"
COUNT_OF = "How many {shape} shapes are in the image?"
PRESENCE = "Is there {article} {color} {shape} in the image?"
NUMBER = "What number is in the image?"
DIGIT = "What is the {place} digit in the image?"
BAR = "What is the value of the {color} bar?"

# The drawn world's facts in words: {looks} is "a red body, a forked tail, ...", {name} a species.
FACT_NAME = (
    "Which species has {looks}?",
    "What is the species of the {meta} with {looks}?",
    "Can you identify the species that has {looks}?",
)
FACT_GENUS = "Which genus does the {name} belong to?"
FACT_CLASS = "Which class does the {name} belong to?"
FACT_TRUE_FALSE = "Is the {attribute} of the {name} {value}?"
FACT_TEXT = "The {name} is a {meta} of the genus {genus}. It has {looks}. It lives in {home} and eats {food}."
