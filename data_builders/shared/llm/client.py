"""The client: `ask` gives one answer, from what is kept or from the endpoint; `each` asks about many things at once."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel

from ..progress import progress
from .budget import BudgetSpent
from .cache import Cache, Kept, NoCache, Room, request_key
from .completion import CALL, CUT, UNSAID, By, Completion
from .failures import NoUsableAnswer
from .messages import Message, as_kept, as_sent
from .replies import Check, Unusable, parse
from .sending import Endpoint, Sender
from .served import another_model, by_of, named
from .usable_reply import no_answer, usable_reply
from .workers import in_order

REQUEST_VERSION = 2  # counts changes of what a request means; part of every kept request's name

Item = TypeVar("Item")
Result = TypeVar("Result")


class Client:
    """May be shared by threads. `budget.requests` and `budget.tokens` say what was used, `cached` what cost nothing.

    A kept reply counts only for who gave it: the address, the model's name, what the endpoint says of that model, and
    the user's name for the checkpoint.
    """

    def __init__(self, endpoint: Endpoint):
        self.endpoint, self.budget = endpoint, endpoint.budget
        self.cache = Cache(endpoint.cache) if endpoint.cache is not None else NoCache()
        self.sender = Sender(endpoint)
        self.base_url = self.sender.base_url
        self.kept_by: Counter[By] = Counter()  # replies of earlier starts, by who gave them
        self.with_thoughts = 0  # replies that came with thoughts, which are left out
        self.unsaid = 0  # replies without finish_reason, taken as whole
        self.only_fresh = False  # what is kept is another model's
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._says: dict[str, Any] | None = None
        self._asking_who = threading.Lock()

    @property
    def cached(self) -> int:
        """How many replies of earlier starts were used."""
        return self.kept_by.total()

    @property
    def whom(self) -> dict[str, Any]:
        """All that tells the model that is asked from another. EndpointError when nobody can say who is there."""
        known = {"address": (self.base_url or "").rstrip("/"), "model": self.endpoint.model}
        known |= {"checkpoint": self.endpoint.checkpoint} if self.endpoint.checkpoint else {}
        with self._asking_who:
            if self._says is None:
                self._says = self.sender.facts()
                if self._says is None:
                    self._says = self.cache.remembered(known) or {}
                else:
                    self.cache.remember(known, self._says)
        return known | {"says": self._says}

    def name(self, given: Iterable[By]) -> str:
        """For people: the model that gave these replies."""
        return named(self.endpoint.model, given, self.whom["says"], self.endpoint.checkpoint)

    def another(self, earlier: Iterable[By] = ()) -> bool:
        """Has another model given what is kept (replies that were used, and what `earlier` says of others) than the one
        that answers now? Then what is kept is not used from now on.
        """
        if not self.only_fresh and another_model({*earlier, *self.kept_by}, self.sender.fresh_by):
            self.only_fresh = True
            self.kept_by.clear()
            return True
        return False

    def strangers(self, rows: Iterable[dict], earlier: Iterable[dict], key: str) -> list[dict]:
        """Of `rows`, those that another model has given than the one that answers now. `earlier`: rows that were there
        when this start began; `key`: where they say who gave them.
        """
        if not self.another(by_of(row.get(key)) for row in earlier):
            return []
        return [row for row in rows if by_of(row.get(key)) not in self.sender.fresh_by]

    def ask(
        self,
        messages: list[Message],
        *,
        schema: type[BaseModel] | None = None,
        check: Check | None = None,
        sample: int = 0,
    ) -> Any:
        """The answer's text, or an object of `schema`. `check` says what is wrong with an answer, None when nothing is.

        `sample` numbers answers to the same question. NoUsableAnswer when none comes, EndpointError when the endpoint
        does not answer, BudgetSpent.
        """
        return self.answer(messages, schema=schema, check=check, sample=sample)[0]

    def answer(
        self,
        messages: list[Message],
        *,
        schema: type[BaseModel] | None = None,
        check: Check | None = None,
        sample: int = 0,
    ) -> tuple[Any, By]:
        """As `ask`, with who gave it."""
        settings = self._settings(self.endpoint.temperature, self.endpoint.max_tokens)
        key, request = self._request(messages, settings, {"sample": sample})

        def value_of(kept: Kept) -> Any:
            return parse(kept.text, schema)

        with self._kept_or_alone(key, value_of) as (kept, room):
            if room is not None:
                send = partial(self.sender.send, key, settings=settings, stop=self.stop)
                reply, tokens = usable_reply(
                    send, as_sent(messages), self.endpoint, schema, check, self.sender.scrubbed
                )
                kept = self._kept(reply)
                room.keep(request, kept, tokens)
        return value_of(kept), kept.by

    def complete(
        self,
        messages: list[Message],
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        may_be_empty: bool = False,
    ) -> Kept:
        """The reply as it comes, one that is cut off too. An empty one is no answer and not kept: NoUsableAnswer;
        unless it `may_be_empty`, which only a server of one's own is known to mean. Other errors as from `ask`.
        """
        settings = self._settings(temperature, max_tokens)
        key, request = self._request(messages, settings, {"as_it_comes": True})
        with self._kept_or_alone(key) as (kept, room):
            if room is not None:
                reply = self.sender.send(key, as_sent(messages), settings, self.stop)
                if not (reply.text or may_be_empty) or reply.ending == CALL:
                    raise NoUsableAnswer(f"{self.endpoint.model} {no_answer(reply, max_tokens)}")
                kept = self._kept(reply)
                room.keep(request, kept, reply.tokens)
        return kept

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

        try:
            with (
                closing(in_order(counted, items, self.endpoint.concurrency, stop, self.patience)) as results,
                progress(f"{what} by {self.endpoint.model}", unit, len(items)) as advance,
            ):
                for result in results:
                    advance(1)
                    yield result
        except BudgetSpent as error:
            done = f"this run sent {self.budget.used}; {len(finished)} of {len(items)} {unit} are finished"
            raise BudgetSpent(f"{error} ({done})") from None
        finally:
            self.stop = threading.Event()  # the next question is asked again

    @property
    def patience(self) -> float:
        """Seconds that are waited for replies under way, which are paid for unless the endpoint says otherwise."""
        given = self.endpoint.patience_seconds
        return given if given is not None else 2 * self.endpoint.timeout_seconds

    def _settings(self, temperature: float | None, max_tokens: int | None) -> dict[str, Any]:
        settings = {"temperature": temperature, "max_tokens": max_tokens}
        return {name: value for name, value in settings.items() if value is not None}

    def _request(self, messages: list[Message], settings: dict, more: dict) -> tuple[str, dict]:
        request = {
            "version": REQUEST_VERSION,
            "whom": self.whom,
            "messages": as_kept(messages),
            "settings": settings,
            **more,
        }
        return request_key(request), request

    @contextmanager
    def _kept_or_alone(
        self, key: str, usable: Callable[[Kept], Any] = bool
    ) -> Iterator[tuple[Kept | None, Room | None]]:
        """The reply that is kept; or room for it, and nobody else asks for it meanwhile: it is paid once."""
        if (kept := self._found(key, usable)) is None:
            with self.cache.alone(key):
                if (kept := self._found(key, usable)) is None:
                    with self.cache.room(key) as room:
                        yield None, room
                    return
        with self._lock:
            if not self.only_fresh:  # then it is of this start
                self.kept_by[kept.by] += 1
                self.with_thoughts += kept.thoughts > 0
                self.unsaid += kept.unsaid
        yield kept, None

    def _found(self, key: str, usable: Callable[[Kept], Any]) -> Kept | None:
        kept = self.cache.get(key)
        if kept is None or (kept.unsaid and not self.endpoint.accept_no_finish_reason):
            return None
        if self.only_fresh and kept.by not in self.sender.fresh_by:
            return None
        try:
            usable(kept)
        except Unusable:  # good enough for what it was asked for then
            return None
        return kept

    def _kept(self, reply: Completion) -> Kept:
        with self._lock:
            self.with_thoughts += reply.thoughts > 0
            self.unsaid += reply.ending == UNSAID
        return Kept(reply.text, reply.ending != CUT, reply.thoughts, reply.by, reply.ending == UNSAID)

    @property
    def told_of_replies(self) -> list[str]:
        """What a run says of the replies that it has used, beside their number."""
        thoughts, unsaid = self.with_thoughts, self.unsaid
        told = [f"{thoughts:,} came with thoughts, which are left out"] if thoughts else []
        return told + ([f"{unsaid:,} came without finish_reason and are taken as whole"] if unsaid else [])
