"""Who `--model` names: an installed program's checkpoint, a released model, or an endpoint."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.plugins import Plugins

from ...protocols import Answerer
from ...shared.own_models import load_by_package

# Programs that know checkpoints of their own.
ANSWERERS = Plugins("evaluation.answerers", "a function of a folder that gives an Answerer, or None for a strange one")
NEEDS = ("name", "model_hash", "settings", "answer")
ENDPOINT = "endpoint:"


@contextmanager
def asked_by(arguments: argparse.Namespace) -> Iterator[Answerer]:
    """Who `--model` names, by `--engine`, to be asked inside. UserError when nothing can load it."""
    if arguments.engine == "own":
        yield find_answerer(arguments)
        return
    if arguments.model.startswith(ENDPOINT) or arguments.base_url:
        raise UserError("--engine vllm starts a server of its own; one that runs is asked by --model endpoint:NAME")
    from ...serving.of_folder import served_folder

    with served_folder(arguments) as answerer:
        yield answerer


def find_answerer(arguments: argparse.Namespace) -> Answerer:
    """Who `--model` names. UserError when nothing can load it."""
    model: str = arguments.model
    if model.startswith(ENDPOINT):
        from .endpoint import endpoint_answerer

        return endpoint_answerer(
            model,
            arguments.cache or arguments.out / "replies",
            base_url=arguments.base_url,
            key_variable=arguments.key_variable,
            requests_per_minute=arguments.requests_per_minute,
            concurrency=arguments.concurrency,
            timeout_seconds=arguments.timeout,
            budget=arguments.budget,
            budget_tokens=arguments.budget_tokens,
            temperature=arguments.temperature,
            max_tokens=arguments.max_tokens,
            accept_no_finish_reason=arguments.accept_no_finish_reason,
            checkpoint=arguments.checkpoint,
        )
    if arguments.base_url:
        raise UserError(f"--base-url is for endpoints; write --model {ENDPOINT}{model}")
    folder = Path(model).expanduser()
    if folder.is_dir():
        if (answerer := load_by_package(ANSWERERS, NEEDS, folder)) is not None:
            return answerer
        if not (folder / "config.json").is_file():
            raise UserError(f"--model {model}: nothing can load this model. A checkpoint folder has a config.json")
    elif model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise UserError(f"--model {model}: no such folder, and neither a hub id (owner/name) nor {ENDPOINT}NAME")
    elif not arguments.network:
        os.environ["HF_HUB_OFFLINE"] = "1"  # before the hub's client is imported
        from huggingface_hub import try_to_load_from_cache

        if not isinstance(try_to_load_from_cache(model, "config.json"), str):
            raise UserError(f"--model {model}: not on this machine. Add --network to download it, or give a folder")
    from .lvlm import TransformersAnswerer

    return TransformersAnswerer(model, dtype=arguments.dtype, device=arguments.device, sharing=not arguments.one_by_one)
