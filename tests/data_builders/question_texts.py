"""Reading FG-BMK's questions back."""

import re


def options_of(question: str) -> list[str]:
    return re.findall(r'"([^"]*)"', question)


def asked_label(question: str) -> str:
    """The label of a true/false question, in one of the ten usual wordings."""
    question = question.removesuffix(" Answer with yes or no.")
    for pattern in (
        r" known as (.+)\?$",
        r"^Is the \w+ \w+ in this photo a (.+)\?$",
        r", is the \w+ of the \w+ shown a (.+)\?$",
        r"would you say that the \w+ of the \w+ is (.+)\?$",
        r"be assigned to the \w+ (.+)\?$",
        r"^Is it true that the \w+ of this \w+ is (.+)\?$",
        r", is (.+) the right \w+ for the \w+\?$",
        r"was noted as (.+)\. Is that correct\?$",
        r"^Is the \w+ of the \w+ (.+)\?$",
        r"^Is (.+) the \w+ of the \w+ in the image\?$",
    ):
        if found := re.search(pattern, question):
            return found[1]
    raise AssertionError(question)


def pairs(row: dict) -> list[tuple[str, str]]:
    """(question, answer) of a training row."""
    turns = row["conversations"]
    return [
        (human["value"].removeprefix("<image>\n"), gpt["value"])
        for human, gpt in zip(turns[::2], turns[1::2], strict=True)
    ]


def wording(row: dict, kind: str) -> str:
    """A benchmark question without its labels."""
    text = row["text"]
    if kind == "choice":
        return re.sub(r'"[^"]*"(, "[^"]*")*', "OPTIONS", text)
    return text.replace(f" {asked_label(text)}?", " LABEL?") if kind == "true_false" else text
