"""What a writer does for each category, several at a time; one that its model refuses leaves the others."""

import sys
from collections.abc import Callable
from typing import TypeVar

from ..shared.llm import Client, EndpointError, Failures
from ..shared.terminal import say
from .subjects import Subject

Result = TypeVar("Result")


def for_each(
    function: Callable[[Subject], Result], subjects: list[Subject], client: Client | None, what: str
) -> tuple[dict[str, Result], dict[str, str]]:
    """Category -> what `function` gives, and category -> why the model gave nothing; without a client all are written.

    Says what that took. UserError when the endpoint answers nothing any more, or the budget is spent.
    """
    if client is None:
        return {one.category: function(one) for one in subjects}, {}
    failures, refused = Failures(client.endpoint.concurrency), {}

    def one_subject(subject: Subject) -> tuple[str, Result] | None:
        try:
            result = function(subject)
        except EndpointError as error:
            refused[subject.category] = str(error)
            failures.failure(error)
            return None
        failures.success()
        return subject.category, result

    try:
        done = dict(found for found in client.each(one_subject, subjects, what) if found is not None)
    finally:
        kept = f"; {client.cached:,} answers from replies kept by {client.name(client.kept_by)}"
        told = kept if client.cached else ""
        told += "".join(f"; {one}" for one in client.told_of_replies)
        say(f"{client.endpoint.model}: {client.budget.used} sent{told}", file=sys.stderr)
    return done, {one.category: refused[one.category] for one in subjects if one.category in refused}
