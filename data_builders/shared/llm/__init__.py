"""One client for any OpenAI-compatible endpoint: answers cached on disk, retried, bounded by a budget, resumable."""

from .budget import Budget, BudgetSpent
from .client import Client
from .messages import image, system, user
from .sending import Endpoint, NoUsableAnswer

__all__ = ["Budget", "BudgetSpent", "Client", "Endpoint", "NoUsableAnswer", "image", "system", "user"]
