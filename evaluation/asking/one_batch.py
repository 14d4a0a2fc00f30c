"""One batch: what is not known yet is asked, each distinct question once, and every item gets its outcome."""

from pathlib import Path

from ..protocols import Answer, Answerer, ImageQuestions, Question, Unanswered
from .answer_rows import Outcome, names_outcome, outcome_of
from .asked import Asked
from .option_probabilities import spoken

# A picture that shows nothing, behind which a name is as likely as the model finds it by itself.
GREY = Path(__file__).parent / "grey.png"
Replies = dict[tuple, Outcome | Unanswered]  # by identity
Priors = dict[Question, Answer]  # of questions with names: what the model makes of them behind GREY


def ask_batch(
    answerer: Answerer, batch: list[Asked], known: dict[tuple, Outcome], options: bool, priors: Priors
) -> Replies:
    """What the model gives to each identity of the batch that `known` does not hold. `priors` is added to."""
    open_ones = {one.identity: one for one in batch if one.identity not in known}
    if not open_ones:
        return {}
    if batch[0].task.is_text:
        return measure_texts(answerer, list(open_ones.values()))
    ask_priors(answerer, [question_of(one, options) for one in open_ones.values()], priors)
    return ask_images(answerer, list(open_ones.values()), options, priors)


def measure_texts(answerer: Answerer, texts: list[Asked]) -> Replies:
    measured = answerer.text_log_likelihood([one.item.prompt for one in texts])
    check_count(answerer, len(measured), len(texts))
    return {one.identity: outcome_of(found, one.item) for one, found in zip(texts, measured, strict=True)}


def question_of(one: Asked, options: bool) -> Question:
    weighed = spoken(one.item) if options and not one.task.names else ()
    return Question(one.item.prompt, one.task.max_new_tokens, weighed, one.task.names)


def ask_priors(answerer: Answerer, questions: list[Question], priors: Priors) -> None:
    """Each distinct question with names is asked once behind GREY."""
    wanted = tuple(dict.fromkeys(one for one in questions if one.names and one not in priors))
    if wanted:
        [answers] = answerer.answer([ImageQuestions(GREY, wanted)])
        check_count(answerer, len(answers), len(wanted))
        priors.update(zip(wanted, answers, strict=True))


def ask_images(answerer: Answerer, questions: list[Asked], options: bool, priors: Priors) -> Replies:
    """Distinct questions, grouped by image -> the outcome of each identity."""
    images: dict[str, list[Asked]] = {}
    for one in questions:
        images.setdefault(one.image_hash, []).append(one)
    groups = [
        ImageQuestions(group[0].item.image_path, tuple(question_of(one, options) for one in group))
        for group in images.values()
    ]
    replies = answerer.answer(groups)
    check_count(answerer, len(replies), len(groups))
    given: Replies = {}
    for group, reply in zip(images.values(), replies, strict=True):
        check_count(answerer, len(reply), len(group))
        for one, answer in zip(group, reply, strict=True):
            if not isinstance(answer, Answer):
                given[one.identity] = answer
            elif one.task.names:
                given[one.identity] = names_outcome(answer, priors[question_of(one, options)], one.task)
            else:
                given[one.identity] = outcome_of(answer, one.item)
    return given


def check_count(answerer: Answerer, got: int, wanted: int) -> None:
    if got != wanted:
        raise RuntimeError(f"{answerer.name} gave {got} answers to {wanted} questions")
