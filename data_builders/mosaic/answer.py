"""The answer to a mosaic: every tile's name, listed in reading order or each with its place."""

from collections.abc import Sequence

FORMS = ("reading_order", "position")
SEPARATORS = ((", ", "commas"), ("; ", "semicolons"), (" | ", "vertical bars"))
# Grids whose places have everyday names; the places of others are told by row and column.
PLACES = {
    (2, 2): ("top left", "top right", "bottom left", "bottom right"),
    (3, 3): (
        *("top left", "top middle", "top right"),
        *("middle left", "center", "middle right"),
        *("bottom left", "bottom middle", "bottom right"),
    ),
}


def place_names(grid: tuple[int, int]) -> tuple[str, ...]:
    """What each place is called, in reading order."""
    rows, columns = grid
    numbered = tuple(f"row {row + 1}, column {column + 1}" for row in range(rows) for column in range(columns))
    return PLACES.get((rows, columns), numbered)


def separator(names: Sequence[str], form: str = "reading_order") -> tuple[str, str]:
    """(what stands between two names, what it is called): commas or, by place, semicolons; others where a name holds
    that character itself, as the answer could not be taken apart then."""
    wanted = SEPARATORS if form == "reading_order" else SEPARATORS[1:]
    # A line break stands in no name.
    return next((one for one in wanted if not any(one[0].strip() in name for name in names)), ("\n", "line breaks"))


def answer_in_order(
    names: Sequence[str], order: Sequence[int], form: str = "reading_order", grid: tuple[int, int] = (3, 3)
) -> str:
    """The answer for the order given to `compose`: place p in reading order shows the tile called names[order[p]].

    reading_order: "jay, wren, ..."; position: "top left: jay; top middle: wren; ...", for which `grid` tells the
    places; with another separator where a name holds this one. ValueError for another form.
    """
    between, _ = separator(names, form)
    shown = [names[index] for index in order]
    if form == "reading_order":
        return between.join(shown)
    if form == "position":
        return between.join(f"{place}: {name}" for place, name in zip(place_names(grid), shown, strict=True))
    raise ValueError(f"a mosaic's answer has the form {form!r}; known are {', '.join(FORMS)}")
