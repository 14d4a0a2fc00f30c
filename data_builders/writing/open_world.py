"""`open_world`: per category three introductions and two open questions, put to each of its training images.

<out>/rows.jsonl, manifest.json   a row per image, its category's five pairs as independent turns
<out>/pairs.jsonl                 the pairs of each category once, with who wrote them and where the text comes from
<out>/left_out.jsonl              categories without a text, or that the model refused, if any were left out
"""

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from ..builder import Builder
from ..naming import Asked, named_in
from ..options import TrainingOptions
from ..records import independent_turns
from ..shared.errors import UserError
from ..shared.files import write_jsonl
from ..shared.llm import Client, NoUsableAnswer
from ..shared.seeding import address_hash
from ..short_answer import at_most, row_id
from ..source_rows import write_source_rows
from ..sources import Source
from .each_subject import for_each
from .question_rules import NO_FROW, fault, frow_questions
from .subjects import Subject, things
from .topics import INTRODUCTIONS
from .writer import Writer
from .writer_options import WriterOptions

INTRODUCTION_PAIRS, OPEN_PAIRS = 3, 2
INTRODUCTION_SAMPLES = 9  # that are asked for, where some name what is held out


class OpenWorldOptions(TrainingOptions, WriterOptions):
    frow: str | None = Field(
        None,
        description=f"folder of FROW, whose questions must not be asked here, or {NO_FROW}; needed for its data sets",
    )

    def identity(self) -> dict:
        found = super().identity()
        if self.frow not in (None, NO_FROW) and Path(self.frow).is_dir():
            questions = frow_questions(self.frow, ()).questions
            found["frow"] = f"{len(questions)} questions, {address_hash(*questions):032x}"[:48]
        return found


def introductions(subject: Subject, writer: Writer, seed: int, frow: Asked) -> list[dict]:
    """Three different questions, each with an introduction of its own."""
    drawn = sorted(INTRODUCTIONS, key=lambda one: address_hash(seed, "open_world", "ask", subject.category, one))
    asked = [one.format(thing=subject.thing) for one in drawn]
    usable = [one for one in asked if not frow.like(one) and not named_in(one, subject.names)]
    if len(usable) < INTRODUCTION_PAIRS:
        raise UserError(f"{subject.category}: {len(usable)} wordings of an introduction question are not in FROW")
    found: list[dict] = []
    for sample in range(INTRODUCTION_SAMPLES):
        answer = writer.introduction(subject, sample)
        if said := subject.unsaid.said_in(answer):
            continue
        found.append({"kind": "introduction", "question": usable[len(found)], "answer": answer})
        if len(found) == INTRODUCTION_PAIRS:
            return found
    raise NoUsableAnswer(f"{subject.category}: introductions by {writer.name} name {said}, which is held out")


def open_pairs(subject: Subject, writer: Writer, frow: Asked) -> list[dict]:
    """Two open questions that neither name the category nor stand in FROW, with different answers where there are."""
    usable: list[dict] = []
    again: list[dict] = []  # answers that one of the pairs has already
    refused: dict[str, str] = {}
    sample = 0
    while len(usable) < OPEN_PAIRS and (drafts := writer.pairs(subject, sample)):
        sample += 1
        for question, answer in drafts:
            if len(usable) == OPEN_PAIRS:
                break
            why = fault(question, subject)
            if why is None and (benchmark := frow.like(question)):
                why = f"in FROW: {benchmark!r}"
            if why is None and Asked(pair["question"] for pair in usable + again).like(question):
                why = "asked already"
            if why is None and (said := subject.unsaid.said_in(f"{question} {answer}")):
                why = f"names {said}, which is held out"
            if why:
                refused.setdefault(question, why)
                continue
            known = any(pair["answer"] == answer for pair in usable)
            (again if known else usable).append({"kind": "open", "question": question, "answer": answer})
    usable = (usable + again)[:OPEN_PAIRS]
    if len(usable) < OPEN_PAIRS:
        listed = "; ".join(f"{question} ({why})" for question, why in list(refused.items())[:6])
        raise NoUsableAnswer(
            f"{subject.category}: {len(usable)} of {OPEN_PAIRS} open questions by {writer.name} can be used; refused: "
            f"{listed}. A longer text or another --model gives others"
        )
    return usable


def written(
    subjects: list[Subject], writer: Writer, client: Client | None, seed: int, frow: Asked
) -> tuple[dict[str, dict], dict[str, str]]:
    """Each category's pairs, and why others have none."""

    def write(subject: Subject) -> dict:
        return {
            "category": subject.category,
            "writer": writer.name,
            "pairs": introductions(subject, writer, seed, frow) + open_pairs(subject, writer, frow),
            "text": subject.text.origin,
        }

    return for_each(write, subjects, client, "open-world pairs")


def rows_of(source: Source, options: OpenWorldOptions, pairs: dict[str, dict]) -> Iterable[dict]:
    for row in at_most(source.split(options.split), options.max_images_per_class, options.seed):
        if row.category not in pairs:
            continue
        known = pairs[row.category]
        yield {
            "id": row_id(f"{source.name}/open_world", row.image),
            "image": row.image,
            "turns": "independent",
            "conversations": independent_turns((pair["question"], pair["answer"]) for pair in known["pairs"]),
            "source": source.name,
            "kind": "open_world",
            "category": row.category,
            "writer": known["writer"],
        }


def build(root: Path, out: Path, options: OpenWorldOptions) -> None:
    sources = options.load(root)
    frow = frow_questions(options.frow, [source.name for source in sources])
    client = options.client()
    writer = options.writer(client, options.seed)
    subjects: dict[str, list[Subject]] = {}
    left_out = []
    for source in sources:
        subjects[source.name], lost = options.subjects(source, things(source, source.split(options.split)))
        left_out += [{"source": source.name, "category": name, "reason": reason} for name, reason in lost.items()]
    options.refuse({one["category"]: one["reason"] for one in left_out}, sum(map(len, subjects.values())))
    pairs, refused = {}, {}
    for name, listed in subjects.items():
        pairs[name], lost = written(listed, writer, client, options.seed, frow)
        refused |= lost
        left_out += [{"source": name, "category": category, "reason": reason} for category, reason in lost.items()]
    options.refuse_unwritten(refused, sum(map(len, pairs.values())))
    write_jsonl(out / "pairs.jsonl", ({"source": name, **one} for name in pairs for one in pairs[name].values()))
    (out / "left_out.jsonl").unlink(missing_ok=True)  # of an earlier build
    if left_out:
        write_jsonl(out / "left_out.jsonl", left_out)
    rows = (row for source in sources for row in rows_of(source, options, pairs[source.name]))
    write_source_rows(out, rows, builder="open_world", sources=sources, options=options)


BUILDER = Builder(
    "training rows: introductions and open questions per category, written from a text by a model or by rules",
    OpenWorldOptions,
    build,
    example="--source cub --root CUB_200_2011 --texts texts --frow FROW",
    description=(
        "Texts: a folder with <category>.txt (case, blanks, _, - do not count) or class_texts.jsonl, or wikipedia.\n"
        "With --model the pairs are written by any OpenAI-compatible endpoint (--base-url or $OPENAI_BASE_URL, key in\n"
        "$OPENAI_API_KEY); every answer is kept in --cache, so a run that stops goes on and pays nothing twice.\n"
        "Without --model, rules make them from the text's own sentences. No question names its category or is FROW's."
    ),
)
