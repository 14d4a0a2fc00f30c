"""What an endpoint says with a status that is no 200: its words, whether waiting helps, and for how long."""

import json
import re
from typing import Any

from .completion import words_in
from .waiting import retry_after

REFUSED_AS_IT_IS = (400, 413, 415, 422, 451)  # what a filter or a length says to one request; the next one may pass
BUSY = (429, 503, 529)  # a quota or too many at once: a minute later there may be room
PASSING = (408, 409, 425)
# "Please retry in 57s", "try again in 1m30s", "retry after 30 seconds", and Google's "retryDelay": "57s"
WAIT = re.compile(
    r"(?:retry|try again|available again|resets?|wait)\w*\W{1,4}(?:(?:in|after|for)\W{1,3})?"
    r"(?:(?P<m>\d{1,4})\s*(?:minutes?|mins?|m(?![a-z]))\s*)?(?:(?P<s>\d{1,6}(?:\.\d+)?)\s*(?P<unit>ms|s\b|sec|seconds?))?",
    re.IGNORECASE,
)
LONGEST_WORDS = 300


class Refusal:
    """Read from the client library's error."""

    def __init__(self, error: Any):
        self.status: int = error.status_code
        body = error.body if error.body is not None else _json(error.response.text)
        self.words = (words_in(body) or " ".join(error.response.text.split()) or error.message)[:LONGEST_WORDS]
        self.named = f"{self.words} {' '.join(_names(body))}"
        self._code = getattr(error, "code", None) or _code(body)
        header = retry_after(error.response.headers)
        self.wait_seconds = header if header is not None else wait_in(error.response.text)

    @property
    def busy(self) -> bool:
        """An exhausted account also says 429, but does not recover by waiting."""
        return self.status in BUSY and self._code != "insufficient_quota"

    @property
    def may_pass(self) -> bool:
        return self.busy or self.status in PASSING or (self.status >= 500 and self.status not in BUSY)

    @property
    def of_this_request(self) -> bool:
        return self.status in REFUSED_AS_IT_IS


def wait_in(text: str) -> float | None:
    """Seconds that a refusal's words ask for; None where they ask for none."""
    for found in WAIT.finditer(text[:20_000]):
        if found["m"] is None and found["s"] is None:
            continue
        seconds = float(found["s"] or 0) / (1000 if (found["unit"] or "").lower() == "ms" else 1)
        return 60.0 * int(found["m"] or 0) + seconds
    return None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _names(body: Any, depth: int = 0) -> list[str]:
    """What the refusal names as being at fault: `param`, or the places of a list of faults."""
    if isinstance(body, list) and depth < 5:
        return [name for one in body[:20] for name in _names(one, depth + 1)]
    if not isinstance(body, dict) or depth >= 5:
        return []
    found = [str(body["param"])] if body.get("param") else []
    found += [str(one) for one in body["loc"]] if isinstance(body.get("loc"), list) else []
    inside = (body.get(key) for key in ("error", "detail", "details", "errors"))
    return found + [name for one in inside for name in _names(one, depth + 1)]


def _code(body: Any) -> Any:
    error = body.get("error") if isinstance(body, dict) else None
    return error.get("code") if isinstance(error, dict) else None
