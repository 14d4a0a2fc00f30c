"""How much there is in a sample, a batch or a stage: what work and memory follow from. Needs no torch, as plans do."""

from dataclasses import astuple, dataclass

LOGITS_AT_ONCE = 1 << 26  # values of one chunk of supervised positions: 256 MiB in fp32


@dataclass(frozen=True)
class Counts:
    tokens: int = 0  # image tokens included, padding not
    image_tokens: int = 0
    labels: int = 0  # supervised positions
    pairs: int = 0  # a token and one that it sees, itself included

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def times(self, factor: float) -> "Counts":
        return Counts(*(round(value * factor) for value in astuple(self)))
