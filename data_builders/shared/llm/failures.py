"""Whether an endpoint answers at all: one refused request is no reason to stop, an endpoint that is gone is."""

import threading

from ..errors import UserError

REFUSALS = 16  # before the first answer: then it is the endpoint that takes no such request
SUBJECTS = 3  # of which they must be: a filter may refuse all that is asked about one picture
UNHEARD = 3  # in a row, and one a worker at least: fewer may be a picture or two at which a server fails


class EndpointError(UserError):
    """The endpoint gave no answer to a request. Any other UserError of a client ends what is done: a full disk, say."""


class NoUsableAnswer(EndpointError):
    """This one request got no answer that could be used; others may."""


class Failures:
    """Of all threads that ask one endpoint."""

    def __init__(self, workers: int, refusals: int = REFUSALS) -> None:
        """`refusals`: that end the work before anything was answered; later a filter may refuse any number. Of requests
        that nobody answers, fewer than one a worker may come in a row.
        """
        self.most_unheard, self.refusals = max(workers, UNHEARD), refusals
        self.answered = False
        self.refused = self.unheard = 0
        self.subjects: set[object] = set()
        self._lock = threading.Lock()

    def success(self) -> None:
        """A reply came."""
        with self._lock:
            self.answered, self.unheard = True, 0

    def failure(self, error: EndpointError, subject: object = None) -> None:
        """Raises the error when so many have come that the endpoint itself must be at fault. `subject`: what was asked
        about; None for something else each time.
        """
        with self._lock:
            if isinstance(error, NoUsableAnswer):
                self.refused, self.unheard = self.refused + 1, 0
                self.subjects.add(object() if subject is None else subject)
            else:
                self.unheard += 1
            refuses_all = not self.answered and self.refused >= self.refusals and len(self.subjects) >= SUBJECTS
            if refuses_all or self.unheard >= self.most_unheard:
                raise error
