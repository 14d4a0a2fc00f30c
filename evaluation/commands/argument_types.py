"""Numbers on the command line: what is out of range is refused with what would be in it."""

import argparse


def bounded(text: str, kind: type, least: float) -> float:
    try:
        value = kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no {'whole ' if kind is int else ''}number") from None
    if not least <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not {least:g} or more")
    return value


def positive(text: str) -> int:
    return int(bounded(text, int, 1))


def count(text: str) -> int:
    return int(bounded(text, int, 0))


def price(text: str) -> float:
    return bounded(text, float, 0)


def seconds(text: str) -> float:
    return bounded(text, float, 0.001)


def temperature(text: str) -> float | None:
    """None: none is sent, so that it is the endpoint's own."""
    return None if text == "none" else bounded(text, float, 0)


def rate(text: str) -> float:
    """Requests a minute; 0.5 is one every two minutes."""
    return bounded(text, float, 0.01)
