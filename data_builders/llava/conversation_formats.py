"""The forms in which people keep conversations, each turned into LLaVA's.

LLaVA and ShareGPT: `conversations: [{from, value}]`; OpenAI and what follows it: `messages: [{role, content}]` with
`images`; InternVL: LLaVA's, with the picture's `width` and `height`. Roles go by several names; a system text is put
before the first question. What would lose something raises UserError.
"""

import re
from dataclasses import dataclass, field

from ..records import IMAGE_PLACEHOLDER, images_of
from ..shared.errors import UserError

ROLES = dict.fromkeys(("human", "user"), "human") | dict.fromkeys(
    ("gpt", "assistant", "chatgpt", "model", "bard", "bing"), "gpt"
)
LEADING = re.compile(rf"(?:\s*{IMAGE_PLACEHOLDER})*\s*")
OTHER_MEDIA = ("video", "videos", "audio", "audios")


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
    if not any(turn["value"].strip() for turn in turns[-1::-2]):
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
    first = next((place for place, (role, _) in enumerate(found) if role == "human"), None)
    if first:
        form.notes.append("left out what stands before its first question")
        found = found[first:]
    if len(found) > 1 and found[-1][0] == "human":
        form.notes.append("left out its last question, which has no answer")
        found.pop()
    alternate(found, name)
    return [{"from": role, "value": text} for role, text in found]


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


def turn_of(turn: object, name: str) -> tuple[str, str]:
    """(human, gpt or system; the text) of a turn in any of the forms."""
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
    return known or "system", text


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


def without_system(turns: list[tuple[str, str]], row: dict, name: str, form: Form) -> list[tuple[str, str]]:
    """The turns, the system text before the first question (fold), left out (drop), or an error (refuse)."""
    texts = [row.pop("system")] if "system" in row else []
    if not isinstance(texts[0] if texts else "", str):
        raise UserError(f"{name}: system must be text, not {str(texts[0])[:80]!r}")
    while turns and turns[0][0] == "system":
        texts.append(turns[0][1])
        turns = turns[1:]
    if any(role == "system" for role, _ in turns):
        raise UserError(f"{name}: a system turn must be the first")
    text = "\n\n".join(part.strip() for part in texts if part.strip())
    if not text or form.system == "drop":
        return turns
    if form.system == "refuse":
        raise UserError(f"{name}: it has a system text; write --system fold (before the first question) or drop")
    first = next((place for place, (role, _) in enumerate(turns) if role == "human"), None)
    if first is None:
        raise UserError(f"{name}: a system text, but no question to put it before")
    role, question = turns[first]
    lead = LEADING.match(question).group()
    return [*turns[:first], (role, f"{lead}{text}\n\n{question[len(lead) :]}"), *turns[first + 1 :]]


def alternate(turns: list[tuple[str, str]], name: str) -> None:
    roles = [role for role, _ in turns]
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
