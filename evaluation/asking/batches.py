"""Items in batches: all questions of an image together, alike images together, longest first."""

from collections.abc import Iterator, Sequence

from .asked import Asked

Group = list[Asked]


def grouped(items: Sequence[Asked]) -> list[Group]:
    """All items of an image together, the longest answers and then the longest questions first."""
    groups: dict[tuple[bool, str], Group] = {}
    for one in items:
        # plain text is scored, not asked: it never shares a batch with questions
        image = one.image_hash or f"{one.task.name}/{one.item.question_id}"
        groups.setdefault((one.task.is_text, image), []).append(one)

    def length(group: Group) -> tuple:
        return (
            group[0].task.is_text,
            -max(o.task.max_new_tokens for o in group),
            -sum(len(o.item.prompt) for o in group),
        )

    return sorted(groups.values(), key=length)


def batches(items: Sequence[Asked], batch_size: int) -> Iterator[list[Asked]]:
    """About `batch_size` items at a time; an image's questions stay together."""
    batch: list[Asked] = []
    for group in grouped(items):
        if batch and (len(batch) + len(group) > batch_size or batch[0].task.is_text != group[0].task.is_text):
            yield batch
            batch = []
        batch = batch + group
    if batch:
        yield batch
