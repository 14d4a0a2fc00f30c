"""What a frozen vision encoder makes of each picture, kept on disk: it runs once per picture and view.

Kept by the encoder's weights, the picture's content and how it is rendered; so passes, stages, recipes and evaluation
share it, and equal pictures under different names are stored once. For pictures that are one square each: what others
become differs in size from picture to picture.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from data_builders.shared.array_store import ArrayStore
from data_builders.shared.files import write_json
from data_builders.shared.progress import progress
from fgtrain.errors import UserError
from fgtrain.images import Square
from fgtrain.plan.versions import encoding_code

from .image import ImageRef
from .views import Contents, View, distinct

BATCH = 32  # pictures encoded at once
FLUSH = 256  # pictures written at once
TRIES = 3


class FeatureCache:
    """Features float32 [P, F] of views, computed when they are missing.

    Pictures are encoded in batches of one size, so a feature may differ from one encoded alone by what the encoder's
    kernels make of the batch size (about 1e-6 in fp32).
    """

    def __init__(self, folder: Path, encode: Callable[[Tensor], Tensor], encoder_hash: str, spec: Square) -> None:
        """`encode`: pixels_NCHW (CPU) -> features_NPF; `encoder_hash`: of its weights and what else decides it."""
        self.encode, self.spec = encode, spec
        about = {"encoder": encoder_hash, "image": spec.to_dict(), "code": encoding_code().hash}
        name = hashlib.sha256(repr(sorted(about.items(), key=str)).encode()).hexdigest()[:24]
        self.folder = Path(folder) / name
        if not (self.folder / "about.json").is_file():
            write_json(self.folder / "about.json", about)
        self.contents = Contents(Path(folder) / "images.jsonl")
        self.store = ArrayStore(self.folder)
        self._keys: dict[View, str] = {}

    def ensure(
        self,
        items: Iterable[View | ImageRef],
        title: str = "image features",
        on_bad: Callable[[View, UserError], None] | None = None,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        """Compute and store what is missing. `on_bad` gets each view that cannot be read; without it, UserError.

        `part`: (number, of how many) of all views that this process takes.
        """
        missing: dict[str, View] = {}
        self.store.refresh()
        views = distinct(_view(item) for item in items)
        with progress(f"{title}: what is there", "views", len(views), brief=True) as advance:
            for view in views:
                advance(1)
                try:
                    key = self._key(view)  # reads the file, the first time
                except UserError as error:
                    _report(view, error, on_bad)
                    continue
                if key not in self.store and int(key[:8], 16) % part[1] == part[0]:
                    missing.setdefault(key, view)
        self.contents.save()
        if not missing:
            return
        keys: list[str] = []
        features: list[Tensor] = []
        with progress(title, "images", len(missing)) as advance:
            for chunk in _chunks(list(missing.items()), BATCH):
                read = [(key, pixels) for key, view in chunk if (pixels := self._pixels(view, on_bad)) is not None]
                if read:
                    keys += [key for key, _ in read]
                    features.append(self._encode(torch.cat([pixels for _, pixels in read])))
                if len(keys) >= FLUSH:
                    self.store.add(keys, torch.cat(features).numpy())
                    keys, features = [], []
                advance(len(chunk))
            if keys:
                self.store.add(keys, torch.cat(features).numpy())

    def get(self, items: Sequence[View | ImageRef]) -> Tensor:
        """features_NPF float32 of the views, in order; what is missing is computed and stored first."""
        views = [_view(item) for item in items]
        keys = [self._key(view) for view in views]
        for _ in range(TRIES):
            if any(key not in self.store for key in keys):
                self.ensure(views)
            with suppress(KeyError):  # some are not what was written, and count as missing from now on
                return torch.from_numpy(self.store.get(keys))
        raise UserError(f"{self.store.data} does not give back what was written, {TRIES} times. Is its disk in order?")

    def _key(self, view: View) -> str:
        if view not in self._keys:
            self._keys[view] = self.contents.key(view)
        return self._keys[view]

    def _pixels(self, view: View, on_bad: Callable[[View, UserError], None] | None) -> Tensor | None:
        try:
            return torch.from_numpy(self.contents.pixels(view, self.spec))
        except UserError as error:
            _report(view, error, on_bad)
            return None

    @torch.no_grad()
    def _encode(self, pixels_NCHW: Tensor) -> Tensor:
        """Always so many at once: kernels are chosen by the batch size, and what is kept must not depend on what else
        was missing."""
        count = len(pixels_NCHW)
        if count < BATCH:
            pixels_NCHW = torch.cat([pixels_NCHW, pixels_NCHW[-1:].expand(BATCH - count, -1, -1, -1)])
        return self.encode(pixels_NCHW)[:count].detach().float().cpu()


def _view(item: View | ImageRef) -> View:
    return item if isinstance(item, View) else View(item)


def _report(view: View, error: UserError, on_bad: Callable[[View, UserError], None] | None) -> None:
    if on_bad is None:
        raise error
    on_bad(view, error)


def _chunks(items: list, size: int) -> Iterable[list]:
    return (items[start : start + size] for start in range(0, len(items), size))
