"""The client: `ask` gives one answer, from the cache or from the endpoint; `each` asks about many things at once."""

import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel

from ..errors import UserError
from ..progress import progress
from .budget import Budget, BudgetSpent
from .cache import Cache, request_key
from .messages import Message, as_kept, as_sent
from .replies import Check, Unusable, parse
from .waiting import backoff, pause, retry_after
from .workers import Stopped, in_order

REQUEST_VERSION = 1  # counts changes of what a request means; part of every cached request's name
REPLIES_PER_REQUEST = 3  # a reply that is no answer is asked again so often in all
TIMEOUTS_PER_REQUEST = 3

REFUSED_AS_IT_IS = (400, 413, 422)  # what a filter or a length says to one request; the next one may pass

Item = TypeVar("Item")
Result = TypeVar("Result")


class NoUsableAnswer(UserError):
    """This one request got no answer that could be used; others may."""


@dataclass(frozen=True)
class Endpoint:
    """Where and how to ask. The key comes from the environment variable that `key_variable` names, never from here."""

    model: str
    cache: Path
    base_url: str | None = None  # else OPENAI_BASE_URL, else the client library's own
    key_variable: str = "OPENAI_API_KEY"
    budget: Budget = field(default_factory=Budget)
    concurrency: int = 4
    timeout_seconds: float = 120.0
    tries: int = 6  # of a request that the endpoint refuses or cannot serve
    first_wait_seconds: float = 1.0
    temperature: float | None = None  # None: the endpoint's own
    max_tokens: int | None = None


