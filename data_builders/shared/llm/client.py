"""The client: `ask` gives one answer, from the cache or from the endpoint; `each` asks about many things at once."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import BaseModel

from ..errors import UserError
from ..progress import progress
from .budget import BudgetSpent
from .cache import Cache, request_key
from .messages import Message, as_kept, as_sent
from .replies import Check, Unusable, parse
from .sending import Endpoint, NoUsableAnswer, Sender
from .workers import in_order

REQUEST_VERSION = 1  # counts changes of what a request means; part of every cached request's name
REPLIES_PER_REQUEST = 3  # a reply that is no answer is asked again so often in all

Item = TypeVar("Item")
Result = TypeVar("Result")


class Client:
    """May be shared by threads. `budget.requests` and `budget.tokens` say what was used, `cached` what cost nothing."""

    def __init__(self, endpoint: Endpoint):
        self.endpoint, self.budget, self.cache = endpoint, endpoint.budget, Cache(endpoint.cache)
        self.sender = Sender(endpoint)
        self.base_url = self.sender.base_url
        self.cached = 0
        self.stop = threading.Event()
        self._lock = threading.Lock()

    def ask(
        self,
        messages: list[Message],
        *,
        schema: type[BaseModel] | None = None,
        check: Check | None = None,
        sample: int = 0,
        temperature: float | None = None,
        max_tokens: int | None = None,
    ) -> Any:
        """The answer's text, or an object of `schema`. `check` says what is wrong with an answer, None when nothing is.

        `sample` numbers answers to the same question. UserError when the budget is spent, the endpoint cannot be
        used, or no usable answer comes.
        """
        settings = {
            "temperature": self.endpoint.temperature if temperature is None else temperature,
            "max_tokens": self.endpoint.max_tokens if max_tokens is None else max_tokens,
        }
        settings = {name: value for name, value in settings.items() if value is not None}
        request = {
            "version": REQUEST_VERSION,
            "model": self.endpoint.model,
            "messages": as_kept(messages),
            "settings": settings,
            "schema": schema.model_json_schema() if schema else None,
            "sample": sample,
        }
        key = request_key(request)
        with self._kept_or_alone(key) as text:
            if text is None:
                text, tokens = self._obtain(key, as_sent(messages), settings, schema, check)
                self.cache.keep(key, request, text, tokens)
        try:
            return parse(text, schema)
        except Unusable as error:
            raise UserError(
                f"{self.cache.path(key)}: {error}; delete the file and the request is asked again"
            ) from None

    def complete(
        self, messages: list[Message], *, temperature: float | None = None, max_tokens: int | None = None
    ) -> tuple[str, bool]:
        """The reply as it comes, and whether the model ended it itself: one that is cut off is a reply too.

        NoUsableAnswer when it is empty; it is not kept then. UserError as from `ask`.
        """
        settings = {"temperature": temperature, "max_tokens": max_tokens}
        settings = {name: value for name, value in settings.items() if value is not None}
        request = {
            "version": REQUEST_VERSION,
            "model": self.endpoint.model,
            "messages": as_kept(messages),
            "settings": settings,
            "as_it_comes": True,
        }
        key = request_key(request)
        with self._kept_or_alone(key) as kept:
            if kept is None:
                text, finish, tokens = self.sender.send(key, as_sent(messages), settings, self.stop)
                text = text.rpartition("</think>")[2].strip()
                if not text:
                    why = f"finish_reason {finish or 'none'}"
                    raise NoUsableAnswer(f"{self.endpoint.model} sent an empty reply ({why})")
                kept = json.dumps({"text": text, "finished": finish != "length"}, ensure_ascii=False)
                self.cache.keep(key, request, kept, tokens)
        try:
            value = json.loads(kept)
            return str(value["text"]), bool(value["finished"])
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{self.cache.path(key)} holds no reply; delete it and the request is sent again") from None

    def each(
        self, function: Callable[[Item], Result], items: Iterable[Item], what: str, unit: str = "categories"
    ) -> Iterator[Result]:
        """`function` of each item, in order, several at a time, with a progress bar. UserError as from `ask`."""
        items, finished = list(items), []
        stop = self.stop = threading.Event()

        def counted(item: Item) -> Result:
            result = function(item)
            finished.append(True)
            return result

        results = in_order(counted, items, self.endpoint.concurrency, stop, 2 * self.endpoint.timeout_seconds)
        try:
            with progress(f"{what} by {self.endpoint.model}", unit, len(items)) as advance:
                for result in results:
                    advance(1)
                    yield result
        except BudgetSpent as error:
            done = f"this run sent {self.budget.used}; {len(finished)} of {len(items)} {unit} are finished"
            raise BudgetSpent(f"{error} ({done})") from None
        finally:
            self.stop = threading.Event()  # the next question is asked again

    @contextmanager
    def _kept_or_alone(self, key: str) -> Iterator[str | None]:
        """The answer that is kept, or None, and nobody else asks for it meanwhile: it is paid once."""
        if (kept := self.cache.get(key)) is None:
            with self.cache.alone(key):
                if (kept := self.cache.get(key)) is None:
                    yield None
                    return
        with self._lock:
            self.cached += 1
        yield kept

    def _obtain(
        self, key: str, messages: list[Message], settings: dict, schema: type[BaseModel] | None, check: Check | None
    ) -> tuple[str, int]:
        """A usable answer's text, and the tokens that it took to get it."""
        conversation, used, fault, text = messages, 0, "", ""
        for _ in range(REPLIES_PER_REQUEST):
            text, finish, tokens = self.sender.send(key, conversation, settings, self.stop)
            used += tokens
            try:
                if finish == "length":
                    raise Unusable("the reply was cut off; answer more briefly")
                parse(text, schema, check)
                return text, used
            except Unusable as error:
                fault = str(error)
            complaint = {"role": "user", "content": f"This cannot be used: {fault}. Answer again, as asked above."}
            said = [{"role": "assistant", "content": text}] if text.strip() else []
            conversation = [*messages, *said, complaint]
        fault, began = self.sender.scrubbed(fault), self.sender.scrubbed(text[:120])
        raise NoUsableAnswer(
            f"{self.endpoint.model} gave no usable answer in {REPLIES_PER_REQUEST} replies: {fault}. "
            f"The last one began {began!r}. Try another --model, or a larger --max-tokens"
        )
