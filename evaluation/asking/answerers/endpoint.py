"""A model behind any OpenAI-compatible endpoint: several questions at a time, retried, kept on disk once paid.

A picture is sent as its file's own bytes. A question that gets no answer is unanswered, not wrong; an endpoint that
answers nothing at all stops the run.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.llm import Budget, BudgetSpent, Client, Endpoint, NoUsableAnswer, user
from data_builders.shared.llm.workers import in_order

from ...protocols import Answer, ImageQuestions, Question, Unanswered
from ...shared.texts import text_hash

PREFIX = "endpoint:"
REFUSALS = 4  # single questions refused that weigh as much as an endpoint that cannot be reached


class EndpointAnswerer:
    """Implements evaluation.protocols.Answerer. Endpoints give no probabilities: answers have no `options`."""

    measures_text = False

    def __init__(self, client: Client, *, temperature: float | None = 0.0, max_tokens: int | None = None) -> None:
        """`temperature`: None = the endpoint's own. `max_tokens`: of every answer, in place of each task's own.

        Nobody can see an endpoint's weights: the model's name and address stand for them.
        """
        self.client, self.temperature, self.max_tokens = client, temperature, max_tokens
        model = client.endpoint.model
        self.name = PREFIX + model
        self.model_hash = text_hash(f"endpoint\n{model}\n{client.base_url or ''}")
        self.settings = {
            "answerer": "endpoint",
            "temperature": temperature,
            "max_tokens": max_tokens,
            "message": "picture, then question",
        }

    def answer(self, groups: list[ImageQuestions]) -> list[list[Answer | Unanswered]]:
        """UserError when the endpoint answers nothing at all, or the budget is spent."""
        flat = [(group.image, question) for group in groups for question in group.questions]
        counted = Counted(self.client.endpoint.concurrency)

        def one(asked: tuple[Path | None, Question]) -> Answer | Unanswered:
            image, question = asked
            messages = [user(question.prompt, *([image] if image else []))]
            try:
                text, finished = self.client.complete(
                    messages,
                    temperature=self.temperature,
                    max_tokens=self.max_tokens or question.max_new_tokens,
                )
            except BudgetSpent:
                raise
            except UserError as error:
                # One refused question says little; one that nobody answered has been asked several times already.
                counted.failure(error, 1 if isinstance(error, NoUsableAnswer) else REFUSALS)
                return Unanswered(str(error))
            counted.success()
            return Answer(text, finished)

        patience = 2 * self.client.endpoint.timeout_seconds
        with stoppable(self.client) as stop:
            replies = in_order(one, flat, self.client.endpoint.concurrency, stop, patience)
            return [[next(replies) for _ in group.questions] for group in groups]

    def text_log_likelihood(self, texts: list[str]) -> list[tuple[float, int]]:
        raise UserError(f"{self.name} gives no probabilities of a text")


class Counted:
    """Whether the endpoint answers at all: all workers have failed, and there is no answer, means that it does not."""

    def __init__(self, workers: int) -> None:
        self.enough, self.answered, self.failed = workers * REFUSALS, 0, 0
        self._lock = threading.Lock()

    def success(self) -> None:
        with self._lock:
            self.answered += 1

    def failure(self, error: UserError, weight: int) -> None:
        with self._lock:
            self.failed += weight
            if not self.answered and self.failed >= self.enough:
                raise error


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
    temperature: float | None = 0.0,
    max_tokens: int | None = None,
) -> EndpointAnswerer:
    """`model`: the name alone or with `endpoint:` before it. `budget`: requests that may be sent."""
    name = model.removeprefix(PREFIX)
    if not name:
        raise UserError("--model endpoint: names no model; write endpoint:gpt-4o")
    client = Client(
        Endpoint(
            model=name,
            cache=cache,
            base_url=base_url,
            key_variable=key_variable,
            budget=Budget(budget),
            requests_per_minute=requests_per_minute,
            concurrency=concurrency,
            timeout_seconds=timeout_seconds,
        )
    )
    # Replies of equally named models at other addresses are other replies.
    client.cache.folder = Path(cache) / text_hash(client.base_url or "")[:16]
    return EndpointAnswerer(client, temperature=temperature, max_tokens=max_tokens)
