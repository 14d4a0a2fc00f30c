"""One client for any OpenAI-compatible endpoint: answers cached on disk, retried, bounded by a budget, resumable."""

from .budget import Budget, BudgetSpent
from .client import Client, Endpoint, NoUsableAnswer
from .messages import image, system, user

__all__ = ["Budget", "BudgetSpent", "Client", "Endpoint", "NoUsableAnswer", "image", "system", "user"]
