"""Pictures made ready by threads while the model is busy with those before."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Generic, TypeVar

from data_builders.shared.pictures import ChangedPicture

THREADS = 4  # decoding and resizing leave Python's lock; few keep a GPU busy

Made = TypeVar("Made")


class PicturesAhead(Generic[Made]):
    """What `make` makes of a picture, begun when the picture is expected. It must depend on the picture alone."""

    def __init__(self, make: Callable[[Path | ChangedPicture], Made]) -> None:
        self.make = make
        self.pool: ThreadPoolExecutor | None = None
        self.coming: dict[Path | ChangedPicture, Future[Made]] = {}

    def expect(self, images: Iterable[Path | ChangedPicture]) -> None:
        """Begin with these; what was expected before and never taken is let go. No images: threads end."""
        wanted = dict.fromkeys(images)
        for path in [path for path in self.coming if path not in wanted]:
            self.coming.pop(path).cancel()
        if not wanted:
            if self.pool is not None:
                self.pool.shutdown(cancel_futures=True)
                self.pool = None
            return
        if self.pool is None:
            self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="pictures")
        for path in wanted:
            if path not in self.coming:
                self.coming[path] = self.pool.submit(self.make, path)

    def take(self, image: Path | ChangedPicture) -> Made:
        """What was made of the picture, or is made of it now. Raises what `make` raised."""
        found = self.coming.pop(image, None)
        return self.make(image) if found is None else found.result()
