"""A study's answer on one screen of 80 columns: the question, what is shown, every arm's means with their intervals."""

from .answer import ArmAnswer, StudyAnswer
from .summary import summary
from .words import counted, label, number

WIDTH = 80
ARMS = 14  # of more, the best by the first measure
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
    lines += _tables(answer)
    if len(answer.arms) > ARMS:
        lines.append(f"and {len(answer.arms) - ARMS} more arms, in the page")
    if any(mean is not None and mean.stands for one in _shown(answer) for mean in one.means.values()):
        lines.append(LEVEL)
    if len({one.seeds for one in _means(answer)}) == 1:
        seeds = counted(_means(answer)[0].seeds, "seed")
        lines.append(f"{seeds} an arm; in brackets 95 % intervals over {_covers(answer)}")
    if answer.not_measured:
        lines += ["", *(f"not measured: {text}" for text in answer.not_measured)]
    return lines


def _tables(answer: StudyAnswer) -> list[str]:
    """As many measures beside each other as there is room for, the rest below."""
    arms = _shown(answer)
    names = [one.arm if len(one.arm) <= ARM else f"{one.arm[: ARM - 1]}…" for one in arms]
    left = max(map(len, ["arm", *names]))
    columns = []
    for facts in answer.measures:
        cells = [_cell(one, facts.name) for one in arms]
        columns.append((_head(facts.name), cells))
    lines: list[str] = []
    while columns:
        taken = [columns.pop(0)]
        while columns and left + sum(map(_width, [*taken, columns[0]])) <= WIDTH:
            taken.append(columns.pop(0))
        if lines:
            lines.append("")
        for place in range(max(len(head) for head, _ in taken)):
            heads = [head[place] if place < len(head) else "" for head, _ in taken]
            lines.append(_line("arm" if not place else "", left, heads, taken))
        for row, name in enumerate(names):
            lines.append(_line(name, left, [cells[row] for _, cells in taken], taken))
    return lines


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
