"""How exported figures look: a paper's size and letters, the colours of the report's light page, a mark and colour a
run that do not repeat. The only place that imports matplotlib; the same input gives the same bytes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 5.5, 2.9  # inches: the width of a text column
INK, SOFT, FAINT = "#16202b", "#566373", "#c3cad2"
COLOURS = ("#5140d7", "#e9700b", "#219ec8", "#5a0a00", "#9a4348", "#2e037e")
MARKERS = ("o", "s", "D", "^", "v", "P")
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


def colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def marker(index: int) -> str:
    """With `colour` unlike for any 36 runs."""
    return MARKERS[(index + index // len(COLOURS)) % len(MARKERS)]


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


def legend(figure: Any, names: dict[int, str], columns: int = 3) -> None:
    """Every run's colour and mark with its name, below the axes."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour(index), marker=marker(index), markersize=4, linewidth=1.4, label=name)
        for index, name in names.items()
    ]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(columns, len(handles)), fontsize=7)


def save(draw: Callable[[], Any], path: Path) -> None:
    """`path`.pdf and `path`.svg of what `draw` draws, without dates."""
    with styled():
        figure = draw()
        figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None, "Creator": None, "Producer": None})
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
