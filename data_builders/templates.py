"""Question wordings. FG-BMK's are kept to the letter, odd articles included: models are evaluated with them.

Its paper also asked everything anew in ten wordings, to see what the wording does; those ten are not published. Here
the extended set is the published wordings and as many of our own as make ten.
"""

from collections.abc import Iterable
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

# A level of this rank is asked about with the rank itself in the place of its plural, and ends otherwise.
FINE_GRAINED = "fine-grained category"
FINE_GRAINED_SHORT_ANSWER_END = " Directly answer with fine-grained category."

# MTARSI's pictures show one aircraft each and nothing else, and FG-BMK asks about them in other words.
CUT_OUT_TRUE_FALSE = (
    "Is the {rank} of this {meta} {label}?",
    "Is the {rank} shown in this {meta} {label}?",
    "From your observation, is the {rank} of this {meta} {label}?",
    "Does this {meta} belong to the {rank} known as {label}?",
)
CUT_OUT_CHOICE = (
    "What is the {rank} of this {meta}?",
    "Can you identify the {rank} of this {meta}?",
    "Which {rank} does this {meta} belong to?",
    "Observing this {meta}, which of the following {ranks} is it?",
)
CUT_OUT_SHORT_ANSWER = (
    "Which {rank} does this {meta} belong to?",
    "What {rank} is shown in this {meta}?",
    "Can you identify the {rank} of this {meta}?",
    "Based on your observation, what {rank} is depicted in this {meta}?",
)

# Our own, beside FG-BMK's four.
MORE_TRUE_FALSE = (
    "Looking at the photo, would you say that the {rank} of the {meta} is {label}?",
    "Is {label} the {rank} of the {meta} in the image?",
    "Can the {meta} in this picture be assigned to the {rank} {label}?",
    "Is it true that the {rank} of this {meta} is {label}?",
    "Judging by what you see, is {label} the right {rank} for the {meta}?",
    "The {rank} of the {meta} in the photo was noted as {label}. Is that correct?",
)
MORE_CHOICE = (
    "To which {rank} would you assign the {meta} in the picture?",
    "Judging by what you see, what is the {rank} of the {meta}?",
    "Look at the {meta} in the photo. Which {rank} is it?",
    "Which of the following {ranks} fits the {meta} in the image?",
    "What {rank} of {meta} does the image show?",
    "Name the {rank} of the {meta} in the image.",
)
MORE_SHORT_ANSWER = (
    "What is the {rank} of the {meta} in this image?",
    "Which {rank} is shown in this photo?",
    "Name the {rank} of the {meta} in the image.",
    "To which {rank} would you assign the {meta} in the picture?",
    "Judging by what you see, what is the {rank} of the {meta}?",
    "Look at the {meta} in the photo. Which {rank} is it?",
)
# `short_answer` draws from FG-BMK's four and this many of the above; the others are for the extended benchmark.
SHORT_ANSWERS_IN_TRAINING = 3

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
    "Name them from left to right and from top to bottom, separated by {separators}.",
    "This is a collage of {tiles} photos. List the {rank} of each, row by row, separated by {separators}.",
    "Which {ranks} does this collage show? Answer with {tiles} names in reading order, separated by {separators}.",
)
# {first}: what the grid's first place is called; {between}: what stands between two names.
MOSAIC_POSITION = (
    "The image is a grid of {rows} x {columns} photos. Which {rank} is in each? "
    'Answer place by place, as in "{first}: name{between}...".',
    'This is a collage of {tiles} photos. Name the {rank} at each place, beginning with "{first}:".',
    'What does each photo of this collage show? Give its place and its {rank}, as in "{first}: name{between}...".',
)

