"""Tells an answerer which pictures it will be asked about, so that it can make them ready while the model works."""

from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data_builders.shared.pictures import ChangedPicture

from ..protocols import Answerer
from .asked import Asked


@contextmanager
def told_ahead(answerer: Answerer) -> Iterator[Callable[[Iterable[Path | ChangedPicture]], None]]:
    """The answerer's `expect`, or nothing where it has none; when it is over, none is expected any more."""
    expect = getattr(answerer, "expect", lambda images: None)
    try:
        yield expect
    finally:
        expect(())


def with_next(batches: Iterable[list[Asked]]) -> Iterator[tuple[list[Asked], list[Asked]]]:
    """Each batch with the one after it, which is empty behind the last."""
    before: list[Asked] | None = None
    for batch in batches:
        if before is not None:
            yield before, batch
        before = batch
    if before is not None:
        yield before, []


def pictures_of(items: Iterable[Asked], known: Container[tuple]) -> list[Path | ChangedPicture]:
    """The pictures that will be handed over for what is not known yet: of equal ones the first, as it is asked."""
    found: dict[str, Path | ChangedPicture] = {}
    for one in items:
        if one.item.image_path is not None and one.identity not in known:
            found.setdefault(one.image_hash, one.item.image_path)
    return list(found.values())
