"""One spelling for what is written in many: digits, minus signs, powers, and the marks of Markdown and LaTeX."""

import re
import unicodedata

MINUS = "\u2212"
TRUE_MINUS = "\u2212\ufe63\uff0d\u2796"  # these are never hyphens
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015"
SUPERSCRIPT = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-", strict=True))
POWERS = re.compile(rf"([\w)\]}}])?([{''.join(SUPERSCRIPT)}]+)")
VULGAR = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
EMPHASIS = re.compile(r"(?<![\w)*_`])(\*\*\*|\*\*|\*|__|_|`)(?=[^\s*_`])([^*_`\n]{1,200})(?<=\S)\1(?![\w(*_`])")
LATEX = (
    (re.compile(r"\\[dt]?frac\s*\{([^{}]{1,20})\}\s*\{([^{}]{1,20})\}"), r" \1/\2"),
    (re.compile(r"\\sqrt\s*\{([^{}]{1,20})\}"), r"√(\1)"),
    (re.compile(r"\\(?:boxed|text|mathrm|mathbf|textbf)\s*\{([^{}]{0,80})\}"), r"\1"),
    (re.compile(r"\^\s*\{([^{}]{1,20})\}"), r"^(\1)"),
    (re.compile(r"\\(?:times|cdot)\b"), "×"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[(),\[\];!]|\\(?=%|\$)"), " "),
)
THIN = re.compile(r"(?<=\d)[\u00a0\u2007\u2009\u202f](?=\d{3}(?!\d))")  # between thousands
BLANK_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3})((?: 000)+)(?![\d.,]\d)\b")
ASCII = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if code != 0xFF0D}
ASCII |= dict.fromkeys(map(ord, TRUE_MINUS), MINUS) | {0x2044: "/", 0x2215: "/", 0xFF0F: "/", 0x2062: None}
ASCII |= dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"), None) | dict.fromkeys(map(ord, "’ʼ＇"), "'")


def one_spelling(text: str) -> str:
    """Digits, signs, powers (3² -> 3^(2)), thousands and emphasis as plain ASCII writes them; a minus that cannot be a
    hyphen is U+2212. Fractions in one sign (½) and roots stay."""
    if not text.isascii():
        text = "".join(map(_digit, text.translate(ASCII)))
        text = POWERS.sub(_power, text)
        text = THIN.sub("", text)
    if "\\" in text or "^" in text:
        for pattern, plain in LATEX:
            text = pattern.sub(plain, text)
    if any(mark in text for mark in "*_`"):
        text = EMPHASIS.sub(r"\2", text)
    return BLANK_THOUSANDS.sub(lambda found: found[0].replace(" ", ""), text) if " 000" in text else text


def _digit(sign: str) -> str:
    return sign if sign.isascii() or not sign.isdecimal() else str(unicodedata.digit(sign))


def _power(found: re.Match) -> str:
    """A raised number behind a digit or bracket is a power; behind a letter it belongs to a unit (km²)."""
    before, raised = found[1] or "", "".join(SUPERSCRIPT[one] for one in found[2])
    number = before.isdigit() or before in (")", "]", "}")
    return f"{before}^({raised})" if number else before
