"""A model behind any OpenAI-compatible endpoint: several questions at a time, retried, kept on disk once paid.

A picture is sent as its file's own bytes, a perturbed one as a PNG. A question that gets no answer is unanswered, not
wrong; an endpoint that answers nothing any more stops the run.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.llm import Budget, Client, Endpoint, EndpointError, Failures, user
from data_builders.shared.llm.messages import image_bytes
from data_builders.shared.llm.served import by_of
from data_builders.shared.llm.workers import in_order
from data_builders.shared.pictures import ChangedPicture, file_of

from ...protocols import Answer, ImageQuestions, Question, Unanswered
from ...shared.texts import text_hash
from .sent import upright

PREFIX = "endpoint:"


class EndpointAnswerer:
    """Implements evaluation.protocols.Answerer. Endpoints give no probabilities: answers have no `options`."""

    measures_text = False
    measures_names = False

    def __init__(
        self,
        client: Client,
        *,
        temperature: float | None = 0.0,
        max_tokens: int | None = None,
        picture: Callable[[Path | ChangedPicture], bytes] | None = None,
        may_be_empty: bool = False,
    ) -> None:
        """`temperature`: None = the endpoint's own. `max_tokens`: of every answer, in place of each task's own.
        `picture`: what is sent for a picture's file; None = its own bytes. `may_be_empty`: an empty reply is an answer.

        Nobody can see an endpoint's weights: all that tells whom is asked stands for them (`Client.whom`).
        """
        self.client, self.temperature, self.max_tokens = client, temperature, max_tokens
        self.picture, self.may_be_empty = picture, may_be_empty
        self.name = PREFIX + client.endpoint.model
        self.model_hash = text_hash(f"endpoint\n{json.dumps(client.whom, sort_keys=True)}")
        self.failures = Failures(client.endpoint.concurrency)
        self.settings = {
            "answerer": "endpoint",
            "temperature": temperature,
            "max_tokens": max_tokens,
            "message": "picture, then question",
        }
        if client.endpoint.accept_no_finish_reason:
            self.settings["no_finish_reason"] = "accepted"

    def answer(self, groups: list[ImageQuestions]) -> list[list[Answer | Unanswered]]:
        """UserError when the endpoint answers nothing at all, the budget is spent, or nothing more can be kept."""
        flat = [(group.image, question) for group in groups for question in group.questions]

        def one(asked: tuple[Path | ChangedPicture | None, Question]) -> Answer | Unanswered:
            image, question = asked
            messages = [user(question.prompt, *([self._sent(image)] if image is not None else []))]
            try:
                reply = self.client.complete(
                    messages,
                    temperature=self.temperature,
                    max_tokens=self.max_tokens or question.max_new_tokens,
                    may_be_empty=self.may_be_empty,
                )
            except EndpointError as error:
                self.failures.failure(error, image)
                return Unanswered(str(error))
            self.failures.success()
            return Answer(reply.text, reply.finished, None, reply.thoughts, reply.by, reply.unsaid)

        workers = self.client.endpoint.concurrency
        with stoppable(self.client) as stop, closing(in_order(one, flat, workers, stop, self.client.patience)) as given:
            return [[next(given) for _ in group.questions] for group in groups]

    def _sent(self, image: Path | ChangedPicture) -> Path | dict:
        """The picture as a message takes it."""
        if self.picture is None and isinstance(image, Path):
            return image
        return image_bytes((self.picture or upright)(image), file_of(image))

    def text_log_likelihood(self, texts: list[str]) -> list[tuple[float, int]]:
        raise UserError(f"{self.name} gives no probabilities of a text")

    def given_by_another(self, rows: Iterable[dict], earlier: Iterable[dict]) -> list[dict]:
        """Of the answer rows, those that another model has given than the one that answers now; `earlier` were there
        when this start began.
        """
        return self.client.strangers(rows, earlier, "served_by")

    def kept(self, total: int, earlier: list[dict]) -> str:
        """What is to be said of the answers, so many in all, that no request was sent for, and of those that did not
        say how they ended; "" for nothing.

        `earlier`: rows that were there when this start began.
        """
        count, client = len(earlier) + self.client.cached, self.client
        unsaid = client.unsaid + sum("ending_unsaid" in row for row in earlier)
        unsaid = f"{unsaid:,} of {total:,} answers came without finish_reason and are taken as whole" if unsaid else ""
        if not count:
            return unsaid
        name = client.name({by_of(row.get("served_by")) for row in earlier} | set(client.kept_by))
        told = f"{count:,} of {total:,} answers from replies kept by {name}; {client.budget.requests:,} requests"
        if not client.sender.fresh_by and not client.whom["says"].get("root"):
            told += ". Nobody sees which model is served there now: another one gets a --checkpoint name of its own"
        return f"{told}; {unsaid}" if unsaid else told


@contextmanager
def stoppable(client: Client) -> Iterator[threading.Event]:
    """An event that ends the client's waiting; afterwards it can be asked again."""
    client.stop = threading.Event()
    try:
        yield client.stop
    finally:
        client.stop = threading.Event()


def endpoint_answerer(
    model: str,
    cache: Path,
    *,
    base_url: str | None = None,
    key_variable: str = "OPENAI_API_KEY",
    requests_per_minute: float | None = None,
    concurrency: int = 8,
    timeout_seconds: float = 120.0,
    budget: int | None = None,
    budget_tokens: int | None = None,
    temperature: float | None = 0.0,
    max_tokens: int | None = None,
    accept_no_finish_reason: bool = False,
    checkpoint: str = "",
) -> EndpointAnswerer:
    """`model`: the name alone or with `endpoint:` before it. `budget`: requests that may be sent. `checkpoint`: the
    user's name for the model that is served there now; its replies are no other's.
    """
    name = model.removeprefix(PREFIX)
    if not name:
        raise UserError("--model endpoint: names no model; write endpoint:gpt-4o")
    client = Client(
        Endpoint(
            model=name,
            cache=cache,
            base_url=base_url,
            key_variable=key_variable,
            budget=Budget(budget, budget_tokens),
            requests_per_minute=requests_per_minute,
            concurrency=concurrency,
            timeout_seconds=timeout_seconds,
            accept_no_finish_reason=accept_no_finish_reason,
            checkpoint=checkpoint,
        )
    )
    return EndpointAnswerer(client, temperature=temperature, max_tokens=max_tokens)
