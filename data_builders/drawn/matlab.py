"""Writing MATLAB files (.mat, version 5) as data sets have them: the same bytes each time."""

import io

import numpy as np

HEADER_BYTES = 116  # of text at the beginning of a file


def mat_bytes(**variables: np.ndarray) -> bytes:
    """A .mat file of these variables; one-dimensional ones become rows."""
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, variables, oned_as="row")
    # The text says when the file was written; here it must not.
    return b"MATLAB 5.0 MAT-file".ljust(HEADER_BYTES) + buffer.getvalue()[HEADER_BYTES:]


def cells(values: list[str]) -> np.ndarray:
    """Texts as a cell array."""
    return np.array(values, dtype=object)


def struct_array(rows: list[dict[str, object]]) -> np.ndarray:
    """Records with the same fields, as a MATLAB struct array."""
    array = np.zeros(len(rows), dtype=[(name, object) for name in rows[0]])
    for place, row in enumerate(rows):
        array[place] = tuple(row.values())
    return array
