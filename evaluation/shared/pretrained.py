"""Folders and hub ids in transformers' format: what is in them, and that nothing of them is ever run as code."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data_builders.shared.errors import UserError

PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def check_source(model: str) -> str:
    """A folder with config.json and safetensors, or a hub id. UserError."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"--model {model}: no config.json there. Give a folder in transformers' format")
        if not any(folder.glob("*.safetensors")):
            pickled = [path.name for pattern in PICKLED for path in sorted(folder.glob(pattern))]
            if pickled:
                raise UserError(
                    f"--model {model}: its weights are pickled ({pickled[0]}) and could run code. Make safetensors of "
                    f"them once: python -m fgtrain convert {shlex.quote(model)} NEW_FOLDER"
                )
            raise UserError(f"--model {model}: a config but no weights (*.safetensors)")
        return str(folder)
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise UserError(f"--model {model}: no such folder, no preset, and not a hub id (owner/name)")
    return model


def load_config(source: str) -> Any:
    """The model's config. UserError when it needs code of its own or is of no known kind."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=offline(source))
    except (OSError, ValueError, KeyError) as error:
        if "trust_remote_code" in str(error):
            raise UserError(
                f"--model {source} runs code from its own folder, which is never trusted here. Give a version in "
                "transformers' own format, or one of the presets"
            ) from None
        raise UserError(f"--model {source}: its config cannot be read ({first_line(error)})") from None


def load_weights(loader: Any, source: str, **options: Any) -> Any:
    """`loader`'s model with every tensor that its config names, from safetensors alone. UserError."""
    from safetensors import SafetensorError

    try:
        with quiet():
            model, report = loader.from_pretrained(
                source,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=offline(source),
                ignore_mismatched_sizes=True,  # they are refused below, by name
                output_loading_info=True,
                **options,
            )
    except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
        raise UserError(f"--model {source}: weights cannot be read ({first_line(error)})") from None
    wrong = sorted(report["missing_keys"]) + sorted(str(one[0]) for one in report["mismatched_keys"])
    if wrong:
        raise UserError(
            f"--model {source}: {len(wrong)} tensors are missing or of another shape than its config says, first "
            f"{wrong[0]}"
        )
    return model.eval()


def find_file(source: str, name: str) -> Path | None:
    """One small file of the folder or hub id; None where it has no such file."""
    from transformers.utils import cached_file

    found = cached_file(
        source,
        name,
        local_files_only=offline(source),
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )
    return None if found is None else Path(found)


def offline(source: str) -> bool:
    return Path(source).is_dir() or os.environ.get("HF_HUB_OFFLINE", "0") in ("1", "true", "True")


@contextmanager
def quiet() -> Iterator[None]:
    """transformers' own notes (which image processor stands in for which) tell the user nothing here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
