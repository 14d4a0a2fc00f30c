"""What is said of an endpoint on the command line, alike for answering, judging and extracting."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from data_builders.shared.files import user_cache

from .argument_types import count, positive, rate, seconds, temperature

if TYPE_CHECKING:
    from data_builders.shared.llm import Client

CACHE = "$XDG_CACHE_HOME/fgtrain"


def add_endpoint_options(group, *, concurrency: int = 4, budget: int | None = None, cache: str = CACHE) -> None:
    """`cache`: how the default folder of replies is told."""
    group.add_argument("--base-url", help="of an OpenAI-compatible endpoint; default $OPENAI_BASE_URL")
    group.add_argument("--key-variable", default="OPENAI_API_KEY", help="environment variable with the key")
    group.add_argument("--temperature", type=temperature, default=0.0, help='default 0; "none": the endpoint\'s own')
    group.add_argument("--max-tokens", type=positive, help="of a reply; more for models that think")
    group.add_argument(
        "--accept-no-finish-reason",
        action="store_true",
        help="a reply that does not say how it ended is whole; for servers that never say it",
    )
    group.add_argument("--cache", type=Path, help=f"folder of replies; default {cache}")
    bound = f"default {budget}" if budget is not None else "default no bound"
    group.add_argument("--budget", type=count, default=budget, help=f"requests, retried ones too ({bound})")
    group.add_argument("--budget-tokens", type=count, help="tokens after which no further request is sent")
    group.add_argument("--requests-per-minute", type=rate, help="that the endpoint allows; default no bound")
    group.add_argument(
        "--concurrency", type=positive, default=concurrency, help=f"requests at the same time (default: {concurrency})"
    )
    group.add_argument("--timeout", type=seconds, default=120.0, help="seconds to wait for a reply (default: 120)")


def client_of(model: str, arguments: argparse.Namespace) -> "Client":
    """UserError when the endpoint's address cannot be right."""
    from data_builders.shared.llm import Budget, Client, Endpoint

    return Client(
        Endpoint(
            model=model,
            cache=arguments.cache or user_cache(),
            base_url=arguments.base_url,
            key_variable=arguments.key_variable,
            budget=Budget(arguments.budget, arguments.budget_tokens),
            requests_per_minute=arguments.requests_per_minute,
            concurrency=arguments.concurrency,
            timeout_seconds=arguments.timeout,
            temperature=arguments.temperature,
            max_tokens=arguments.max_tokens,
            accept_no_finish_reason=arguments.accept_no_finish_reason,
        )
    )
