"""Checkpoints that are one merge at several shares, NAME@SHARE: what `merge: {sft: [0.25, 0.5]}` makes of a stage."""

AT = "@"


def is_swept(checkpoint: str) -> bool:
    """Is the checkpoint one of several shares of a merge?"""
    return AT in checkpoint


def beside(one: str | None, other: str | None) -> bool:
    """Are they two shares of one merge, neither of which comes before the other?"""
    if one is None or other is None or one == other or not (is_swept(one) and is_swept(other)):
        return False
    return one.partition(AT)[0] == other.partition(AT)[0]
