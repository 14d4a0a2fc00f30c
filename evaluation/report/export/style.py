"""How exported figures look: a paper's size and letters, the colours of the report's light page, a mark and colour a
run that do not repeat. The only place that imports matplotlib; the same input gives the same bytes."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..text import visible

WIDTH, HEIGHT = 5.5, 2.6  # inches: the width of a text column
LEGEND = 0.15  # inches: a row of it
INK, SOFT, FAINT = "#16202b", "#566373", "#c3cad2"
COLOURS = ("#5140d7", "#e9700b", "#219ec8", "#5a0a00", "#9a4348", "#2e037e")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*", "p", "h", "<", ">", "d", "8", "H")
GREYS = ("#66727e", "#95a1ad", "#bcc5ce")
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.6,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "grid.color": "#e8ecf0",
    "grid.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "text.color": INK,
    "text.parse_math": False,  # a name may hold a dollar sign
    "legend.frameon": False,
    "lines.solid_joinstyle": "round",
    "pdf.fonttype": 42,  # letters stay letters
    "svg.fonttype": "path",
    "svg.hashsalt": "fgtrain",
}


@dataclass(frozen=True)
class Look:
    """Of one run or arm."""

    colour: str
    marker: str
    strong: bool = True


@dataclass(frozen=True)
class Series:
    """The runs or arms of a page. `strong`: those with a colour, at most six; the others are grey, and told apart by
    their marks."""

    names: Mapping[int, str]
    strong: Sequence[int] = ()

    def look(self, index: int) -> Look:
        """Unlike that of any other of 36; `index` below zero: of none."""
        coloured = list(self.strong or self.names)[: len(COLOURS)]
        if index in coloured:
            place = coloured.index(index)
            return Look(COLOURS[place], MARKERS[place])
        grey = [one for one in self.names if one not in coloured]
        place = grey.index(index) if index in grey else 0
        tone = GREYS[place // len(MARKERS) % len(GREYS)]
        return Look(tone, MARKERS[place % len(MARKERS)], strong=not self.names)


@contextmanager
def styled() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def new_axes(width: float = WIDTH, height: float = HEIGHT) -> tuple[Any, Any]:
    """(figure, its axes), without the state of pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # which can tell how large a text is
    return figure, figure.add_subplot()


def legend(figure: Any, series: Series, shown: Collection[int]) -> None:
    """The colour, mark and name of each of `shown`, below the axes, those drawn strongly first."""
    from matplotlib.lines import Line2D

    looks = {index: series.look(index) for index in series.names if index in shown and series.names[index]}
    order = sorted(looks, key=lambda index: not looks[index].strong)
    handles = [
        Line2D([], [], color=looks[index].colour, marker=looks[index].marker, markersize=4, linewidth=1.4,
               label=str(visible(series.names[index])))
        for index in order
    ]  # fmt: skip
    if handles:
        longest = max(len(handle.get_label()) for handle in handles)
        columns = max(1, int(WIDTH / (0.055 * longest + 0.5)))
        figure.set_figheight(figure.get_figheight() + LEGEND * -(-len(handles) // columns))
        figure.legend(handles=handles, loc="outside lower center", ncols=min(columns, len(handles)), fontsize=7)


def save(draw: Callable[[], Any], path: Path) -> None:
    """`path`.pdf and `path`.svg of what `draw` draws, without dates."""
    with styled():
        figure = draw()
        figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None, "Creator": None, "Producer": None})
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
