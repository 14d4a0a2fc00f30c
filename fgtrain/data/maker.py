"""Makes one sample of a stage: the row as tokens, and which views of its pictures belong to it.

Everything here is a function of (seed, stage, data set, pass, row): whoever asks, and in which order, gets the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from data_builders.shared.seeding import draw
from fgtrain.errors import UserError
from fgtrain.images import ImageSpec

from .chat import encode_row
from .image import arranged
from .rows import Rows
from .sample import Sample
from .views import View

MEMO_TOKENS = 4_000_000  # about 70 MB


@dataclass
class SampleMaker:
    """`sample` and `views` of any (data set, pass, row index). Encoded rows are kept while there is room."""

    seed: int
    stage: str
    rows: Mapping[str, Rows]
    tokenizer: Any
    chat: str
    spec: ImageSpec
    max_tokens: int
    augment: Mapping[str, str] = field(default_factory=dict)  # data set -> how, of those whose pictures are augmented
    augment_views: int | None = None
    paired: bool = False  # each row is a preference, of which both answers are learnt from
    _memo: dict[tuple[str, int], tuple[str, Sample]] = field(default_factory=dict, repr=False)
    _memo_tokens: int = 0

    def sample(self, data_set: str, number: int, index: int) -> Sample:
        """Row `index` in pass `number`, named "data set/pass/row id". UserError when it cannot be encoded."""
        known = self._memo.get((data_set, index))
        if known is None:
            row = self.rows[data_set][index]
            known = (str(row["id"]), self._encode(data_set, number, row))
            # A mosaic is laid out anew in the next pass.
            if row.get("mosaic") is None and self._memo_tokens < MEMO_TOKENS:
                self._memo[data_set, index] = known
                self._memo_tokens += len(known[1])
        row_id, sample = known
        return replace(sample, name=f"{data_set}/{number}/{row_id}")

    def row_id(self, data_set: str, index: int) -> str:
        known = self._memo.get((data_set, index))
        return known[0] if known else str(self.rows[data_set][index]["id"])

    def only_in(self, data_set: str, number: int, index: int) -> int | None:
        """The pass, where the row's text differs from pass to pass, so that one may be too long and another not."""
        return number if self.rows[data_set][index].get("mosaic") is not None else None

    def views(self, data_set: str, number: int, index: int, sample: Sample) -> list[View]:
        """The views of the sample's pictures in this pass. With a fixed number of views, one of them is drawn."""
        how = self.augment.get(data_set)
        if how is None or self.augment_views is None or not sample.images:
            return [View(ref) for ref in sample.images]
        row_id = self.row_id(data_set, index)
        which = draw(self.seed, self.stage, "view", data_set, number, row_id).integers(self.augment_views)
        return [View(ref, how, int(which)) for ref in sample.images]

    def address(self, data_set: str, number: int, index: int) -> tuple:
        """Where an augmentation that is new in each pass is drawn."""
        return (self.seed, self.stage, data_set, number, self.row_id(data_set, index))

    def _encode(self, data_set: str, number: int, row: dict) -> Sample:
        place = f"{data_set}, row {str(row['id'])!r}"
        try:
            if row.get("mosaic") is not None:
                tiles = len(row["mosaic"]["names"])
                order = draw(self.seed, self.stage, "mosaic", data_set, number, row["id"]).permutation(tiles)
                row = arranged(row, order.tolist(), place)
            return encode_row(
                row,
                self.tokenizer,
                self.chat,
                self.spec,
                self.max_tokens,
                image_root=self.rows[data_set].image_root,
                name=place,
                paired=self.paired,
            )
        except (KeyError, TypeError, ValueError) as error:  # a mosaic without names, a grid that is no pair, ...
            raise UserError(f"{place}: {type(error).__name__} {error}") from None
