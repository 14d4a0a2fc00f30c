"""What is written at the lines of a run page's figures in place of a legend: the run, or what a line of one run is."""

from collections.abc import Sequence

from ..compare import Comparison
from .figures import COLOURS, Line
from .labels import LONGEST, NARROW, Name, shared_beginning, short_names, shortened


def line_ends(found: Comparison, lines: Sequence[Line]) -> dict[str, list[Name]]:
    """What is written at the ends of strong lines: their runs. Of one run: what each line is, the thin ones too."""
    if len(found.runs) == 1:
        return own_ends(lines, found.runs[0].run.name)
    strong = [line for line in lines if line.kind in ("mean", "loss")]
    return {
        size: [Name(line.run, *line.xy[-1], texts[line.run]) for line in strong]
        for size, texts in run_labels(found).items()
    }


def own_ends(lines: Sequence[Line], run: str = "") -> dict[str, list[Name]]:
    """Each line by what it is: its text without the run that all belong to and, of thin ones, what all begin with."""
    texts = {line.text: line.text.removeprefix(f"{run}: ") for line in lines}
    thin = shared_beginning([texts[line.text] for line in lines if line.kind == "task"])
    return {
        size: [
            Name(line.run, *line.xy[-1], shortened(texts[line.text], most))
            if line.kind == "mean"
            else Name(None, *line.xy[-1], shortened(texts[line.text].removeprefix(thin), most))
            for line in lines
            if line.kind in ("mean", "task")
        ]
        for size, most in {"wide": LONGEST, "narrow": NARROW}.items()
    }


def run_labels(found: Comparison) -> dict[str, list[str]]:
    """What stands for each run in a picture: its name without what all begin with; of many runs led by the rank of the
    table, which alone stands on narrow screens."""
    names = [one.run.name for one in found.runs]
    short = [name.removeprefix(shared_beginning(names)) for name in names]
    if len(names) <= COLOURS:
        return {"wide": short, "narrow": short_names(short) or short}
    ranks = {place: str(rank) for rank, place in enumerate(ranked(found), 1)}
    numbers = [ranks[place] for place in range(len(names))]
    return {
        "wide": [f"{rank} {shortened(name, LONGEST - 3)}" for rank, name in zip(numbers, short, strict=True)],
        "narrow": numbers,
    }


def ranked(found: Comparison) -> list[int]:
    """The places of the runs by what they gained, the most first; those without a gain last, as they were given."""

    def place(index: int) -> tuple[bool, float]:
        result = found.runs[index]
        gain = result.gain[-1] if result.gain else None
        return (gain is None, -gain.value if gain else 0.0)

    return sorted(range(len(found.runs)), key=place)
