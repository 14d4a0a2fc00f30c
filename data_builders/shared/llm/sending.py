"""One reply from the endpoint: in its turn, within the budget, asked again when the endpoint is busy or broken."""

import json
import os
import re
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import UserError
from ..terminal import say
from .budget import Budget, BudgetSpent
from .completion import FAILED, FILTERED, UNKNOWN, UNSAID, By, Completion, NoCompletion, read_completion
from .dialect import MOST_CHANGES, Dialect
from .failures import EndpointError, NoUsableAnswer
from .keys import check_key_variable, key_in
from .messages import Message
from .rate import RequestRate
from .refusal import BUSY, REFUSED_AS_IT_IS, Refusal
from .served import facts_of
from .waiting import BUSY_TRIES, pause, wait_of
from .workers import Stopped

TIMEOUTS_PER_REQUEST = 3
UNKNOWN_ENDINGS_PER_REQUEST = 3  # replies of which nothing tells that they are whole
ACCEPT = "accept_no_finish_reason"
LIST_TRIES = 3  # of a list of models, which costs nothing
LIST_SECONDS = 15.0


@dataclass(frozen=True)
class Endpoint:
    """Where and how to ask. The key comes from the environment variable that `key_variable` names (one of
    `KEY_VARIABLES`), never from here."""

    model: str
    cache: Path | None  # None: nothing is kept
    base_url: str | None = None  # else OPENAI_BASE_URL, else the client library's own
    key_variable: str = "OPENAI_API_KEY"
    budget: Budget = field(default_factory=Budget)
    requests_per_minute: float | None = None  # of all threads together, retried ones too
    concurrency: int = 4
    timeout_seconds: float = 120.0
    tries: int = 6  # of a request that the endpoint cannot serve; a busy one is waited for longer
    first_wait_seconds: float = 1.0
    temperature: float | None = None  # None: the endpoint's own
    max_tokens: int | None = None
    patience_seconds: float | None = None  # for replies under way when all is stopped; None: twice the timeout
    accept_no_finish_reason: bool = False  # for servers that never say how a reply has ended
    checkpoint: str = ""  # the user's name for what is served there; its replies are no other's