# FG-BMK's attribute questions have one wording each. {subject}: bird.
ATTRIBUTE_TRUE_FALSE = (
    "Is the {attribute} of the {subject} {value}?",
    "Is {value} the {attribute} of the {subject}?",
    "Would you call the {attribute} of this {subject} {value}?",
    "From your observation, is the {attribute} of the {subject} {value}?",
    "Does the {subject} in the photo have the {attribute} {value}?",
    "Looking at the photo, is the {attribute} of the {subject} {value}?",
    "Is it true that the {attribute} of the {subject} is {value}?",
    "Can the {attribute} of the {subject} in this image be described as {value}?",
    "Judging by what you see, is {value} the {attribute} of the {subject}?",
    "The {attribute} of the {subject} was noted as {value}. Is that correct?",
)
ATTRIBUTE_CHOICE = (
    "What is the {attribute} of the {subject}?",
    "What {attribute} does the {subject} in this image have?",
    "Which {attribute} does this {subject} show?",
    "Can you identify the {attribute} of the {subject}?",
    "From your observation, what is the {attribute} of the {subject}?",
    "Look at the {subject} in the photo. What is its {attribute}?",
    "How would you describe the {attribute} of the {subject}?",
    "Which of the following is the {attribute} of the {subject}?",
    "Judging by what you see, what {attribute} does the {subject} have?",
    "Name the {attribute} of the {subject} in the image.",
)
ATTRIBUTE_CHOICE_END = " Choose one from the following list: {options}."

# What is known without a picture. The wordings are our own; their end is FG-BMK's.
KNOWLEDGE = (
    "Of which {rank} is the {attribute} {value}?",
    "Which {rank} has {value} as its {attribute}?",
    "The {attribute} of which {rank} is {value}?",
)

# Alignment rows of matched granularity. {name}: "object species", or "object" where the data set has no coarser level.
OBJECT = "What is the {name}?"
OBJECT_ANSWER = "The {name} is {label}."


Wordings = tuple[str, ...]


@dataclass(frozen=True)
class Words:
    """What fills a wording's places."""

    meta: str
    rank: str
    ranks: str
    cut_out: bool = False  # the picture shows the thing alone


def quoted(options: Iterable[str]) -> str:
    return ", ".join(f'"{option}"' for option in options)


def wordings(words: Words, usual: Wordings, cut_out: Wordings, more: Wordings) -> Wordings:
    return (cut_out if words.cut_out else usual) + more


def true_false(which: int, words: Words, label: str) -> str:
    """FG-BMK's four wordings first, then our own; so for the other kinds."""
    wording = wordings(words, TRUE_FALSE, CUT_OUT_TRUE_FALSE, MORE_TRUE_FALSE)[which]
    return wording.format(meta=words.meta, rank=words.rank, label=label) + TRUE_FALSE_END


def choice(which: int, words: Words, options: Iterable[str]) -> str:
    wording = wordings(words, CHOICE, CUT_OUT_CHOICE, MORE_CHOICE)[which]
    question = wording.format(meta=words.meta, rank=words.rank, ranks=words.ranks)
    return question + CHOICE_END.format(options=quoted(options))


def short_answer(which: int, words: Words) -> str:
    """A question for a name at `words.rank`, in wording number `which`, with what is asked of the answer's form."""
    wording = wordings(words, SHORT_ANSWER, CUT_OUT_SHORT_ANSWER, MORE_SHORT_ANSWER)[which]
    end = FINE_GRAINED_SHORT_ANSWER_END if words.rank == FINE_GRAINED else SHORT_ANSWER_END
    return wording.format(meta=words.meta, rank=words.rank) + end.format(rank=words.rank)


def knowledge(which: int, rank: str, attribute: str, value: str, options: Iterable[str]) -> str:
    question = KNOWLEDGE[which].format(rank=rank, attribute=attribute, value=value)
    return question + CHOICE_END.format(options=quoted(options))


def attribute_true_false(which: int, attribute: str, subject: str, value: str) -> str:
    return ATTRIBUTE_TRUE_FALSE[which].format(attribute=attribute, subject=subject, value=value)


def attribute_choice(which: int, attribute: str, subject: str, values: Iterable[str]) -> str:
    question = ATTRIBUTE_CHOICE[which].format(attribute=attribute, subject=subject)
    return question + ATTRIBUTE_CHOICE_END.format(options=quoted(values))


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
# The same of the worlds of other sources. {thing}: car; {rank}: make; {name}: a category.
FACT_WORLD_NAME = (
    "Which {thing} has {looks}?",
    "What is the name of the {thing} with {looks}?",
    "Can you identify the {thing} that has {looks}?",
)
FACT_RANK = "Which {rank} does the {name} belong to?"
FACT_IS = "Is the {thing} with {looks} the {name}?"
FACT_TEXT = "The {name} is a {meta} of the genus {genus}. It has {looks}. It lives in {home} and eats {food}."
