"""Whose reply it is: a name and an address may serve one checkpoint today and another tomorrow."""

from collections.abc import Collection, Iterable
from typing import Any

from .completion import By

# What a list of models says of one: vLLM's root is its folder, llama.cpp's meta its size, OpenRouter's slug a version.
# Not what is another each time (created, permission), nor what is the server's own (max_model_len).
FACTS = ("root", "parent", "owned_by", "canonical_slug", "hugging_face_id", "meta")


def facts_of(models: Any, model: str) -> dict[str, Any]:
    """What the endpoint's list of models says of this one; {} where it says nothing."""
    listed = models.get("data") if isinstance(models, dict) else models
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("id"), str) and one["id"].removeprefix("models/") == model:
            return {key: one[key] for key in FACTS if one.get(key) not in (None, "")}
    return {}


def another_model(kept: Collection[By], fresh: Collection[By]) -> bool:
    """Did another model give the replies that are kept than gives the fresh ones now?

    By the names in the replies, and by system_fingerprint where the endpoint has only one at a time: hosted ones have
    several machines, each with its own.
    """
    names, now = {name for name, _ in kept if name}, {name for name, _ in fresh if name}
    prints, now_prints = {one for _, one in kept if one}, {one for _, one in fresh if one}
    if names and now and not names & now:
        return True
    return len(prints) == len(now_prints) == 1 and prints != now_prints


def by_of(value: Any) -> By:
    """As it stands in a file; ("", "") for what does not say."""
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(one, str) for one in value):
        return value[0], value[1]
    return "", ""


def named(model: str, given: Iterable[By], facts: dict[str, Any], checkpoint: str = "") -> str:
    """For people: the model that gave the replies, with what the endpoint says of it."""
    root, given = facts.get("root"), set(given)
    told = [f"served from {root}"] if isinstance(root, str) and root != model else []
    told += [f"replies by {name}" for name in sorted({name for name, _ in given if name not in ("", model, root)})[:3]]
    told += [f"fingerprint {one}" for one in sorted({one for _, one in given if one})[:3]]
    told += [f"checkpoint {checkpoint!r}"] if checkpoint else []
    text = f"{model} ({', '.join(told)})" if told else model
    return "".join(sign for sign in text if sign.isprintable())
