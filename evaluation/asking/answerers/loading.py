"""A model folder or hub id that transformers loads as image-text-to-text: safetensors only, never code of its own."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from data_builders.shared.errors import UserError
from data_builders.shared.files import sha256_file

from ...launcher import launched
from ...shared.pretrained import check_source, first_line, load_config, load_weights, offline, quiet
from ...shared.texts import text_hash

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
HASHED = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json")


def load_lvlm(source: str, dtype: str, device: str | None) -> tuple[nn.Module, Any]:
    """(the model, its config), on the given device, or on all GPUs that this process may use, else on the CPU.

    UserError when it cannot be loaded so, or its weights are not all there.
    """
    from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, AutoModelForImageTextToText

    source = check_source(source)
    config = load_config(source)
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise UserError(
            f"--model {source}: {config.model_type!r} is not a model that transformers asks about pictures. Serve it "
            "(vLLM, transformers serve) and give --model endpoint:NAME"
        )
    model = load_weights(AutoModelForImageTextToText, source, dtype=DTYPES[dtype], device_map=device_map(device))
    return model.requires_grad_(False), config


def device_map(device: str | None) -> Any:
    """One device where it is named or this process is one of several; else accelerate spreads over all GPUs."""
    if device:
        try:
            return {"": torch.device(device)}
        except RuntimeError:
            raise UserError(f"--device {device}: write cpu, cuda or cuda:1") from None
    if not torch.cuda.is_available():
        return {"": torch.device("cpu")}
    here = launched()
    if here.size > 1:
        return {"": torch.device("cuda", here.local_rank % torch.cuda.device_count())}
    return "auto"


def default_dtype(device: str | None) -> str:
    """bfloat16 on GPUs that have it, float16 on others, float32 on the CPU."""
    if not torch.cuda.is_available() or (device or "cuda").startswith("cpu"):
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"


def load_tokenizer(source: str) -> Any:
    from transformers import AutoTokenizer

    try:
        with quiet():
            return AutoTokenizer.from_pretrained(source, trust_remote_code=False, local_files_only=offline(source))
    except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
        raise UserError(f"--model {source}: its tokenizer cannot be loaded ({first_line(error)})") from None


def snapshot(source: str) -> Path:
    """The folder that holds the files of a folder or hub id that has been loaded."""
    if Path(source).is_dir():
        return Path(source)
    from transformers.utils import cached_file

    return Path(cached_file(source, "config.json", local_files_only=True)).parent


def weights_hash(source: str) -> str:
    """Identity of the weights: the content of all safetensors files."""
    found = []
    for path in sorted(snapshot(source).glob("*.safetensors")):
        blob = path.resolve().name
        # The hub's cache names a file by its sha256.
        is_hash = path.is_symlink() and len(blob) == 64 and set(blob) <= set("0123456789abcdef")
        found.append(blob if is_hash else sha256_file(path))
    return text_hash("\n".join(sorted(found)))


def files_hash(source: str) -> dict[str, str]:
    """Hashes of the small files that decide an answer: config, generation settings, tokenizer."""
    folder = snapshot(source)
    return {name: sha256_file(folder / name)[:16] for name in HASHED if (folder / name).is_file()}
