"""The answer for a reader who reads nothing else: who ranks first, what is shown, what is not, what says nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..shared.measure_names import read_measure
from .answer import ArmMean, Contrast, StudyAnswer
from .words import counted, ends, label, number, pareto_words

MOST_SHOWN = 6  # contrasts told one by one


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
        *at_chance(answer),
        *(Sentence(f"{text}.") for text in pareto_words(answer)),
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
    """The contrasts that hold, the surest first."""
    found = [one for one in answer.contrasts if one.verdict == "shown"]
    units = {one.name: one.unit for one in answer.measures}
    found.sort(key=lambda one: (one.p_holm, -abs(one.value)))
    told = [Sentence(shown_words(one, units[one.measure]), tone(one)) for one in found[:MOST_SHOWN]]
    if more := found[MOST_SHOWN:]:
        told.append(Sentence(f"{counted(len(more), 'more contrast')} shown to differ: see Contrasts."))
    return told


def shown_words(one: Contrast, unit: str) -> str:
    """'early has 50.8 points less fine-grained than late (17.0 to 84.6), 3 seeds: shown.'"""
    more = "more" if one.value > 0 else "less"
    low, high = (one.low, one.high) if one.value > 0 else (-one.high, -one.low)
    covers = "" if one.covers == "seeds and images" else f"{one.covers}: "
    return (
        f"{one.first} has {number(abs(one.value))} {unit} {more} {label(one.measure)} than {one.second} "
        f"({covers}{number(low)} to {number(high)}), {counted(one.seeds, 'seed')}: shown."
    )


def tone(one: Contrast) -> str:
    """better and worse are said of what was shown: of forgetting, less is better."""
    if one.verdict != "shown":
        return "unclear"
    better = read_measure(one.measure).better * one.value
    return "better" if better > 0 else "worse" if better < 0 else "unclear"


def not_shown(answer: StudyAnswer) -> list[Sentence]:
    """The others, together: which arms by which measures."""
    found = [one for one in answer.contrasts if one.verdict not in ("shown", "not measured")]
    if not found:
        return []
    pairs: dict[str, list[str]] = {}
    for one in found:
        pairs.setdefault(f"{one.first} and {one.second}", []).append(label(one.measure))
    if len(pairs) > MOST_SHOWN:
        few = f"{counted(len(found), 'comparison')} of {len(answer.contrasts)}, between {len(pairs)} pairs of arms"
        return [Sentence(f"Not shown to differ: {few}; see Contrasts.", "unclear")]
    text = "; ".join(f"{pair} ({', '.join(measures)})" for pair, measures in pairs.items())
    return [Sentence(f"Not shown to differ: {text}. That is no proof that they are alike.", "unclear")]


def at_chance(answer: StudyAnswer) -> list[Sentence]:
    """Arms whose number under a measure does not leave guessing behind."""
    found = []
    for one in answer.measures:
        arms = [arm.arm for arm in answer.arms if (mean := arm.means[one.name]) and mean.stands]
        if arms:
            who = "every arm" if len(arms) == len(answer.arms) else listed_arms(arms)
            found.append(Sentence(f"Not beyond chance ({number(one.chance)}) in {label(one.name)}: {who}.", "unclear"))
    return found


def listed_arms(arms: Sequence[str], most: int = 8) -> str:
    more = f" and {len(arms) - most} more" if len(arms) > most else ""
    return ", ".join(arms[:most]) + more
