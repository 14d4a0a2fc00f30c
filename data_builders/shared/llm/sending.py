"""One reply from the endpoint: in its turn, within the budget, asked again when the endpoint is busy or broken."""

import os
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import UserError
from .budget import Budget, BudgetSpent
from .messages import Message
from .rate import RequestRate
from .waiting import backoff, pause, retry_after
from .workers import Stopped

TIMEOUTS_PER_REQUEST = 3
REFUSED_AS_IT_IS = (400, 413, 422)  # what a filter or a length says to one request; the next one may pass


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
    requests_per_minute: float | None = None  # of all threads together, retried ones too
    concurrency: int = 4
    timeout_seconds: float = 120.0
    tries: int = 6  # of a request that the endpoint refuses or cannot serve
    first_wait_seconds: float = 1.0
    temperature: float | None = None  # None: the endpoint's own
    max_tokens: int | None = None


class Sender:
    """May be shared by threads."""

    def __init__(self, endpoint: Endpoint):
        self.endpoint, self.budget = endpoint, endpoint.budget
        self.rate = RequestRate(endpoint.requests_per_minute)
        self._lock = threading.Lock()
        self._key = self._library = None
        self.base_url = endpoint.base_url or os.environ.get("OPENAI_BASE_URL") or None
        if self.base_url and (urlsplit(self.base_url).username or urlsplit(self.base_url).password):
            raise UserError(f"the base URL holds a password; put it into the variable {endpoint.key_variable} instead")
        if self.base_url and urlsplit(self.base_url).scheme not in ("http", "https"):
            raise UserError(f"the base URL is {self.base_url!r}; write http://host:port/v1 or https://...")

    def send(self, key: str, messages: list[Message], settings: dict, stop: threading.Event) -> tuple[str, str, int]:
        """Text, finish reason and tokens of one reply. Stopped as soon as `stop` is set; BudgetSpent; UserError when
        the endpoint cannot be used.
        """
        import openai

        library, timeouts, trouble = self.library(), 0, ""
        where = self.base_url or "the default endpoint"
        for attempt in range(self.endpoint.tries):
            if stop.is_set():
                raise Stopped
            try:
                self.budget.check()  # before the wait, which would be for nothing
                self.rate.take(stop)
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
                pause(backoff(attempt, first, key) if wait is None else wait, trouble, stop)
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
