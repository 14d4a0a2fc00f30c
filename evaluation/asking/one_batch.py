"""One batch: what is not known yet is asked, each distinct question once, and every item gets its outcome."""

from ..protocols import Answer, Answerer, ImageQuestions, Question, Unanswered
from .asked import Asked
from .options import spoken
from .rows import Outcome, outcome_of

Replies = dict[tuple, Outcome | Unanswered]  # by identity


def ask_batch(answerer: Answerer, batch: list[Asked], known: dict[tuple, Outcome], options: bool) -> Replies:
    """What the model gives to each identity of the batch that `known` does not hold."""
    open_ones = {one.identity: one for one in batch if one.identity not in known}
    if not open_ones:
        return {}
    if batch[0].task.is_text:
        return measure_texts(answerer, list(open_ones.values()))
    return ask_images(answerer, list(open_ones.values()), options)


def measure_texts(answerer: Answerer, texts: list[Asked]) -> Replies:
    measured = answerer.text_log_likelihood([one.item.prompt for one in texts])
    check_count(answerer, len(measured), len(texts))
    return {one.identity: outcome_of(found, one.item) for one, found in zip(texts, measured, strict=True)}


def ask_images(answerer: Answerer, questions: list[Asked], options: bool) -> Replies:
    """Distinct questions, grouped by image -> the outcome of each identity."""
    images: dict[str, list[Asked]] = {}
    for one in questions:
        images.setdefault(one.image_hash, []).append(one)
    groups = [
        ImageQuestions(
            group[0].item.image_path,
            tuple(
                Question(one.item.prompt, one.task.max_new_tokens, spoken(one.item) if options else ()) for one in group
            ),
        )
        for group in images.values()
    ]
    replies = answerer.answer(groups)
    check_count(answerer, len(replies), len(groups))
    given: Replies = {}
    for group, reply in zip(images.values(), replies, strict=True):
        check_count(answerer, len(reply), len(group))
        for one, answer in zip(group, reply, strict=True):
            given[one.identity] = outcome_of(answer, one.item) if isinstance(answer, Answer) else answer
    return given


def check_count(answerer: Answerer, got: int, wanted: int) -> None:
    if got != wanted:
        raise RuntimeError(f"{answerer.name} gave {got} answers to {wanted} questions")
