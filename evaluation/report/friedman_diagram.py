"""The critical-distance diagram (Demšar 2006): average ranks on a line, bars join models that cannot be told apart."""

import io
from typing import Any

from ..features.friedman import Comparison
from .export.style import INK, SOFT, WIDTH, new_axes, styled
from .text import visible

ROW, LETTERS = 0.2, 34  # inches; letters of a name that fit beside the axis
DISTANCE_AT = 2.2  # rows above the axis
# Ink follows the reader's colour scheme, as the report does.
SCHEME = "<style>svg{color-scheme:light dark}</style>"


def draw_diagram(found: Comparison) -> Any:
    """A matplotlib figure, best ranks at the left."""
    import scikit_posthocs  # brings pandas and statsmodels along
    from pandas import DataFrame

    models, ranks = len(found.models), found.average_ranks
    together = [[float(abs(one - other) <= found.critical_distance) for other in ranks] for one in ranks]
    made, axes = new_axes(WIDTH, 0.75 + ROW * ((models + 1) // 2 + len(found.groups)))
    drawn = scikit_posthocs.critical_difference_diagram(
        dict(enumerate(ranks)),
        DataFrame(together),
        alpha=0.5,  # of the matrix, which holds 1 for those within the critical distance
        ax=axes,
        label_fmt_left="{label}",
        label_fmt_right="{label}",
        elbow_props={"color": INK, "linewidth": 0.7},
        crossbar_props={"color": INK, "linewidth": 2.4, "solid_capstyle": "round"},
        marker_props={"s": 8},
    )
    for label in drawn["labels"]:
        model = int(label.get_text())
        name = str(visible(found.models[model]))
        name = name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
        label.set_text(f" {name} ({ranks[model]:.2f}) ")
    axes.spines["top"].set_visible(True)
    axes.set_xlim(1, max(models, 2))
    reach = min(found.critical_distance, models - 1)
    axes.plot([1, 1 + reach], [DISTANCE_AT] * 2, color=INK, marker="|", markersize=6, linewidth=0.9)
    cut = ", cut off" if reach < found.critical_distance else ""
    text = f" CD = {found.critical_distance:.3f} at {found.alpha:g}{cut}"
    axes.annotate(text, (1 + reach, DISTANCE_AT), (3, 0), textcoords="offset points", va="center")
    axes.set_ylim(top=DISTANCE_AT + 0.5)
    return made


def diagram(found: Comparison) -> str:
    """The same as one SVG. All names are escaped; invisible characters are written out."""
    file = io.StringIO()
    with styled():
        draw_diagram(found).savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    head, tag, rest = file.getvalue().partition("<svg ")
    opened, closed, drawing = rest.partition(">")
    text = head + tag + opened + closed + SCHEME + drawing
    return text.replace(INK, "CanvasText").replace(SOFT, "CanvasText")
