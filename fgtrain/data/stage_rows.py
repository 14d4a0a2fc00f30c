"""The rows of one stage: which, in what order, what they come to, and whether each can be used."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from data_builders.shared.progress import progress
from data_builders.shared.terminal import say
from fgtrain.counts import Counts
from fgtrain.errors import UserError
from fgtrain.images import ImageSpec
from fgtrain.plan.arithmetic import stage_samples, steps_of
from fgtrain.recipe.devices_schema import Devices
from fgtrain.recipe.objective_schema import PAIRED
from fgtrain.recipe.stage_schema import Stage

from .checks import CutRows, check_rows, cut_rows
from .image_places import ImagePlaces
from .load_balancing import deal
from .maker import SampleMaker
from .mixture import StageOrder, stage_order
from .quarantine import Quarantine
from .rows import Rows


class StageRows:
    """Opened when they are first needed. UserError when a training set is missing or changed, or when a row cannot be
    used (see devices.bad_rows)."""

    def __init__(
        self,
        *,
        name: str,
        stage: Stage,
        folders: dict[str, Path],
        seed: int,
        devices: Devices,
        tokenizer: Any,
        image_spec: ImageSpec,
        chat: str,
        max_tokens: int,
        quarantine: Path,
        cache: Path,
        max_cut: Mapping[str, float] = MappingProxyType({}),
        image_places: Mapping[str, Sequence[Path]] = MappingProxyType({}),
    ) -> None:
        """`folders`: data set -> training set, for each of the mix; `cache`: where Arrow files and lengths are kept;
        `max_cut`: data set -> most of its rows that max_tokens may cut, as a fraction (default: all);
        `image_places`: data set -> folders that its images may lie in beside its own (default: all)."""
        self.name, self.stage, self.folders, self.seed, self.devices = name, stage, folders, seed, devices
        self.tokenizer, self.image_spec, self.chat, self.max_tokens = tokenizer, image_spec, chat, max_tokens
        self.cache, self.max_cut, self.image_places = cache, max_cut, image_places
        self.quarantine = Quarantine(quarantine, devices.bad_rows)

    @cached_property
    def rows(self) -> dict[str, Rows]:
        return {name: Rows(self.folders[name], self.cache / "rows") for name in self.stage.mix}

    @cached_property
    def order(self) -> StageOrder:
        return stage_order(self.seed, self.name, self.samples_of_each, self._rows_of_each)

    @property
    def _rows_of_each(self) -> dict[str, int]:
        return {name: len(rows) for name, rows in self.rows.items()}

    @property
    def samples_of_each(self) -> dict[str, int]:
        """Data set -> samples of the stage."""
        return stage_samples(self.stage.mix, self._rows_of_each, self.stage.steps, self.stage.global_batch_size)

    @property
    def samples(self) -> int:
        return len(self.order)

    @property
    def steps(self) -> int:
        return steps_of(self.samples, self.stage.global_batch_size)

    @cached_property
    def maker(self) -> SampleMaker:
        return SampleMaker(
            seed=self.seed,
            stage=self.name,
            rows=self.rows,
            tokenizer=self.tokenizer,
            chat=self.chat,
            spec=self.image_spec,
            max_tokens=self.max_tokens,
            augment=self.stage.augmented,
            augment_views=self.stage.augment_views,
            paired=self.stage.objective in PAIRED,
        )

    @cached_property
    def row_counts(self) -> dict[str, np.ndarray]:
        """Data set -> [rows, fields of `Counts`]. Checks every row on the first call."""
        return {name: counts[:, :-1] for name, counts in self._checked.items()}

    @cached_property
    def _checked(self) -> dict[str, np.ndarray]:
        known = self.cache, self.quarantine
        with progress(f"stage {self.name}: checking", "rows", sum(map(len, self.rows.values()))) as advance:
            return {
                name: check_rows(name, self.maker, *known, self._image_places(name), advance) for name in self.stage.mix
            }

    def _image_places(self, name: str) -> ImagePlaces:
        own = self.rows[name].folder, *self.image_places.get(name, (Path("/"),))
        return ImagePlaces(name, own)

    def cut_rows(self) -> dict[str, CutRows]:
        """Data set -> its rows that model.max_tokens cuts, where there are any."""
        found = {name: cut_rows(counts) for name, counts in self._checked.items()}
        return {name: cut for name, cut in found.items() if cut.rows}

    @cached_property
    def loads_SL(self) -> np.ndarray:
        """[samples of the stage in order, (tokens, image tokens)]. A mosaic's are those of its first arrangement."""
        return self._of_each_sample()[:, :2].astype(np.int32)

    def _of_each_sample(self) -> np.ndarray:
        """int64 [samples, fields of `Counts`]."""
        order, counts_S4 = self.order, np.zeros((len(self.order), len(fields(Counts))), np.int64)
        for which, name in enumerate(order.names):
            mine_S = order.data_set_S == which
            counts_S4[mine_S] = self.row_counts[name][order.row_S[mine_S]]
        return counts_S4

    def heaviest(self, at_most: int = 1000) -> Counts:
        """Of each kind the most that a micro-batch holds, over all steps (or so many, evenly chosen)."""
        size, devices = self.stage.global_batch_size, self.devices
        turns = size // (devices.per_device_batch_size * devices.world_size)
        counts_S4 = self._of_each_sample()
        most = np.zeros(counts_S4.shape[1], np.int64)
        for step in np.unique(np.linspace(0, self.steps - 1, min(self.steps, at_most)).astype(int)):
            part_S4 = counts_S4[step * size : (step + 1) * size]
            for turn in deal(part_S4[:, :2], turns, devices.world_size):
                for places in turn:
                    most = np.maximum(most, part_S4[places].sum(axis=0))
        return Counts(*most.tolist())

    def tokens_per_pass(self) -> dict[str, int]:
        """Tokens of one whole pass over each data set, image tokens included."""
        return {name: counts.tokens for name, counts in self.counts_per_pass().items()}

    def counts_per_pass(self) -> dict[str, Counts]:
        """What one whole pass over each data set holds."""
        return {name: Counts(*counts.sum(axis=0).tolist()) for name, counts in self.row_counts.items()}

    def check(self) -> None:
        """Check every row. UserError when there are more bad ones than devices.bad_rows allows, or more cut ones than
        their data set may have."""
        self.quarantine.check_quota()
        self.row_counts  # noqa: B018 - checks every row
        if rows := self.left_out():
            say(
                f"stage {self.name}: bad rows left out: {len(rows)} (they are in {self.quarantine.path}; once that "
                f"file is removed, they are tried again)",
            )
        for name, cut in self.cut_rows().items():
            say(f"stage {self.name}: {name}: answers cut by model.max_tokens: {self.max_tokens}: {cut}")
            if cut.rows > self.max_cut.get(name, 1.0) * cut.of:
                allowed = math.ceil(100 * cut.rows / cut.of) / 100
                raise UserError(
                    f"data.{name}: {cut}, are longer than model.max_tokens: {self.max_tokens}, and an answer that is "
                    f"cut teaches never to stop. Write model.max_tokens: {cut.longest}, shorten or leave out those "
                    f"rows, or allow so many: data.{name}.max_cut_fraction: {allowed:g}"
                )

    def left_out(self) -> list[tuple[str, str]]:
        """(data set, row id) of this stage's data sets that could not be used, so far, in every pass."""
        return sorted(row for row in self.quarantine.left_out() if row[0] in self.stage.mix)

    def usable(self) -> dict[str, list[int]]:
        """Data set -> its rows that are in order."""
        bad = set(self.left_out())
        return {
            name: [index for index in range(len(rows)) if not bad or (name, self.maker.row_id(name, index)) not in bad]
            for name, rows in self.rows.items()
        }
