"""ChartQA's relaxed accuracy, and what tools make of it."""

from collections.abc import Sequence

from .base import NO_DETAILS, Details, Gold, Verdict, golds_of

TOLERANCE = 0.05  # of the gold number


def parse_number(text: str) -> float | None:
    """ChartQA's reading of a number: Python's float(), a trailing "%" divides by 100."""
    try:
        return float(text.rstrip("%")) / 100.0 if text.endswith("%") else float(text)
    except ValueError:
        return None


def close_enough(answer: str, target: str) -> bool:
    said, wanted = parse_number(answer), parse_number(target)
    if said is not None and wanted:  # a gold of zero has no relative distance and is compared as text
        return abs(said - wanted) / abs(wanted) <= TOLERANCE
    return answer.lower() == target.lower()


def relaxed(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """Within 5 % of the gold number; lower-case equality for text and for gold zero. Blanks count."""
    return Verdict(float(any(close_enough(answer, one) for one in golds_of(gold))), answer or None)


def relaxed_lmms_eval(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """lmms-eval end to end, and VLMEvalKit: blanks round the answer are gone before."""
    return relaxed(answer.strip(), gold)


def relaxed_internvl(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """InternVL's script hands answer and gold over the wrong way round, so the distance is relative to the answer."""
    said = answer.strip()
    return Verdict(float(any(close_enough(one, said) for one in golds_of(gold))), said or None)
