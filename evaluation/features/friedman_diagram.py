"""The critical-distance diagram as one SVG: average ranks on a line, bars join models that cannot be told apart."""

from html import escape

from ..report.figures import ticks
from ..report.text import visible
from .friedman import Comparison

WIDTH, SIDE, ROW, LETTERS = 760, 220, 20, 30  # pixels; LETTERS of a name that fit beside the axis
# Ink follows the reader's colour scheme, as the report does.
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:CanvasText}.line{stroke:CanvasText;fill:none}"
    ".group{stroke:CanvasText;stroke-width:5;stroke-linecap:round}.small{font-size:11px}"
    "svg{color-scheme:light dark}"
)


def diagram(found: Comparison) -> str:
    """Best ranks at the left. All names are escaped; invisible characters are written out."""
    models, groups = len(found.models), found.groups
    left, right = SIDE, WIDTH - SIDE
    top = 64 + 9 * len(groups)
    height = top + ROW * ((models + 1) // 2) + 24

    def place(rank: float) -> float:
        return left + (rank - 1) / max(models - 1, 1) * (right - left)

    axis = 44
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(_summary(found))}"><style>{STYLE}</style>',
        f'<path class="line" d="M{left} {axis}H{right}"/>',
    ]
    for rank in ticks(1, models, max(2, min(models - 1, 8))):
        x = place(rank)
        parts.append(f'<path class="line" d="M{x:.1f} {axis}v-6"/>')
        parts.append(f'<text class="small" x="{x:.1f}" y="{axis - 10}" text-anchor="middle">{rank:g}</text>')
    span = min(found.critical_distance, models - 1)
    parts.append(f'<path class="line" d="M{left} 8v8m0 -4H{place(1 + span):.1f}m0 -4v8"/>')
    cut = ", cut off" if found.critical_distance > models - 1 else ""
    parts.append(
        f'<text class="small" x="{place(1 + span) + 8:.1f}" y="16">'
        f"CD = {found.critical_distance:.3f} at {found.alpha:g}{cut}</text>"
    )
    order = sorted(range(models), key=lambda number: found.average_ranks[number])
    for line, group in enumerate(groups):
        ranks = [found.average_ranks[number] for number in group]
        y = axis + 14 + 9 * line
        parts.append(f'<path class="group" d="M{place(min(ranks)):.1f} {y}H{place(max(ranks)) + 0.1:.1f}"/>')
    half = (models + 1) // 2
    for number, model in enumerate(order):
        on_left = number < half
        row = number if on_left else models - 1 - number
        x, y = place(found.average_ranks[model]), top + ROW * row
        edge, anchor, text_x = (left - 12, "end", left - 16) if on_left else (right + 12, "start", right + 16)
        parts.append(f'<path class="line" d="M{x:.1f} {axis}V{y}H{edge}"/>')
        name = str(visible(found.models[model]))
        shown = name if len(name) <= LETTERS else name[: LETTERS - 1] + "…"
        parts.append(
            f'<text x="{text_x}" y="{y + 4}" text-anchor="{anchor}"><title>{escape(name)}</title>'
            f"{escape(shown)} ({found.average_ranks[model]:.2f})</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _summary(found: Comparison) -> str:
    order = sorted(zip(found.average_ranks, found.models, strict=True))
    ranks = ", ".join(f"{visible(name)} {rank:.2f}" for rank, name in order)
    return (
        f"Average ranks over {len(found.data_sets)} data sets: {ranks}; critical distance {found.critical_distance:.3f}"
    )
