"""The forms in which people keep conversations, each turned into LLaVA's.

LLaVA and ShareGPT: `conversations: [{from, value}]`; OpenAI and what follows it: `messages: [{role, content}]` with
`images`; InternVL: LLaVA's, with the picture's `width` and `height`. Roles go by several names; a system text is put
before the first question. What would lose something raises UserError.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from ..records import IMAGE_PLACEHOLDER, images_of
from ..shared.errors import UserError

ROLES = dict.fromkeys(("human", "user"), "human") | dict.fromkeys(
    ("gpt", "assistant", "chatgpt", "model", "bard", "bing"), "gpt"
)
LEADING = re.compile(rf"(?:\s*{IMAGE_PLACEHOLDER})*\s*")
OTHER_MEDIA = ("video", "videos", "audio", "audios")
# Keys of a turn that say whether it is learnt: ms-swift's and axolotl's. OpenAI's is weight, 0 or 1.
LEARNT = ("loss", "train")
NOT_UNDERSTOOD = ("loss_scale", "loss_mask", "mask", "train_detail")


class Turn(NamedTuple):
    role: str  # human, gpt or system
    text: str
    learnt: bool = True  # an answer


@dataclass
class Form:
    """How rows are understood. `needs_placeholder` None: InternVL's and OpenAI's rows may leave it out."""

    system: str = "fold"
    needs_placeholder: bool | None = None
    notes: list[str] = field(default_factory=list)  # what was left out of the last row


def as_llava(row: dict, name: str, form: Form) -> dict:
    """The row with `conversations` of human and gpt turns in turn, `image` where it has pictures, and a place for each.

    UserError, beginning with `name`, when it cannot be had. `form.notes` says what was left out of it: a first turn
    that answers nothing (LLaVA's own training passes over it) and a last question without answer.
    """
    form.notes = []
    if row.get("conversations") is not None:
        turns, free = row["conversations"], "width" in row and "height" in row
    elif row.get("messages") is not None:
        turns, free = row.pop("messages"), True
    else:
        raise UserError(f"{name}: neither conversations nor messages among its keys {', '.join(map(str, row))}"[:400])
    for key in OTHER_MEDIA:
        if row.get(key):
            raise UserError(f"{name}: it has {key}; only pictures can be learnt from")
    if not isinstance(turns, list) or not turns:
        raise UserError(f"{name}: conversations must be a list of turns, not {str(turns)[:80]!r}")
    put_images(row, name)
    if not is_llava(turns) or "system" in row:
        turns = mended(turns, row, name, form)
    row["conversations"] = turns
    text = "\n".join([turn["value"] for turn in turns])
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UserError(f"{name}: its text holds half a surrogate pair, which is no character") from None
    free = free if form.needs_placeholder is None else not form.needs_placeholder
    place_images(row, name, free, text.count(IMAGE_PLACEHOLDER))
    if row.get("turns") not in (None, "independent"):
        raise UserError(f"{name}: turns is {str(row['turns'])[:80]!r}; write turns: independent, or leave it out")
    if not any(turn["value"].strip() and turn.get("loss", True) for turn in turns[-1::-2]):
        raise UserError(f"{name}: no answer to learn from")
    return row


def is_llava(turns: list) -> bool:
    """Are they human and gpt turns in turn, with nothing to change? So are nearly all rows of the large files."""
    try:
        "".join([turn["value"] for turn in turns])  # a TypeError unless all are texts
        roles = [turn["from"] for turn in turns]
    except (KeyError, TypeError):
        return False
    return roles == ["human", "gpt"] * (len(turns) // 2) and sum(map(len, turns)) == 2 * len(turns)


def mended(turns: list, row: dict, name: str, form: Form) -> list[dict]:
    """The turns with LLaVA's roles, without the system text, beginning with a question and ending with an answer."""
    found = without_system([turn_of(turn, name) for turn in turns], row, name, form)
    first = first_question(found)
    if first:
        form.notes.append("left out what stands before its first question")
        found = found[first:]
    if len(found) > 1 and found[-1].role == "human":
        form.notes.append("left out its last question, which has no answer")
        found.pop()
    alternate(found, name)
    return [{"from": one.role, "value": one.text} | ({} if one.learnt else {"loss": False}) for one in found]


def first_question(turns: list[Turn]) -> int | None:
    return next((place for place, turn in enumerate(turns) if turn.role == "human"), None)


def put_images(row: dict, name: str) -> None:
    """`image` from `image` or `images`; a list of one is the one, and nothing is no key."""
    given = row.pop("images", None) or row.get("image")
    if row.get("image") and given != row["image"] and given != [row["image"]]:
        raise UserError(f"{name}: image and images differ; keep one of them")
    if isinstance(given, list) and len(given) == 1 and "mosaic" not in row:
        given = given[0]
    if not given:
        row.pop("image", None)  # how some files write a row of text only
        return
    for one in given if isinstance(given, list) else [given]:
        if not isinstance(one, str):
            raise UserError(f"{name}: an image must be a path, not {str(one)[:80]!r}")
        if "://" in one or one.startswith("data:"):
            raise UserError(f"{name}: {one[:80]!r} is no file; download the pictures and write their paths")
    row["image"] = given


def turn_of(turn: object, name: str) -> Turn:
    """The turn, given in any of the forms."""
    if not isinstance(turn, dict):
        raise UserError(f"{name}: a turn must have from and value, or role and content, not {str(turn)[:80]!r}")
    role = turn["from"] if "from" in turn else turn.get("role")
    text = turn["value"] if "value" in turn else turn.get("content")
    if isinstance(text, list):
        text = text_of_parts(text, name)
    if not isinstance(text, str):
        raise UserError(f"{name}: a turn's text must be text, not {str(text)[:80]!r}")
    known = ROLES.get(role) if isinstance(role, str) else None
    if known is None and role != "system":
        raise UserError(f"{name}: a turn must have from: human or gpt (or role: user or assistant), not {role!r}")
    return Turn(known or "system", text, learnt(turn, known == "gpt", name))


def learnt(turn: dict, answer: bool, name: str) -> bool:
    """Is the answer learnt, as its keys say? UserError for what cannot be obeyed."""
    said = [(key, turn[key]) for key in LEARNT if key in turn]
    if (weight := turn.get("weight")) is not None and answer:
        if isinstance(weight, bool) or weight not in (0, 1):
            raise UserError(f"{name}: a turn's weight is {str(weight)[:80]!r}; it may be 0 (not learnt) or 1")
        said.append(("weight", bool(weight)))
    said += [(key, turn[key]) for key in NOT_UNDERSTOOD if turn.get(key) is not None]
    for key, value in said:
        if key in NOT_UNDERSTOOD or not isinstance(value, bool):
            raise UserError(f"{name}: a turn's {key} is {str(value)[:80]!r}; write loss: false where it is not learnt")
        if value and not answer:
            raise UserError(f"{name}: {key}: true in a turn that is no answer; only answers are learnt")
    return all(value for _, value in said) or not answer


def text_of_parts(parts: list, name: str) -> str:
    """OpenAI's content in parts: texts joined, a placeholder for each picture. Its path stands in `images`."""
    texts = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "image" and set(part) == {"type"}:
            texts.append(IMAGE_PLACEHOLDER)
        else:
            raise UserError(
                f"{name}: a part of a turn's content must be {{type: text, text: ...}} or {{type: image}} with the "
                f"path in the row's images, not {str(part)[:80]!r}"
            )
    return "\n".join(texts)


def without_system(turns: list[Turn], row: dict, name: str, form: Form) -> list[Turn]:
    """The turns, the system text before the first question (fold), left out (drop), or an error (refuse)."""
    texts = [row.pop("system")] if "system" in row else []
    if not isinstance(texts[0] if texts else "", str):
        raise UserError(f"{name}: system must be text, not {str(texts[0])[:80]!r}")
    while turns and turns[0].role == "system":
        texts.append(turns[0].text)
        turns = turns[1:]
    if any(turn.role == "system" for turn in turns):
        raise UserError(f"{name}: a system turn must be the first")
    text = "\n\n".join(part.strip() for part in texts if part.strip())
    if not text or form.system == "drop":
        return turns
    if form.system == "refuse":
        raise UserError(f"{name}: it has a system text; write --system fold (before the first question) or drop")
    first = first_question(turns)
    if first is None:
        raise UserError(f"{name}: a system text, but no question to put it before")
    question = turns[first].text
    lead = LEADING.match(question).group()
    asked = Turn("human", f"{lead}{text}\n\n{question[len(lead) :]}")
    return [*turns[:first], asked, *turns[first + 1 :]]


def alternate(turns: list[Turn], name: str) -> None:
    roles = [turn.role for turn in turns]
    if len(roles) == 1 and roles[0] == "gpt":
        return  # plain text, all of it learnt
    if roles != ["human", "gpt"] * (len(roles) // 2):
        shown = ", ".join(roles[:8]) + (", ..." if len(roles) > 8 else "")
        raise UserError(f"{name}: questions and answers must alternate and end with an answer; they are {shown}")


def place_images(row: dict, name: str, free: bool, total: int) -> None:
    """Every picture has its placeholder in the first question; where the form may leave them out, they are put first.

    Training shows pictures before the question, so several must stand together at its start or end. `total`:
    placeholders in the whole row.
    """
    images, turns = images_of(row), row["conversations"]
    wanted = 1 if "mosaic" in row else len(images)
    if not images:
        if total:
            raise UserError(f"{name}: {IMAGE_PLACEHOLDER} in the text, but no image; add one or remove the placeholder")
        return
    first = turns[0]
    if first["from"] == "human" and not total and free:
        first["value"] = (IMAGE_PLACEHOLDER + "\n") * wanted + first["value"]
        return
    if first["from"] != "human" or total != wanted or first["value"].count(IMAGE_PLACEHOLDER) != wanted:
        times = "once" if wanted == 1 else f"{wanted} times, once an image"
        raise UserError(
            f"{name}: {IMAGE_PLACEHOLDER} must stand {times}, in the first human turn; it stands {total} times"
        )
    if wanted > 1:
        together, text = IMAGE_PLACEHOLDER * wanted, "".join(first["value"].split())
        if not (text.startswith(together) or text.endswith(together)):
            raise UserError(
                f"{name}: text between its {wanted} images; training shows all of them before the question, so write "
                f"their placeholders together at its start or end, or leave the row out"
            )
