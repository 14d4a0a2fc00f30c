"""How long to wait before asking again: what the server says, else twice as long each time."""

import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..errors import UserError
from ..seeding import draw

LONGEST_WAIT_SECONDS = 300.0
LONGEST_BACKOFF_SECONDS = 60.0
WORTH_SAYING_SECONDS = 5.0


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the header Retry-After asks for, written as seconds or as a date; None without a readable one."""
    text = (headers.get("retry-after") or headers.get("Retry-After") or "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def backoff(attempt: int, first_seconds: float, *address: object) -> float:
    """1, 2, 4... times `first_seconds`, up to a minute, spread by up to a half so that workers do not come together."""
    spread = 1 + 0.5 * float(draw("backoff", attempt, *address).random())
    return min(LONGEST_BACKOFF_SECONDS, first_seconds * 2**attempt) * spread


def pause(seconds: float, why: str, stop: threading.Event) -> None:
    """Wait, unless `stop` is set meanwhile. UserError when the server asks for more patience than a run should have."""
    if seconds > LONGEST_WAIT_SECONDS:
        raise UserError(f"{why}; it asks to come back in {seconds:,.0f} s. Run the same command again then")
    if seconds >= WORTH_SAYING_SECONDS:
        print(f"{why}; asking again in {seconds:.0f} s", file=sys.stderr)
    stop.wait(seconds)
