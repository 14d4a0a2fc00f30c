"""A name written on a picture: the typographic attack of Goh et al. (Multimodal Neurons, 2021), who put labels on
things. Black on a white band, in the lower half of the middle square, which no family's fitting cuts off.
"""

from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from .picture_changes import Change

SMALLEST, LARGEST = 7, 1 / 8  # of the letters: pixels, and share of the middle square's side
WIDE, HIGH = 0.94, 0.5  # most of the middle square that the band takes
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True)
class MisleadingText(Change):
    text: str

    def __call__(self, picture: Image.Image) -> Image.Image:
        width, height = picture.size
        side = min(width, height)
        lines, font, line_height = fitted(self.text, side)
        made = picture.copy()
        paint = ImageDraw.Draw(made)
        margin = max(1, line_height // 6)
        below = (height + side) // 2 - max(1, side // 32)
        above = below - len(lines) * line_height - 2 * margin
        wide = max(round(font.getlength(line)) for line in lines) + 2 * margin
        paint.rectangle(((width - wide) // 2, above, (width + wide) // 2, below), fill=WHITE)
        for number, line in enumerate(lines):
            place = (width / 2, above + margin + (number + 0.5) * line_height)
            paint.text(place, line, fill=BLACK, font=font, anchor="mm")
        return made


def fitted(text: str, side: int) -> tuple[list[str], ImageFont.FreeTypeFont, int]:
    """(lines, font, pixels from line to line): the largest letters at which the text fits; else the smallest that can
    be read."""
    for size in range(max(SMALLEST, round(side * LARGEST)), SMALLEST - 1, -1):
        font = ImageFont.load_default(size=size)
        lines, line_height = wrapped(text, font, side * WIDE), round(size * 1.2)
        if max(map(font.getlength, lines)) <= side * WIDE and len(lines) * line_height <= side * HIGH:
            break
    return lines, font, line_height


def wrapped(text: str, font: ImageFont.FreeTypeFont, wide: float) -> list[str]:
    """Lines of whole words no wider than that, where a single word is not."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= wide:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
