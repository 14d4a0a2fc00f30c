"""Writing MATLAB files (.mat, version 5) as data sets have them: the same bytes each time."""

import io

import numpy as np

HEADER_BYTES = 116  # of text at the beginning of a file


def mat_bytes(**variables: object) -> bytes:
    """A .mat file. Lists of texts become cell arrays, numbers a row, `struct_array`s what they are."""
    from scipy.io import savemat

    arrays = {
        name: np.array(value, dtype=object) if isinstance(value, list) and isinstance(value[0], str) else value
        for name, value in variables.items()
    }
    buffer = io.BytesIO()
    savemat(buffer, arrays, oned_as="row")
    # The text says when the file was written; here it must not.
    return b"MATLAB 5.0 MAT-file".ljust(HEADER_BYTES) + buffer.getvalue()[HEADER_BYTES:]


def struct_array(rows: list[dict[str, object]]) -> np.ndarray:
    """Records with the same fields, as a MATLAB struct array."""
    array = np.zeros(len(rows), dtype=[(name, object) for name in rows[0]])
    for place, row in enumerate(rows):
        array[place] = tuple(row.values())
    return array
