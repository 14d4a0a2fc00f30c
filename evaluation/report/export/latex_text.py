"""Text as LaTeX prints it, whatever stands in it: with pdflatex, T1 letters and no package for another script."""

import re
import unicodedata

SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#",
    "_": r"\_\allowbreak{}", "/": r"/\allowbreak{}",  # names of tasks and runs are long
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
    "−": "$-$", "–": "--", "—": "---", "…": r"\ldots{}", "·": r"\textperiodcentered{}", "±": r"$\pm$", "×": r"$\times$",
    "→": r"$\rightarrow$", "←": r"$\leftarrow$", "≥": r"$\geq$", "≤": r"$\leq$", "∞": r"$\infty$", "µ": r"$\mu$",
    "▲": r"$\blacktriangle$", "▼": r"$\blacktriangledown$", "↖": r"$\nwarrow$", "⟨": r"$\langle$", "⟩": r"$\rangle$",
}  # fmt: skip
PRINTED = "“”‘’„«»€"  # beside ASCII and the letters of Latin languages
GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (FINAL SIGMA|[A-Z]+)")
AS_LATIN = {"ALPHA": "A", "BETA": "B", "EPSILON": "E", "ZETA": "Z", "ETA": "H", "IOTA": "I", "KAPPA": "K", "MU": "M",
            "NU": "N", "OMICRON": "O", "RHO": "P", "TAU": "T", "CHI": "X"}  # fmt: skip


def escape(text: str) -> str:
    """Marks of footnotes (^1) stay marks. A letter that pdflatex cannot print is written without its accents, or as its
    number, so that a table with such a name compiles."""
    pieces = re.split(r"\^(\d[\d, ]*)", text)
    return "".join(
        rf"\textsuperscript{{{piece.strip()}}}" if place % 2 else _letters(piece) for place, piece in enumerate(pieces)
    )


def _letters(text: str) -> str:
    # Two hyphens or commas would be printed as another sign.
    return "".join(
        _letter(one) + ("{}" if one in "-," and text[place + 1 : place + 2] == one else "")
        for place, one in enumerate(text)
    )


def _letter(one: str) -> str:
    if one in SIGNS:
        return SIGNS[one]
    if one.isascii() or one in PRINTED or "\u00a0" <= one <= "\u017e":
        return one
    name = unicodedata.name(one, "")
    if match := GREEK.fullmatch(name):
        capital, greek = match[1] == "CAPITAL", match[2]
        if greek in AS_LATIN and (capital or greek == "OMICRON"):
            return AS_LATIN[greek] if capital else "o"
        greek = {"FINAL SIGMA": "varsigma", "LAMDA": "lambda"}.get(greek, greek.lower())
        return f"${chr(92)}{greek.capitalize() if capital else greek}$"
    plain = unicodedata.normalize("NFKD", one)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return _letters(plain) if plain not in ("", one) else f"[U+{ord(one):04X}]"
