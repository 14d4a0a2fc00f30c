"""Whether an endpoint answers at all: one refused request is no reason to stop, an endpoint that is gone is."""

import threading

from ..errors import UserError

REFUSALS = 16  # before the first answer: then it is the endpoint that takes no such request
UNHEARD = 3  # in a row, and one a worker at least: fewer may be a picture or two at which a server fails


class EndpointError(UserError):
    """The endpoint gave no answer to a request. Any other UserError of a client ends what is done: a full disk, say."""


class NoUsableAnswer(EndpointError):
    """This one request got no answer that could be used; others may."""


class Failures:
    """Of all threads that ask one endpoint."""

    def __init__(self, workers: int, refusals: int = REFUSALS) -> None:
        """`refusals`: in a row, before anything was answered, that end the work; later a filter may refuse any number,
        as all questions about one picture. Of requests that nobody answers, one a worker may come in a row."""
        self.most_unheard, self.refusals = max(workers, UNHEARD), refusals
        self.answered = False
        self.refused = self.unheard = 0
        self._lock = threading.Lock()

    def success(self) -> None:
        with self._lock:
            self.answered, self.unheard = True, 0

    def failure(self, error: EndpointError) -> None:
        """Raises the error when so many have come that the endpoint itself must be at fault."""
        with self._lock:
            if isinstance(error, NoUsableAnswer):
                self.refused, self.unheard = self.refused + 1, 0
            else:
                self.unheard += 1
            if self.unheard >= self.most_unheard or (not self.answered and self.refused >= self.refusals):
                raise error
