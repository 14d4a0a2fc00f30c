"""MATLAB files (.mat, version 5 as data sets have them), with mistakes named."""

from pathlib import Path

import numpy as np

from ..shared.errors import UserError
from ..shared.text_files import LFS_POINTER, refuse_lfs_pointer


def read_mat(path: Path, *names: str) -> dict[str, np.ndarray]:
    """The named variables, each as a one-dimensional array (of numbers, texts or records).

    UserError when the file is missing, cannot be read, or lacks one of them.
    """
    from scipy.io import loadmat  # takes half a second, and most sources need none

    try:
        with open(path, "rb") as file:
            refuse_lfs_pointer(path, file.read(len(LFS_POINTER)))
            file.seek(0)
            found = loadmat(file, squeeze_me=True, variable_names=list(names))
    except FileNotFoundError:
        raise UserError(f"no file {path}; is the root the data set's own folder, in its official layout?") from None
    except NotImplementedError:
        raise UserError(f"{path} is a MATLAB 7.3 file; the official one is version 5. Download it again") from None
    except UserError:
        raise
    except Exception as error:  # the parser raises whatever a broken file leads it to
        raise UserError(f"{path} cannot be read as a .mat file ({error}); download it again") from None
    if absent := [name for name in names if name not in found]:
        raise UserError(f"{path} has no variable {', '.join(absent)}; is it the official file?")
    return {name: np.atleast_1d(found[name]) for name in names}


def whole_numbers(path: Path, name: str, values: np.ndarray, lowest: int, highest: int) -> list[int]:
    """The values as whole numbers. UserError names the first that is none, or is not between lowest and highest."""
    numbers = []
    for place, value in enumerate(values.tolist(), 1):
        value = value.item() if isinstance(value, np.generic) else value
        if not isinstance(value, int | float) or value != value // 1 or not lowest <= value <= highest:
            raise UserError(f"{path}: {name} {place} is {value!r}; expected a number from {lowest} to {highest}")
        numbers.append(int(value))
    return numbers


def texts(path: Path, name: str, values: np.ndarray) -> list[str]:
    """The values as texts. UserError names the first that is none."""
    found = values.tolist()
    for place, value in enumerate(found, 1):
        if not isinstance(value, str) or not value.strip():
            raise UserError(f"{path}: {name} {place} is {value!r}; expected a text")
    return found


def records(path: Path, name: str, values: np.ndarray, *fields: str) -> list[np.ndarray]:
    """The fields of an array of records (a MATLAB struct array), one array each. UserError when a field is missing."""
    have = values.dtype.names or ()
    if absent := [field for field in fields if field not in have]:
        raise UserError(f"{path}: {name} has no field {', '.join(absent)}; it has {', '.join(have) or 'none'}")
    return [values[field] for field in fields]
