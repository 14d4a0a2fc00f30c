"""A checkpoint folder of anybody's on the command line, served: `--engine vllm`."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_builders.shared.errors import UserError

from ..launcher import launched
from .answerer import ServedAnswerer, VllmModel, served
from .vllm import find_vllm, gpu_name


@contextmanager
def served_folder(arguments: argparse.Namespace) -> Iterator[ServedAnswerer]:
    """Who `--model` names, to be asked inside. UserError when it is no folder that can be served."""
    from ..asking.answerers.loading import default_dtype, weights_hash  # imports torch

    folder = Path(arguments.model).expanduser()
    if not (folder / "config.json").is_file():
        raise UserError(f"--engine vllm serves a folder with a config.json; --model {arguments.model} is none")
    if not any(folder.glob("*.safetensors")):
        raise UserError(f"--model {folder} has no *.safetensors; no other weights are served")
    for option, given in (("--device", arguments.device), ("--one-by-one", arguments.one_by_one)):
        if given:
            raise UserError(f"{option} is for --engine own. vLLM takes the GPUs that CUDA_VISIBLE_DEVICES names")
    vllm, here = find_vllm(), launched()
    model = VllmModel(
        str(folder),
        folder,
        weights_hash(str(folder)),
        dtype=arguments.dtype or default_dtype(None),
        gpu=gpu_name(here.local_rank) if here.size > 1 else None,
    )
    with served(vllm, model, arguments.out / f"vllm.{arguments.checkpoint}.{here.rank}.log") as answerer:
        yield answerer
        if not here.first:
            answerer.refuse_unanswered()