class Client:
    """May be shared by threads. `budget.requests` and `budget.tokens` say what was used, `cached` what cost nothing."""

    def __init__(self, endpoint: Endpoint):
        self.endpoint, self.budget, self.cache = endpoint, endpoint.budget, Cache(endpoint.cache)
        self.cached = 0
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}
        self._key = self._library = None
        self.base_url = endpoint.base_url or os.environ.get("OPENAI_BASE_URL") or None
        if self.base_url and (urlsplit(self.base_url).username or urlsplit(self.base_url).password):
            raise UserError(f"the base URL holds a password; put it into the variable {endpoint.key_variable} instead")
        if self.base_url and urlsplit(self.base_url).scheme not in ("http", "https"):
            raise UserError(f"the base URL is {self.base_url!r}; write http://host:port/v1 or https://...")

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
        with self._lock:
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:  # the same request twice at the same time is paid once
            text = self.cache.get(key)
            if text is None:
                text, tokens = self._obtain(key, as_sent(messages), settings, schema, check)
                self.cache.keep(key, request, text, tokens)
            else:
                with self._lock:
                    self.cached += 1
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
        with self._lock:
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            kept = self.cache.get(key)
            if kept is None:
                text, finish, tokens = self._send(key, as_sent(messages), settings)
                text = text.rpartition("</think>")[2].strip()
                if not text:
                    why = f"finish_reason {finish or 'none'}"
                    raise NoUsableAnswer(f"{self.endpoint.model} sent an empty reply ({why})")
                kept = json.dumps({"text": text, "finished": finish != "length"}, ensure_ascii=False)
                self.cache.keep(key, request, kept, tokens)
            else:
                with self._lock:
                    self.cached += 1
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

    def _obtain(
        self, key: str, messages: list[Message], settings: dict, schema: type[BaseModel] | None, check: Check | None
    ) -> tuple[str, int]:
        """A usable answer's text, and the tokens that it took to get it."""
        conversation, used, fault, text = messages, 0, "", ""
        for _ in range(REPLIES_PER_REQUEST):
            text, finish, tokens = self._send(key, conversation, settings)
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
        raise NoUsableAnswer(
            f"{self.endpoint.model} gave no usable answer in {REPLIES_PER_REQUEST} replies: {self.scrubbed(fault)}. "
            f"The last one began {self.scrubbed(text[:120])!r}. Try another --model, or a larger --max-tokens"
        )

    def _send(self, key: str, messages: list[Message], settings: dict) -> tuple[str, str, int]:
        """Text, finish reason and tokens of one reply; asked again when the endpoint is busy, broken or silent."""
        import openai

        library, timeouts, trouble = self.library(), 0, ""
        where = self.base_url or "the default endpoint"
        for attempt in range(self.endpoint.tries):
            if self.stop.is_set():
                raise Stopped
            try:
                self.budget.take()
            except BudgetSpent as error:
                raise BudgetSpent(f"{trouble}; {error}" if trouble else str(error)) from None
            wait = None
            try:
                reply = library.chat.completions.create(model=self.endpoint.model, messages=messages, **settings)
                return self._read(reply)
            except openai.APITimeoutError:
                timeouts += 1
                trouble = f"no answer from {where} in {self.endpoint.timeout_seconds:g} s"
                if timeouts >= TIMEOUTS_PER_REQUEST:
                    raise UserError(f"{trouble}, {timeouts} times. Is it up? --timeout gives it longer") from None
            except openai.APIConnectionError as error:
                trouble = self.scrubbed(f"{where} cannot be reached ({error.__cause__ or error})")
            except openai.APIStatusError as error:
                trouble = self.scrubbed(f"{where} answered {error.status_code}: {error.message[:300]}")
                if not may_pass(error):
                    kind = NoUsableAnswer if error.status_code in REFUSED_AS_IT_IS else UserError
                    raise kind(f"{trouble}. {self._advice(error.status_code)}") from None
                wait = retry_after(error.response.headers)
            except (openai.OpenAIError, ValueError) as error:
                trouble = self.scrubbed(f"{where} sent what is no chat completion ({str(error)[:200]})")
            if attempt + 1 < self.endpoint.tries:
                first = self.endpoint.first_wait_seconds
                pause(backoff(attempt, first, key) if wait is None else wait, trouble, self.stop)
        raise UserError(f"{trouble}; asked {self.endpoint.tries} times. What was answered is kept: try again later")

    def _read(self, reply: Any) -> tuple[str, str, int]:
        choices = getattr(reply, "choices", None)
        if not choices:  # some servers answer 200 with an error inside
            raise ValueError(f"no choices in {str(reply)[:200]}")
        usage = getattr(reply, "usage", None)
        tokens = int(getattr(usage, "total_tokens", 0) or 0)
        self.budget.add_tokens(tokens, int(getattr(usage, "completion_tokens", 0) or 0))
        message = choices[0].message
        return (message.content or "") if message else "", choices[0].finish_reason or "", tokens

    def library(self) -> Any:
        """The client library's own client, made when the first request leaves: a cached run needs no key."""
        with self._lock:
            if self._library is None:
                import openai

                self._key = os.environ.get(self.endpoint.key_variable, "").strip()
                if not self._key:
                    raise UserError(
                        f"no key: set the environment variable {self.endpoint.key_variable} "
                        f"(an endpoint that needs none takes any: {self.endpoint.key_variable}=none)"
                    )
                self._library = openai.OpenAI(
                    api_key=self._key, base_url=self.base_url, timeout=self.endpoint.timeout_seconds, max_retries=0
                )
            return self._library

    def scrubbed(self, text: str) -> str:
        """The text without the key, also where an endpoint repeats parts of it."""
        if self._key:
            text = text.replace(self._key, "[key]")
        return re.sub(r"\bsk-[\w*.-]+", "[key]", text)

    def _advice(self, status: int) -> str:
        if status in (401, 403):
            return f"Is the key in {self.endpoint.key_variable} the right one for this endpoint?"
        if status == 404:
            return f"Is there a model {self.endpoint.model!r}, and does the base URL end as the endpoint wants (/v1)?"
        if status == 429:
            return "There is no quota left on this account"
        return "The endpoint refuses the request as it is"


def may_pass(error: Any) -> bool:
    """Is it worth asking again? An exhausted account also says 429, but does not recover by waiting."""
    if error.status_code == 429:
        return getattr(error, "code", None) != "insufficient_quota"
    return error.status_code in (408, 409, 425) or error.status_code >= 500
