"""A device's micro-batches by number: each one a pure function of its number, so resuming needs no state but that."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from data_builders.shared.progress import progress
from fgtrain.batch import Batch
from fgtrain.errors import UserError
from fgtrain.images import ImageSpec
from fgtrain.plan.arithmetic import steps_of

from .features import FeatureCache
from .image import render
from .load_balancing import Dealt, deal
from .maker import SampleMaker
from .mixture import StageOrder
from .packing import pack
from .quarantine import Quarantine
from .sample import Sample
from .views import Contents, View


@dataclass(frozen=True)
class Share:
    """This device's part of every step: `accumulation` micro-batches, one after another, beside the other devices'."""

    global_batch_size: int
    accumulation: int  # micro-batches a device makes per step
    rank: int = 0
    world_size: int = 1
    repeats: int = 1  # steps, one after another, that have the same samples

    def step(self, number: int, samples: int) -> tuple[range, int]:
        """(places in the stage's order of the step's samples, turn) of micro-batch `number`."""
        step, turn = divmod(number, self.accumulation)
        start = step // self.repeats * self.global_batch_size
        return range(start, min(start + self.global_batch_size, samples)), turn


@dataclass
class MicroBatches(Dataset):
    """Micro-batch number -> Batch. As many as all steps of the stage take on this device."""

    order: StageOrder
    loads_SL: np.ndarray  # int32 [samples of the order, (tokens, image tokens)]: a step is dealt by them
    share: Share
    maker: SampleMaker
    spec: ImageSpec
    quarantine: Quarantine
    pack_tokens: int | None
    weighting: str = "token"
    features: FeatureCache | None = None
    left_out: frozenset[tuple[str, str]] = frozenset()  # (data set, row id), by earlier starts

    def __post_init__(self) -> None:
        self.contents = self.features.contents if self.features else Contents()
        self._dealt: tuple[int, Dealt] = (-1, [])  # (first place, its step's dealing)

    def __len__(self) -> int:
        return steps_of(len(self.order), self.share.global_batch_size) * self.share.accumulation

    def __getitem__(self, number: int) -> Batch | UserError:
        """The batch. Bad rows are left out and written to quarantine; UserError when there are too many.

        In a loader process the error is returned instead: raising would bury it under that process's traceback.
        """
        try:
            return self.batch(number)
        except UserError as error:
            if get_worker_info() is None:
                raise
            return error

    def faulty(self, fault: str) -> Batch:
        """A batch without samples that says why there can be no other."""
        return replace(pack([], self.pack_tokens, self.weighting, data_sets=[]), fault=fault)

    def places(self, number: int) -> list[int]:
        """Places in the stage's order of micro-batch `number`; may be none in the last step."""
        step, turn = self.share.step(number, len(self.order))
        if self._dealt[0] != step.start:
            loads_SL = self.loads_SL[step.start : step.stop]
            self._dealt = step.start, deal(loads_SL, self.share.accumulation, self.share.world_size)
        return [step.start + int(place) for place in self._dealt[1][turn][self.share.rank]]

    def batch(self, number: int) -> Batch:
        taken = [which for place in self.places(number) if not self._left_out(which := self.order[place])]
        made = [(which, sample) for which in taken if (sample := self._sample(which)) is not None]
        images = self._images(made)
        if images is None:  # one of them cannot be read: find out which
            alone = [(one, self._image_or_none(one)) for one in made]
            made = [one for one, found in alone if found is not None]
            images = torch.cat([found for _, found in alone if found is not None]) if made else torch.empty(0)
        samples = [sample for _, sample in made]
        images = images if len(images) else None
        return pack(
            samples,
            self.pack_tokens,
            self.weighting,
            pixels_NCHW=None if self.features else images,
            features_NPF=images if self.features else None,
            data_sets=[data_set for (data_set, _, _), _ in made],
        )

    def _left_out(self, which: tuple[str, int, int]) -> bool:
        data_set, _, index = which
        return bool(self.left_out) and (data_set, self.maker.row_id(data_set, index)) in self.left_out

    def _sample(self, which: tuple[str, int, int]) -> Sample | None:
        data_set, number, index = which
        try:
            return self.maker.sample(data_set, number, index)
        except UserError as error:
            row_id, only_in = self.maker.row_id(data_set, index), self.maker.only_in(data_set, number, index)
            self.quarantine.add(data_set, row_id, str(error), only_in)
            return None

    def _images(self, made: list[tuple[tuple[str, int, int], Sample]]) -> Tensor | None:
        """Images of all samples, in order; None when one cannot be read."""
        try:
            return self._load(made)
        except UserError:
            return None

    def _image_or_none(self, one: tuple[tuple[str, int, int], Sample]) -> Tensor | None:
        try:
            return self._load([one])
        except UserError as error:
            (data_set, _, index), _ = one
            self.quarantine.add(data_set, self.maker.row_id(data_set, index), str(error))
            return None

    def _load(self, made: list[tuple[tuple[str, int, int], Sample]]) -> Tensor:
        """The rows of all pictures' pixels, or their features, one behind the other."""
        maker = self.maker
        if self.features is not None:
            views = [view for which, sample in made for view in maker.views(*which, sample)]
            return self.features.get(views) if views else torch.empty(0)
        pixels: list[Tensor] = []
        for which, sample in made:
            alone = len(sample.images) == 1
            how = maker.augment.get(which[0])
            if how is not None and maker.augment_views is None:
                for place, ref in enumerate(sample.images):
                    address = (*maker.address(*which), place)
                    pixels.append(torch.from_numpy(render(ref, self.spec, how, address, alone=alone)))
                continue
            for view in maker.views(*which, sample):
                pixels.append(torch.from_numpy(self.contents.pixels(view, self.spec, alone=alone)))
        return torch.cat(pixels) if pixels else torch.empty(0)


def rows_once(batches: MicroBatches) -> MicroBatches:
    """Micro-batches of as many samples that hold each row of the stage once, as it is in the first pass."""
    order, share = batches.order, batches.share
    _, first_R = np.unique(order.data_set_S.astype(np.int64) << 32 | order.row_S, return_index=True)
    once = StageOrder(
        order.names, order.data_set_S[first_R], np.zeros_like(order.pass_S[first_R]), order.row_S[first_R]
    )
    size = share.global_batch_size // share.accumulation
    alone = Share(size, 1, share.rank, share.world_size)
    return replace(batches, order=once, loads_SL=batches.loads_SL[first_R], share=alone)


def stage_views(order: StageOrder, maker: SampleMaker) -> dict[View, list[tuple[str, str]]]:
    """Every view that the stage will see -> the (data set, row id) that show it. Rows that cannot be encoded are left
    out: the check reports them."""
    owners: dict[View, list[tuple[str, str]]] = {}
    done: set[tuple[str, int]] = set()
    with progress("which pictures a stage sees", "samples", len(order), brief=True) as advance:
        for data_set, number, index in order:
            advance(1)
            fixed = data_set not in maker.augment or maker.augment_views is None
            if fixed and (data_set, index) in done:
                continue
            try:
                sample = maker.sample(data_set, number, index)
            except UserError:
                continue
            if not any(ref.tiles for ref in sample.images):
                done.add((data_set, index))
            for view in maker.views(data_set, number, index, sample):
                owner = (data_set, maker.row_id(data_set, index))
                if owner not in (known := owners.setdefault(view, [])):
                    known.append(owner)
    return owners
