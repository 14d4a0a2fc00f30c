"""How long to wait before asking again: what the server says, else twice as long each time."""

import math
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..errors import UserError
from ..seeding import draw
from ..terminal import say

LONGEST_WAIT_SECONDS = 300.0
BUSY_TRIES = 9  # of a request that a busy endpoint refuses: the waits before them come to three minutes and more
TRUSTED_WAITS = 2  # a busy endpoint's own shorter waits are believed so often
LONGEST_BACKOFF_SECONDS = 60.0
WORTH_SAYING_SECONDS = 5.0


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the header Retry-After asks for, written as seconds or as a date; None without a readable one."""
    if (seconds := _number(headers.get("retry-after-ms"))) is not None:
        return seconds / 1000
    text = (headers.get("retry-after") or headers.get("Retry-After") or "").strip()
    if not text:
        return None
    if (seconds := _number(text)) is not None:
        return seconds
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _number(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def wait_of(attempt: int, asked: float | None, first_seconds: float, *address: object) -> float:
    """Seconds before the next try: what the endpoint asks for, or longer when it has asked for too little before."""
    own = backoff(attempt, first_seconds, *address)
    if asked is None:
        return own
    if asked > LONGEST_WAIT_SECONDS:
        return asked
    # A little later than the moment itself, and not all at once.
    later = asked * 1.02 + 0.5 * float(draw("later", attempt, *address).random()) * first_seconds
    return max(later, own) if attempt >= TRUSTED_WAITS else later


def backoff(attempt: int, first_seconds: float, *address: object) -> float:
    """1, 2, 4... times `first_seconds`, up to a minute, spread by up to a half so that workers do not come together."""
    spread = 1 + 0.5 * float(draw("backoff", attempt, *address).random())
    return min(LONGEST_BACKOFF_SECONDS, first_seconds * 2**attempt) * spread


def pause(seconds: float, why: str, stop: threading.Event) -> None:
    """Wait, unless `stop` is set meanwhile. UserError when the server asks for more patience than a run should have."""
    if seconds > LONGEST_WAIT_SECONDS:
        raise UserError(f"{why}; it asks to come back in {seconds:,.0f} s. Run the same command again then")
    if seconds >= WORTH_SAYING_SECONDS:
        say(f"{why}; asking again in {seconds:.0f} s", file=sys.stderr)
    stop.wait(seconds)
