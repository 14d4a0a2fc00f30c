"""The answer as sentences: what a reader who reads nothing else takes away."""

from ..shared.measure_names import read_measure
from .answer import ArmAnswer, ArmMean, Contrast, MeasureFacts, StudyAnswer
from .retained import Change, Retained

LABELS = {
    "fine_grained": "fine-grained",
    "seen": "fine-grained on seen categories",
    "unseen": "fine-grained on unseen categories",
    "harmonic": "fine-grained, harmonic mean of seen and unseen",
}


def label(measure: str) -> str:
    """What a measure is called in a sentence: 'probe on cub, projector-encoder'."""
    if measure.startswith("features/") and measure.count("/") == 3:
        _, data, what, part = measure.split("/")
        return f"{what} on {data}, {part}"
    said = read_measure(measure)
    what = LABELS.get(said.what, said.what)
    if said.reaches is not None:
        return f"steps until {what} reaches {said.reaches:g}"
    return f"{what} at {said.at}" if said.at is not None else what


def number(value: float, *, signed: bool = False) -> str:
    """One digit behind the point, never a minus before zero."""
    text = f"{value:.1f}"
    text = text.lstrip("-") if not text.strip("-0.") else text
    return f"+{text}" if signed and value > 0 and text.strip("0.") else text


def counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def ends(one: ArmMean | Contrast | Change) -> str:
    """'-0.8 to 7.0', with what it covers where that is not seeds and images."""
    if one.covers == "one seed":
        return "one seed, no interval"
    text = f"{number(one.low)} to {number(one.high)}"
    return text if one.covers == "seeds and images" else f"{one.covers}: {text}"


def contrast_words(one: Contrast) -> str:
    """'early - late: +3.1 fine-grained (-0.8 to 7.0), 3 seeds: not shown'."""
    name = f"{one.first} - {one.second}"
    if one.value is None:
        return f"{name}: {label(one.measure)} cannot be compared: {one.why}"
    text = f"{name}: {number(one.value, signed=True)} {label(one.measure)} ({ends(one)}), {counted(one.seeds, 'seed')}"
    return f"{text}: {one.verdict}" + (f" ({one.why})" if one.why else "")


def arm_words(arm: str, one: ArmMean) -> str:
    """'early: 61.2 fine-grained (55.0 to 67.1), 3 seeds, 320 images, 1,920 questions'."""
    return (
        f"{arm}: {number(one.value)} {label(one.measure)} ({ends(one)}), {counted(one.seeds, 'seed')}, "
        + (f"{counted(one.images, 'image')}, " if one.images else "")
        + f"{counted(one.questions, 'question')}{one.stands and f': {one.stands}'}"
    )


def retained_words(one: Retained) -> list[str]:
    """'early: 71.2 fine-grained at sft, then 60.3: -10.9 (-14.0 to -7.9), 3 seeds', an arm each; then their order."""
    found = [
        f"{arm}: {number(change.before)} {label(one.immediate)}, then {number(change.after)}: "
        f"{number(change.value, signed=True)} ({ends(change)}), {counted(change.seeds, 'seed')}"
        for arm, change in one.arms.items()
    ]
    return [*found, order_words(one)]


def order_words(one: Retained) -> str:
    """How far the order of the arms stays."""
    pair = f"{label(one.immediate)} and {label(one.retained)} later"
    if one.order is None:
        return f"No rank correlation of {pair}: {counted(len(one.arms), 'arm')} (or arms all alike); it needs four"
    ends_of = f"{one.order_low:.2f} to {one.order_high:.2f}"
    return f"Rank correlation of {pair} over {len(one.arms)} arms: {one.order:.2f} ({ends_of})"


def pareto_words(answer: StudyAnswer) -> list[str]:
    """Which arms are not bettered, and which of the others only within noise; nothing where that was not measured."""
    front = [one for one in answer.pareto if one.on_front]
    if not front:
        return []
    names = ", ".join(one.arm + (" (within noise)" if one.within_noise else "") for one in front)
    found = [f"No other arm gains as much and forgets as little: {names}"]
    if near := [one for one in answer.pareto if not one.on_front and one.within_noise]:
        names = ", ".join(f"{one.arm} (by {' and '.join(one.bettered_by)})" for one in near)
        found.append(f"Bettered, but within noise: {names}")
    return found


def answer_words(answer: StudyAnswer) -> list[str]:
    """The answer in sentences, the contrasts first; where none was asked for, every arm's first measure."""
    sentences = [contrast_words(one) for one in answer.contrasts]
    if not sentences:
        means = [(one.arm, one.means[answer.measures[0].name]) for one in answer.ranked()]
        sentences = [arm_words(arm, mean) for arm, mean in means if mean is not None]
    return sentences + pareto_words(answer)


def measured_on_words(one: MeasureFacts) -> str:
    """'fine-grained: 6 tasks, 1,920 questions, 320 images'."""
    if not one.tasks:
        return f"{label(one.name)}: not measured"
    counts = [(len(one.tasks), "task"), (one.questions, "question"), *([(one.images, "image")] if one.images else [])]
    guessed = "" if one.chance is None else f", chance {number(one.chance)}"
    return f"{label(one.name)}: " + ", ".join(counted(*pair) for pair in counts) + guessed


def equal_words(fact: dict) -> str:
    """Whether something was equal between the arms; None on record: nobody could prove it."""
    return {True: "equal", False: "NOT equal"}.get(fact.get("equal"), "not proven equal")


def matched_words(fact: dict) -> str:
    """'exposures.fg_short_answer: equal (early 12,000, late 12,000; exempt: none)'."""
    given = ", ".join(f"{arm} {figure(value)}" for arm, value in fact["values"].items())
    exempt = f"exempt: {', '.join(fact['exempt'])}" if fact.get("exempt") else ""
    inside = "; ".join(part for part in (given, exempt) if part)
    text = f"{fact['what']}: {equal_words(fact)}" + (f" ({inside})" if inside else "")
    return f"{text}. {fact['note']}" if fact.get("note") else text


def figure(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "-" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def checkpoint_words(one: ArmAnswer) -> str:
    """At which checkpoint the arm was measured."""
    return " or ".join(one.checkpoints) if one.checkpoints else "no run"
