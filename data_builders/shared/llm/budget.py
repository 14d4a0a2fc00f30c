"""How many requests and tokens a run may still pay for."""

import threading

from ..errors import UserError


class BudgetSpent(UserError):
    """The next request would go beyond the budget."""


class Budget:
    """Counts every request that leaves, retried ones too, and the tokens that answers report. None means no bound."""

    def __init__(self, requests: int | None = None, tokens: int | None = None):
        self.most_requests, self.most_tokens = requests, tokens
        self.requests = self.tokens = self.written_tokens = 0  # written: by the model, which cost more than read ones
        self._lock = threading.Lock()

    def check(self) -> None:
        """BudgetSpent when no further request may leave."""
        with self._lock:
            self._check()

    def take(self) -> None:
        """Count one request. BudgetSpent when it may not leave."""
        with self._lock:
            self._check()
            self.requests += 1

    def _check(self) -> None:
        if self.most_requests is not None and self.requests >= self.most_requests:
            raise BudgetSpent(self._message("requests", self.most_requests, "--budget"))
        if self.most_tokens is not None and self.tokens >= self.most_tokens:
            raise BudgetSpent(self._message("tokens", self.most_tokens, "--budget-tokens"))

    def add_tokens(self, count: int, written: int = 0) -> None:
        """Count what a reply took, by `written` of it the model's own."""
        # Known only when an answer is there, so requests under way may go beyond the bound by their own tokens.
        with self._lock:
            self.tokens += count
            self.written_tokens += written

    @property
    def used(self) -> str:
        """Requests and tokens so far, in words."""
        return f"{self.requests:,} requests, {self.tokens:,} tokens"

    def _message(self, what: str, most: int, option: str) -> str:
        return (
            f"the budget of {most:,} {what} is used up. Every answer is kept: the same command with a larger {option} "
            "goes on from there"
        )
