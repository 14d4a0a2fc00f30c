"""Weights in layouts that are not transformers': the files they lie in, and that none of them is missing."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from data_builders.shared.errors import UserError

from ..shared.pretrained import first_line, offline


def model_folder(source: str) -> Path:
    """The folder itself, or where the hub's safetensors and json files lie. UserError."""
    from huggingface_hub import snapshot_download

    folder = Path(source).expanduser()
    if not folder.is_dir():
        try:
            patterns = ["*.safetensors", "*.json"]
            folder = Path(snapshot_download(source, allow_patterns=patterns, local_files_only=offline(source)))
        except (OSError, ValueError) as error:
            raise UserError(f"--model {source}: cannot be fetched ({first_line(error)})") from None
    if not any(folder.glob("*.safetensors")):
        raise UserError(
            f"--model {source}: no *.safetensors there. Weights that are only released pickled must be converted on a "
            "machine where you trust them"
        )
    return folder


def read_tensors(folder: Path, prefix: str = "") -> dict[str, Tensor]:
    """All tensors whose name starts with `prefix` (taken off), in fp32. UserError: unreadable, or none."""
    found: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 - not a dict
                found |= {name.removeprefix(prefix): file.get_tensor(name).float() for name in names}
        except (OSError, SafetensorError) as error:
            raise UserError(f"{path}: weights cannot be read ({first_line(error)})") from None
    if not found:
        raise UserError(f"{folder}: no tensor is called {prefix}...")
    return found


def load_strictly(module: nn.Module, tensors: dict[str, Tensor], place: str) -> None:
    """UserError when a tensor is missing or has another shape."""
    own = module.state_dict()
    wrong = [name for name, value in own.items() if name not in tensors or tensors[name].shape != value.shape]
    if wrong:
        raise UserError(f"{place}: {len(wrong)} tensors are missing or of another shape, first {wrong[0]}")
    module.load_state_dict({name: tensors[name] for name in own})
