"""A report's table as LaTeX: booktabs, everything escaped, its caption with what the page says below it."""

import re

from .csv_table import EMPTY, is_section
from .html_tables import Cell, HtmlTable
from .numbers import with_brackets

SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "−": "$-$", "–": "--", "—": "---", "…": r"\ldots{}", "·": r"\textperiodcentered{}", "±": r"$\pm$", "×": r"$\times$",
    "→": r"$\rightarrow$", "←": r"$\leftarrow$", "≥": r"$\geq$", "≤": r"$\leq$", "∞": r"$\infty$",
    "▲": r"$\blacktriangle$", "▼": r"$\blacktriangledown$", "↖": r"$\nwarrow$",
}  # fmt: skip
NEEDS = "% needs \\usepackage{booktabs,graphicx,amssymb} and \\usepackage[T1]{fontenc}"
LONG = 48  # letters; a longer text wraps
WIDE = 6  # columns; more are shrunk to the text's width


def escape(text: str) -> str:
    """Text as LaTeX prints it, whatever stands in it. Marks of footnotes (^1) stay marks."""
    pieces = re.split(r"\^(\d[\d, ]*)", text)
    return "".join(
        rf"\textsuperscript{{{piece.strip()}}}" if place % 2 else "".join(SIGNS.get(letter, letter) for letter in piece)
        for place, piece in enumerate(pieces)
    )


def latex_text(table: HtmlTable, label: str) -> str:
    """A whole table environment named `label`, ready for \\input."""
    width = table.width
    texts: list[list[str]] = [[] for _ in range(width)]
    for row in table.rows:
        place = 0
        for cell in row:
            if cell.columns == 1:
                texts[place].append(cell.text)
            place += cell.columns
    kinds = "".join(r"p{0.3\linewidth}" if max(map(len, some), default=0) > LONG else "l" for some in texts)
    lines = [NEEDS, r"\begin{table}", r"\centering", r"\small", rf"\caption{{{caption(table)}}}"]
    lines += [rf"\label{{tab:{label}}}"]
    lines += [r"\resizebox{\linewidth}{!}{%"] if width > WIDE else []
    lines += [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule"]
    for row in table.heads:
        lines += [line(row, width), *rules(row, last=row is table.heads[-1])]
    lines += [r"\midrule"] if table.heads else []
    for number, row in enumerate(table.rows):
        if is_section(row):
            lines += [r"\midrule"] if number else []
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{\textbf{{{escape(row[0].text)}}}}} \\")
        else:
            lines.append(line(row, width))
    lines += [r"\bottomrule", r"\end{tabular}" + ("}" if width > WIDE else ""), r"\end{table}"]
    return "\n".join(lines) + "\n"


def caption(table: HtmlTable) -> str:
    return escape(". ".join(text.removesuffix(".") for text in (table.title, *table.notes)) + ".")


def line(row: list[Cell], width: int) -> str:
    cells = ["--" if cell.text in EMPTY[:2] else escape(with_brackets(cell.text)) for cell in row]
    cells = [
        text if cell.columns == 1 else rf"\multicolumn{{{cell.columns}}}{{c}}{{{text}}}"
        for text, cell in zip(cells, row, strict=True)
    ]
    return " & ".join([*cells, *[""] * (width - sum(cell.columns for cell in row))]) + r" \\"


def rules(row: list[Cell], *, last: bool) -> list[str]:
    """Short rules below heads that span columns."""
    found, place = [], 1
    for cell in row:
        if cell.columns > 1 and not last:
            found.append(rf"\cmidrule(lr){{{place}-{place + cell.columns - 1}}}")
        place += cell.columns
    return ["".join(found)] if found else []
