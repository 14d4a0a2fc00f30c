"""Long lists of numbers in a row of answers: as text, which takes a fraction of the memory of a list."""

import numpy as np


def written(values: tuple[float, ...]) -> str:
    """To the ten-thousandth, parted by blanks."""
    return " ".join(f"{value:.4f}" for value in values)


def read(text: str) -> np.ndarray:
    """ValueError for what is no number."""
    return np.array(str(text).split(), dtype=float)
