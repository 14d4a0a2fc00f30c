"""The answer for a reader who reads nothing else: who ranks first, what is shown, what is not, what says nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..shared.measure_names import read_measure
from .answer import ArmMean, Contrast, StudyAnswer
from .words import counted, ends, label, number

MOST_SHOWN = 8  # sentences about what is shown
MOST_PAIRS = 6  # of arms, named one by one
SEEDS_MISSING = "seeds are missing"  # the verdict


@dataclass(frozen=True)
class Sentence:
    """`tone`: better or worse of what was shown to differ, unclear of what was not, else ""."""

    text: str
    tone: str = ""


def summary(answer: StudyAnswer) -> list[Sentence]:
    """At most a dozen sentences, whatever the number of arms, measures and contrasts."""
    return [
        *first_and_last(answer),
        *shown(answer),
        *not_shown(answer),
        *seeds_missing(answer),
        *at_chance(answer),
        *not_bettered(answer),
    ]


def first_and_last(answer: StudyAnswer) -> list[Sentence]:
    """Of the first measure, and of the two that a study is about where they are others."""
    found = []
    names = [one.name for one in answer.measures]
    for name in dict.fromkeys([names[0], *(one for one in ("fine_grained", "forgetting") if one in names)]):
        less = read_measure(name).better < 0 or next(one for one in answer.measures if one.name == name).unit == (
            "perplexity"
        )
        means = [(one.arm, one.means[name]) for one in answer.arms if one.means[name] is not None]
        means.sort(key=lambda pair: pair[1].value if less else -pair[1].value)
        if not means:
            continue
        said = f"{'Least' if less else 'Most'} {label(name)}: {mean_words(*means[0])}"
        if len(means) > 1:
            said += f"; {'most' if less else 'least'}: {mean_words(*means[-1])}"
        found.append(Sentence(f"{said}."))
    return found


def mean_words(arm: str, mean: ArmMean) -> str:
    stands = f", {mean.stands}" if mean.stands else ""
    return f"{arm} with {number(mean.value)} ({ends(mean)}{stands})"


def shown(answer: StudyAnswer) -> list[Sentence]:
    """The contrasts that hold, those of one measure against one arm together; the arm that more contrasts name is what
    the other is compared with, whichever of the two was written first."""
    named = Counter(arm for one in answer.contrasts for arm in (one.first, one.second))
    groups: dict[tuple[str, str, str], list[Contrast]] = {}
    for facts in answer.measures:
        for one in answer.contrasts:
            if one.verdict == "shown" and one.measure == facts.name:
                told = turned(one) if named[one.first] > named[one.second] else one
                groups.setdefault((told.measure, told.second, tone(told)), []).append(told)
    told = [Sentence(shown_words(own, second, how), how) for (_, second, how), own in groups.items()]
    if more := [one for own in list(groups.values())[MOST_SHOWN:] for one in own]:
        rest = Sentence(f"{counted(len(more), 'more contrast')} shown to differ: see Contrasts.")
        return [*told[:MOST_SHOWN], rest]
    return told


def turned(one: Contrast) -> Contrast:
    """second minus first."""
    return replace(one, first=one.second, second=one.first, value=-one.value, low=-one.high, high=-one.low)


def shown_words(own: Sequence[Contrast], second: str, how: str) -> str:
    """'fine-grained: shown to be better than alone: mixed (+12.1; 8.0 to 16.2), replay (+9.4; 5.0 to 13.8).'"""
    own = sorted(own, key=lambda one: -abs(one.value))
    said = [
        f"{one.first} ({number(one.value, signed=True)}; {number(one.low)} to {number(one.high)}"
        + ("" if one.covers == "seeds and images" else f", {one.covers}")
        + ")"
        for one in own
    ]
    what = {"better": "better than", "worse": "worse than", "unclear": "unlike"}[how]
    return f"{label(own[0].measure)}: shown to be {what} {second}: {listed_arms(said)}."


def tone(one: Contrast) -> str:
    """better and worse are said of what was shown: of forgetting, less is better."""
    if one.verdict != "shown":
        return "unclear"
    better = read_measure(one.measure).better * one.value
    return "better" if better > 0 else "worse" if better < 0 else "unclear"


def not_shown(answer: StudyAnswer) -> list[Sentence]:
    """The others, together: which arms by which measures."""
    found = [one for one in answer.contrasts if one.verdict not in ("shown", "not measured", SEEDS_MISSING)]
    if not found:
        return []
    pairs: dict[str, list[str]] = {}
    for one in found:
        pairs.setdefault(f"{one.first} and {one.second}", []).append(label(one.measure))
    if len(pairs) > MOST_PAIRS:
        few = f"{counted(len(found), 'comparison')} of {len(answer.contrasts)}, between {len(pairs)} pairs of arms"
        return [Sentence(f"Not shown to differ: {few}; see Contrasts.", "unclear")]
    text = "; ".join(f"{pair} ({', '.join(measures)})" for pair, measures in pairs.items())
    return [Sentence(f"Not shown to differ: {text}. That is no proof that they are alike.", "unclear")]


def seeds_missing(answer: StudyAnswer) -> list[Sentence]:
    """Differences of single runs: what they are, and that nothing is shown of others."""
    pairs: dict[str, list[str]] = {}
    for one in answer.contrasts:
        if one.verdict == SEEDS_MISSING:
            pairs.setdefault(f"{one.first} - {one.second}", []).append(
                f"{label(one.measure)} {number(one.value, signed=True)}"
            )
    if not pairs:
        return []
    text = "; ".join(f"{pair}: {', '.join(said)}" for pair, said in list(pairs.items())[:MOST_PAIRS])
    rest = f"; {counted(len(pairs) - MOST_PAIRS, 'more pair')}: see Contrasts" if len(pairs) > MOST_PAIRS else ""
    return [Sentence(f"Of one seed, {text}{rest}. Whether another seed would say so takes more of them.", "unclear")]


def at_chance(answer: StudyAnswer) -> list[Sentence]:
    """Arms whose number under a measure does not leave guessing behind."""
    found: dict[str, list[str]] = {}
    for one in answer.measures:
        arms = [arm.arm for arm in answer.arms if (mean := arm.means[one.name]) and mean.stands]
        if arms:
            who = "every arm" if len(arms) == len(answer.arms) else listed_arms(arms)
            found.setdefault(who, []).append(f"{label(one.name)} (chance {number(one.chance)})")
    return [Sentence(f"Not beyond chance: {who} in {', '.join(what)}.", "unclear") for who, what in found.items()]


def not_bettered(answer: StudyAnswer) -> list[Sentence]:
    """Which arms no other betters in both, and which of the others only within noise."""
    front = [one.arm + (" (within noise)" if one.within_noise else "") for one in answer.pareto if one.on_front]
    near = [one.arm for one in answer.pareto if not one.on_front and one.within_noise]
    found = [Sentence(f"No other arm gains as much and forgets as little: {listed_arms(front)}.")] if front else []
    if near:
        found.append(Sentence(f"Bettered, but within noise: {listed_arms(near)}.", "unclear"))
    return found


def listed_arms(arms: Sequence[str], most: int = 8) -> str:
    more = f" and {len(arms) - most} more" if len(arms) > most else ""
    return ", ".join(arms[:most]) + more