class Sender:
    """May be shared by threads."""

    def __init__(self, endpoint: Endpoint):
        self.endpoint, self.budget = endpoint, endpoint.budget
        self.no_ends = (FAILED, UNKNOWN) if endpoint.accept_no_finish_reason else (FAILED, UNKNOWN, UNSAID)
        self.rate = RequestRate(endpoint.requests_per_minute)
        self.dialect = Dialect()
        self.fresh_by: set[By] = set()  # whose the replies of this start are
        self._lock = threading.Lock()
        self._key = self._library = None
        check_key_variable(endpoint.key_variable)  # before anything is asked
        self.base_url = endpoint.base_url or os.environ.get("OPENAI_BASE_URL") or None
        self.where = self.base_url or "the default endpoint"
        if self.base_url and (urlsplit(self.base_url).username or urlsplit(self.base_url).password):
            raise UserError(f"the base URL holds a password; put it into the variable {endpoint.key_variable} instead")
        if self.base_url and urlsplit(self.base_url).scheme not in ("http", "https"):
            raise UserError(f"the base URL is {self.base_url!r}; write http://host:port/v1 or https://...")

    def send(self, key: str, messages: list[Message], settings: dict, stop: threading.Event) -> Completion:
        """One reply, whole or cut off, maybe empty. Stopped as soon as `stop` is set; BudgetSpent; EndpointError."""
        import openai

        library, trouble = self.library(), ""
        attempt = timeouts = unknown = changes = 0
        dialect = self.dialect
        while True:
            self._may_leave(trouble, stop)
            asked, tries = None, self.endpoint.tries
            sent = dialect.spoken(messages, settings)
            try:
                create = library.chat.completions.with_raw_response.create
                reply = self._read(create(model=self.endpoint.model, **sent).text)
                self._learnt(dialect)
                if reply.ending == FILTERED:
                    raise NoUsableAnswer(self.scrubbed(f"{self.where} filtered the reply (finish_reason {reply.said})"))
                if not reply.fault and reply.ending not in self.no_ends:
                    return reply
                what = reply.fault or f"finish_reason is {reply.said}"
                if reply.ending == UNSAID:
                    what += f"; --{ACCEPT.replace('_', '-')} takes it as whole"
                trouble = self.scrubbed(f"{self.where} sent a reply that is not known to be whole ({what[:200]})")
                unknown += reply.ending in (UNKNOWN, UNSAID) or bool(reply.fault)
                if unknown >= UNKNOWN_ENDINGS_PER_REQUEST or attempt + 1 >= tries:
                    raise NoUsableAnswer(trouble)
            except openai.APITimeoutError:
                timeouts += 1
                trouble = f"no answer from {self.where} in {self.endpoint.timeout_seconds:g} s"
                if timeouts >= TIMEOUTS_PER_REQUEST:
                    raise EndpointError(f"{trouble}, {timeouts} times. Is it up? --timeout gives it longer") from None
            except openai.APIConnectionError as error:
                trouble = self.scrubbed(f"{self.where} cannot be reached ({error.__cause__ or error})")
            except openai.APIStatusError as error:
                refusal = Refusal(error)
                trouble = self.scrubbed(f"{self.where} answered {refusal.status}: {refusal.words}")
                if refusal.of_this_request and changes < MOST_CHANGES:
                    other = self.dialect if self.dialect != dialect and not changes else None
                    if other := other or dialect.after(refusal.named, sent):
                        dialect, changes = other, changes + 1
                        continue
                if not refusal.may_pass:
                    kind = NoUsableAnswer if refusal.of_this_request else EndpointError
                    raise kind(f"{trouble.rstrip('.')}. {self._advice(refusal.status)}") from None
                asked = refusal.wait_seconds
                tries = max(tries, BUSY_TRIES) if refusal.busy else tries
            except NoCompletion as error:
                trouble = self.scrubbed(f"{self.where} sent what is no chat completion ({str(error)[:200]})")
                if error.status in REFUSED_AS_IT_IS:
                    raise NoUsableAnswer(trouble) from None
                tries = max(tries, BUSY_TRIES) if error.status in BUSY else tries
            except (openai.OpenAIError, UnicodeError) as error:
                raise NoUsableAnswer(self.scrubbed(f"the request cannot be sent ({str(error)[:200]})")) from None
            attempt += 1
            if attempt >= tries:
                raise EndpointError(f"{trouble}; asked {attempt} times. What was answered is kept: try again later")
            pause(wait_of(attempt - 1, asked, self.endpoint.first_wait_seconds, key), trouble, stop)

    def _may_leave(self, trouble: str, stop: threading.Event) -> None:
        if stop.is_set():
            raise Stopped
        try:
            self.budget.check()  # before the wait, which would be for nothing
            self.rate.take(stop)
            self.budget.take()
        except BudgetSpent as error:
            raise BudgetSpent(f"{trouble}; {error}" if trouble else str(error)) from None

    def _read(self, text: str) -> Completion:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise NoCompletion(f"it is no JSON: {' '.join(text[:200].split())}") from None
        reply = read_completion(found)
        self.budget.add_tokens(reply.tokens, reply.written_tokens)
        with self._lock:
            self.fresh_by.add(reply.by)
        return reply

    def _learnt(self, dialect: Dialect) -> None:
        """What has just been understood is how this endpoint is spoken to from now on."""
        with self._lock:
            if dialect == self.dialect:
                return
            told = [one for one in dialect.lost if one not in self.dialect.lost]
            self.dialect = dialect
        for one in told:
            say(f"{self.where} takes {one}", file=sys.stderr)

    def facts(self) -> dict | None:
        """What the endpoint says of the model in its list of models; {} where it has none, None where nobody knows."""
        import openai

        for attempt in range(LIST_TRIES):
            try:
                library = self.library().with_options(timeout=min(LIST_SECONDS, self.endpoint.timeout_seconds))
                found = facts_of(json.loads(library.models.with_raw_response.list().text), self.endpoint.model)
                return found | self._folder_of(library) if found.get("owned_by") == "sglang" else found
            except UserError:  # no key: what is kept needs none
                return None
            except openai.APIStatusError as error:
                return {} if error.status_code in (400, 404, 405, 410, 501) else None
            except (ValueError, RecursionError):
                return {}
            except openai.OpenAIError as error:
                if attempt + 1 < LIST_TRIES:
                    pause(self.endpoint.first_wait_seconds * 2**attempt, str(error), threading.Event())
        return None

    def _folder_of(self, library: Any) -> dict:
        """SGLang's list names the model by the name it is served under; another address names its folder."""
        address = urlsplit(self.base_url or "")._replace(path="/get_model_info", query="").geturl()
        told = library.get(address, cast_to=object)
        folder = told.get("model_path") if isinstance(told, dict) else None
        return {"root": folder} if isinstance(folder, str) else {}

    def library(self) -> Any:
        """The client library's own client, made when the first request leaves: a cached run needs no key."""
        with self._lock:
            if self._library is None:
                import openai

                self._key = key_in(self.endpoint.key_variable)
                self._library = openai.OpenAI(
                    api_key=self._key, base_url=self.base_url, timeout=self.endpoint.timeout_seconds, max_retries=0
                )
            return self._library

    def scrubbed(self, text: str) -> str:
        """The text without the key, also where an endpoint repeats parts of it, and without what steers terminals."""
        if self._key:
            text = text.replace(self._key, "[key]")
        text = re.sub(r"\bsk-[\w*.-]+", "[key]", text)
        return "".join(sign if sign.isprintable() else " " for sign in text)

    def _advice(self, status: int) -> str:
        if status in (401, 403):
            return f"Is the key in {self.endpoint.key_variable} the right one for this endpoint?"
        if status == 404:
            return f"Is there a model {self.endpoint.model!r}, and does the base URL end as the endpoint wants (/v1)?"
        if status in (402, 429):
            return "There is no quota left on this account"
        return "The endpoint refuses the request as it is"
