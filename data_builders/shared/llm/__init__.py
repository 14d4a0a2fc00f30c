"""One client for any OpenAI-compatible endpoint: answers cached on disk, retried, bounded by a budget, resumable."""

from .budget import Budget, BudgetSpent
from .client import Client
from .failures import EndpointError, Failures, NoUsableAnswer
from .messages import image, system, user
from .sending import Endpoint

__all__ = [
    "Budget",
    "BudgetSpent",
    "Client",
    "Endpoint",
    "EndpointError",
    "Failures",
    "NoUsableAnswer",
    "image",
    "system",
    "user",
]
