"""Files with equal bytes: equal size first, then equal tails, then SHA-256, so that few files are read whole."""

import numpy as np

from .image_files import TAIL, Files


def groups_of(keys: np.ndarray, indices: np.ndarray) -> list[np.ndarray]:
    """The indices whose keys are equal, where there are at least two of a key."""
    if not len(indices):
        return []
    order = np.argsort(keys, kind="stable")
    keys, indices = keys[order], indices[order]
    cuts = np.flatnonzero(keys[1:] != keys[:-1]) + 1
    return [group for group in np.split(indices, cuts) if len(group) > 1]


def identical(files: Files, among: np.ndarray) -> list[np.ndarray]:
    """Groups of files of equal content among these indices, each in the order of the indices."""
    usable = np.array([index for index in among if files.sizes[index] > 0 and index not in files.faults], int)
    of_size = groups_of(files.sizes[usable], usable)
    if not of_size:
        return []
    whole = np.concatenate(of_size)
    # The tail is read once for all, and compared together with the size.
    keys = np.zeros(len(whole), [("size", "<i8"), ("digest", "S32")])
    keys["size"], keys["digest"] = files.sizes[whole], hexadecimal(files.tails(whole))
    same_tail = groups_of(ranks(keys), whole)
    found = [group for group in same_tail if files.sizes[group[0]] <= TAIL]
    long = [group for group in same_tail if files.sizes[group[0]] > TAIL]
    if long:
        whole = np.concatenate(long)
        found += groups_of(ranks(hexadecimal(files.sha256(whole))), whole)
    return sorted((np.sort(group) for group in found), key=lambda group: group[0])


def hexadecimal(digests: np.ndarray) -> np.ndarray:
    """numpy neither sorts nor compares raw bytes, and its text ends at a zero byte."""
    return np.array([digest.tobytes().hex() for digest in digests])


def ranks(keys: np.ndarray) -> np.ndarray:
    """A number for each, equal for equal keys."""
    return np.unique(keys, return_inverse=True)[1]
