"""What the rule-based writer recognises in a sentence, and how it then asks. `{thing}` is bird, dog, grocery item, ...

A question must fit whatever sentence its pattern finds, so the patterns are narrow and the questions plain.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    name: str
    pattern: re.Pattern
    questions: tuple[str, ...]


def topic(name: str, pattern: str, *questions: str) -> Topic:
    return Topic(name, re.compile(pattern, re.IGNORECASE), questions)


TOPICS = (
    topic(
        "home",
        r"\b(lives? (in|on|near|along|among)|(is|are) (found|seen) (in|on|near|along|across|throughout)|inhabits?|"
        r"habitats?|occurs? (in|on|across|throughout)|resident (in|of)|ranges? (from|across|extends?))\b",
        "Where does the {thing} in the image live?",
        "In what surroundings would one look for the {thing} in the image?",
        "What places does the {thing} in the image call home?",
        "Where would a traveller meet the {thing} in the image?",
    ),
    topic(
        "food",
        r"\b(eats|feeds? (\w+ )?on|diet|preys? on|forages?|(they|birds|adults|young) (\w+ )?eat)\b",
        "What does the {thing} in the image eat?",
        "Which foods does the {thing} in the image live on?",
        "What would one find in the stomach of the {thing} in the image?",
        "How does the {thing} in the image nourish itself?",
    ),
    topic(
        "breeding",
        r"\b(nests?|nesting|breeds? (in|on|from|along|at)|breeding|lays?|eggs|clutch)\b",
        "What is known about how the {thing} in the image breeds?",
        "How does the {thing} in the image raise its young?",
        "Where and how does the {thing} in the image reproduce?",
    ),
    topic(
        "migration",
        r"\b(migrat\w+|winters? (in|along)|wintering|non-migratory)\b",
        "What is known about the migrations of the {thing} in the image?",
        "How does the place where the {thing} in the image stays change over the year?",
    ),
    topic(
        "voice",
        r"\b(song|songs|sings?|vocali\w+|its call|the call|calls? (is|are|include)|voice)\b",
        "How does the {thing} in the image sound?",
        "What is the voice of the {thing} in the image like?",
    ),
    topic(
        "looks",
        r"\b(has|have|with) (an? |the |its )?[\w ,-]*\b(body|wings?|tail|crown|bill|belly|head|plumage|coat|legs|"
        r"petals|leaves|flowers|"
        r"pulp|peel|shell|fuselage|underparts|upperparts)\b|\b(plumage|coat|peel|pulp|skin) (is|are)\b|"
        r"\bis an? ((dark|light|bright|pale) )?"
        r"(red|green|yellow|orange|brown|black|white|blue|purple|pink|grey|gray)\b",
        "What does the {thing} in the image look like according to its description?",
        "By which features can the {thing} in the image be told from others?",
        "How would an encyclopedia describe the looks of the {thing} in the image?",
    ),
    topic(
        "kinship",
        r"\b(genus|family|order|subfamily|tribe|belongs? to|species of|member of|"
        r"is an? ([\w-]+ )*(type|kind|variety|breed) of|stone fruit|is an? herb)\b",
        "To what group does the {thing} in the image belong?",
        "How is the {thing} in the image classified?",
        "What sort of {thing} does the image show?",
    ),
    topic(
        "taste",
        r"\b(tastes?|flavou?rs?|sweet|sweeter|sour|tart|mellow|aroma|acidity)\b",
        "How does the {thing} in the image taste?",
        "What flavour does the {thing} in the image have?",
        "What can one say about the taste of the {thing} in the image?",
    ),
    topic(
        "keeping",
        r"\b(stor(e|ed) (in|at)|shelf life|refrigerator|kept (cool|cold|dry)|sensitive to)\b",
        "How should the {thing} in the image be stored?",
        "What matters when one keeps the {thing} in the image at home?",
    ),
    topic(
        "use",
        r"\b(used (\w+ )?(for|in|as|to)|suitable (for|as)|good (for|as|in|to)|(fits|goes) (\w+ )?well|fit for|"
        r"popular (as|choice)|be (eaten|served|used)|eaten (on|with|raw))\b",
        "What is the {thing} in the image good for?",
        "How do people use the {thing} in the image?",
        "For what purposes does one choose the {thing} in the image?",
    ),
    topic(
        "contents",
        r"\b(rich in|enriched with|contains?|source of|vitamins?|percent fat|free from|protein)\b",
        "What does the {thing} in the image contain?",
        "Which substances in the {thing} in the image are worth naming?",
    ),
    topic(
        "origin",
        r"\b(originat\w+|native to|comes? from|made (from|of)|from (our )?Swedish|grown in (?-i:[A-Z])|bred (in|for)|"
        r"developed (in|by|for)|invented|manufactured|built by|designed by)\b",
        "What is known about the origin of the {thing} in the image?",
        "Where does the {thing} in the image come from, or what is it made from?",
    ),
    topic(
        "size",
        r"\b\d[\d.,]*(\s?[–-]\s?[\d.,]+)?\s?(cm|mm|m|km|centimet\w+|met(er|re)s?|inch(es)?|in|ft|feet|kg|g|lb|pounds|tonnes)\b|"
        r"\b(wingspan|weighs?)\b",
        "How large or heavy is the {thing} in the image?",
        "What measurements are given for the {thing} in the image?",
    ),
    topic(
        "beginnings",
        r"\b(first flight|maiden flight|first flew|entered service|introduced (in|into)|long history|launched)\b",
        "What is known about the early history of the {thing} in the image?",
        "When and how did the {thing} in the image make its first appearance?",
    ),
    topic(
        "engines",
        r"\b(engines?|turbofans?|turboprops?|powered by)\b",
        "What drives the {thing} in the image?",
        "With which engines is the {thing} in the image equipped?",
    ),
    topic(
        "preparing",
        r"\b(boil\w*|fry|fried|grill\w*|bak(e|ed|ing)|cook(ed|ing)|stew\w*|peeled|cutting|shredded|remove the)\b",
        "How can the {thing} in the image be prepared?",
        "What should one know before preparing the {thing} in the image?",
    ),
    topic(
        "character",
        r"\b(temperament|intelligen\w+|friendly|loyal|trained|companion|guard dog|hunting)\b",
        "What character is the {thing} in the image said to have?",
        "For what tasks and company is the {thing} in the image known?",
    ),
)
# For what no pattern recognises; fits any sentence about the category.
ANYTHING = topic(
    "anything",
    r"",
    "What is worth knowing about the {thing} in the image?",
    "What does a reference work say about the {thing} in the image?",
    "Which facts are recorded about the {thing} in the image?",
    "What would you tell someone who has never met the {thing} in the image?",
    "What background is there on the {thing} in the image?",
    "What sets the {thing} in the image apart, as far as is written about it?",
)
INTRODUCTIONS = (
    "Please introduce the {thing} in the image.",
    "What is the {thing} in the image, and what is known about it?",
    "Can you tell me about the {thing} in the image?",
    "Give a short introduction to the {thing} in the image.",
    "Name the {thing} in the image and say what it is known for.",
    "Write a few sentences about the {thing} in the image.",
    "I came across this {thing}. What is it, and what should I know about it?",
    "Identify the {thing} in the image and give some background.",
    "Introduce the {thing} shown here to somebody who does not know it.",
)
