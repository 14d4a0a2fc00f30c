"""A report's table as LaTeX: booktabs, everything escaped, its caption with what the page says below it; in several
parts where it is wider or longer than a page."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from .csv_table import EMPTY, is_section
from .html_tables import Cell, HtmlTable
from .latex_text import escape
from .numbers import with_brackets

NEEDS = "% needs \\usepackage{array,booktabs,graphicx,amssymb} and \\usepackage[T1]{fontenc}"
LONG = 48  # letters; a longer text wraps
WIDEST = 130  # letters a row; with more a table has several parts, so that its letters can be read
LONGEST = 44  # lines of a part
# As it is where it fits, else as wide as the text.
FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"


def latex_text(table: HtmlTable, label: str) -> str:
    """One or several whole table environments, the first named `label`, ready for \\input."""
    made = [NEEDS]
    for number, part in enumerate(parts(table)):
        made.append(environment(part, label if number == 0 else None))
    return "\n".join(made) + "\n"


def environment(table: HtmlTable, label: str | None) -> str:
    """`label`: None of a part that goes on with the table before it."""
    width, lengths = table.width, column_lengths(table)
    kinds = "".join(r">{\raggedright\arraybackslash}p{0.3\linewidth}" if length > LONG else "l" for length in lengths)
    lines = [r"\begin{table}", r"\centering", r"\small"]
    if label is None:
        lines += [r"\addtocounter{table}{-1}", rf"\caption{{{escape(table.title)} (continued).}}"]
    else:
        lines += [rf"\caption{{{caption(table)}}}", rf"\label{{tab:{label}}}"]
    lines += [FITTED, rf"\begin{{tabular}}{{{kinds}}}", r"\toprule"]
    for row in table.heads:
        lines += [line(row, width), *rules(row, last=row is table.heads[-1])]
    lines += [r"\midrule"] if table.heads else []
    for number, row in enumerate(table.rows):
        if is_section(row):
            lines += [r"\midrule"] if number else []
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{\textbf{{{escape(row[0].text)}}}}} \\")
        else:
            lines.append(line(row, width))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}"])


def parts(table: HtmlTable) -> Iterator[HtmlTable]:
    """The table, or as many as fit side by side and below each other; each has the first column and the heads."""
    lengths = [min(length, LONG) for length in column_lengths(table)]
    columns: list[list[int]] = [[0]]
    for place in range(1, table.width):
        if len(columns[-1]) > 1 and sum(lengths[one] for one in columns[-1]) + lengths[place] > WIDEST:
            columns.append([0])
        columns[-1].append(place)
    rows: list[list[list[Cell]]] = [[]]
    used = 0
    for row in table.rows:
        lines = max(-(-len(cell.text) // LONG) for cell in row) or 1
        if rows[-1] and used + lines > LONGEST:
            rows.append([])
            used = 0
        rows[-1].append(row)
        used += lines
    for some in rows:
        for own in columns:
            heads = [sliced(row, own) for row in table.heads]
            yield replace(table, heads=heads, rows=[sliced(row, own) for row in some])


def sliced(row: Sequence[Cell], places: Sequence[int]) -> list[Cell]:
    """The row's cells in these columns; one over several is as wide as what is left of them."""
    owners = [cell for cell in row for _ in range(cell.columns)]
    found: list[tuple[Cell, Cell]] = []
    for place in places:
        if place >= len(owners):
            break
        if found and found[-1][0] is owners[place]:
            found[-1] = (owners[place], replace(found[-1][1], columns=found[-1][1].columns + 1))
        else:
            found.append((owners[place], replace(owners[place], columns=1)))
    return [cell for _, cell in found]


def column_lengths(table: HtmlTable) -> list[int]:
    """Letters of the longest cell of each column."""
    lengths = [0] * table.width
    for row in (*table.heads, *table.rows):
        place = 0
        for cell in row:
            if cell.columns == 1:
                lengths[place] = max(lengths[place], len(cell.text))
            place += cell.columns
    return lengths


def caption(table: HtmlTable) -> str:
    return escape(". ".join(text.removesuffix(".") for text in (table.title, *table.notes)) + ".")


def line(row: list[Cell], width: int) -> str:
    cells = ["--" if cell.text in EMPTY[:2] else escape(with_brackets(cell.text)) for cell in row]
    cells = [
        text if cell.columns == 1 else rf"\multicolumn{{{cell.columns}}}{{c}}{{{text}}}"
        for text, cell in zip(cells, row, strict=True)
    ]
    text = " & ".join([*cells, *[""] * (width - sum(cell.columns for cell in row))]) + r" \\"
    # A bracket or star would belong to the line break before it.
    return "{}" + text if text.startswith(("[", "*")) else text


def rules(row: list[Cell], *, last: bool) -> list[str]:
    """Short rules below heads that span columns."""
    found, place = [], 1
    for cell in row:
        if cell.columns > 1 and not last:
            found.append(rf"\cmidrule(lr){{{place}-{place + cell.columns - 1}}}")
        place += cell.columns
    return ["".join(found)] if found else []
