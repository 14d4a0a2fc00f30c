"""A study's answer on one screen of 80 columns: the question, what is shown, arms ranked with intervals and cost."""

from .answer import ArmAnswer, StudyAnswer
from .summary import summary
from .words import counted, label, number

WIDTH = 80
ARMS = 12  # of more, the best by the first measure
ARM = 26  # columns that an arm's name may take
LEVEL = "~ no clearer than chance, or than 0"


def brief_lines(answer: StudyAnswer) -> list[str]:
    """Sentences may be longer than WIDTH and break between words; the table's lines are not."""
    question = (answer.question or "").split("\n\n")[0].replace("\n", " ")
    lines = [
        f"{answer.name or 'Study'}: {question}".rstrip(": "),
        "",
        *(f"- {one.text}" for one in summary(answer)),
        "",
    ]
    table, left_out = _table(answer)
    lines += table
    if len(answer.arms) > ARMS:
        lines.append(f"and {len(answer.arms) - ARMS} more arms, in the page")
    if left_out:
        lines.append(f"in the page as well: {', '.join(map(label, left_out))}")
    if any(mean is not None and mean.stands for one in _shown(answer) for mean in one.means.values()):
        lines.append(LEVEL)
    if len({one.seeds for one in _means(answer)}) == 1:
        seeds = counted(_means(answer)[0].seeds, "seed")
        lines.append(f"{seeds} an arm; in brackets 95 % intervals over {_covers(answer)}")
    if answer.not_measured:
        lines += ["", *(f"not measured: {text}" for text in answer.not_measured)]
    return lines


def _table(answer: StudyAnswer) -> tuple[list[str], list[str]]:
    """A line an arm: as many measures as there is room for beside what it cost; and the measures left out."""
    arms = _shown(answer)
    names = [one.arm if len(one.arm) <= ARM else f"{one.arm[: ARM - 1]}…" for one in arms]
    left = max(map(len, ["arm", *names]))
    cost = _cost(arms)
    room = WIDTH - left - sum(map(_width, cost))
    columns, left_out = [], []
    for facts in answer.measures:
        column = _head(facts.name), [_cell(one, facts.name) for one in arms]
        if columns and (left_out or sum(map(_width, [*columns, column])) > room):
            left_out.append(facts.name)
        else:
            columns.append(column)
    if sum(map(_width, columns)) <= room:
        columns += cost
    heads = [
        _line(
            "arm" if not place else "", left, [head[place] if place < len(head) else "" for head, _ in columns], columns
        )
        for place in range(max(len(head) for head, _ in columns))
    ]
    return heads + [
        _line(name, left, [cells[row] for _, cells in columns], columns) for row, name in enumerate(names)
    ], left_out


def _cost(arms: list[ArmAnswer]) -> list[tuple[list[str], list[str]]]:
    """The column of what training took, as recorded or else as planned; none where neither is known."""
    seconds = [one.cost and one.cost.seconds for one in arms]
    units, what = {one.cost.unit for one in arms if one.cost}, []
    if not any(seconds):
        seconds = [one.hours and 3600 * one.hours for one in arms]
        units, what = {"device"}, ["planned"]
    longest = max((one for one in seconds if one), default=0.0)
    if not longest:
        return []
    unit, size = ("hours", 3600) if longest >= 2 * 3600 else ("minutes", 60)
    head = [*what, units.pop() if len(units) == 1 else "device", unit]
    return [(head, ["unknown" if one is None else f"{one / size:,.1f}" for one in seconds])]


def _line(name: str, left: int, cells: list[str], columns: list[tuple[list[str], list[str]]]) -> str:
    text = "".join(f"{cell:>{_width(column)}}" for cell, column in zip(cells, columns, strict=True))
    return f"{name:<{left}}{text}".rstrip()


def _width(column: tuple[list[str], list[str]]) -> int:
    head, cells = column
    return 2 + max(map(len, [*head, *cells]))


def _head(measure: str) -> list[str]:
    """The measure's label in lines of a column's width."""
    lines = [""]
    for word in label(measure).split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > 20:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _cell(one: ArmAnswer, measure: str) -> str:
    mean = one.means[measure]
    if mean is None:
        return "not measured"
    interval = "" if mean.covers == "one seed" else f" ({number(mean.low)} to {number(mean.high)})"
    return f"{number(mean.value)}{'~' if mean.stands else ''}{interval}"


def _shown(answer: StudyAnswer) -> list[ArmAnswer]:
    return answer.ranked()[:ARMS]


def _means(answer: StudyAnswer) -> list:
    return [mean for one in answer.arms for mean in one.means.values() if mean is not None]


def _covers(answer: StudyAnswer) -> str:
    """Of most means; one whose interval covers less says so in the page."""
    covers = [one.covers for one in _means(answer)]
    return max(dict.fromkeys(covers), key=covers.count)
