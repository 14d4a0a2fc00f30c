"""Where parts come from: folders, or the hub when the network may be used. Safetensors only, never remote code."""

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig, PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.modeling_utils import LoadStateDictConfig

from data_builders.shared.files import read_json
from data_builders.shared.text_files import LFS_POINTER, refuse_lfs_pointer
from fgtrain.errors import UserError

from .other_layouts import refuse_other_layout

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
PICKLED_NAMES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")  # whole, or in several files


class Source:
    """A model folder, or a hub id. `place` is the recipe's key, for messages."""

    def __init__(self, place: str, value: str, network: bool) -> None:
        """UserError when `value` is neither a folder nor a hub id that can be read."""
        self.place, self.value, self.network = place, value, network
        folder = Path(value).expanduser()
        self.folder: Path | None = folder if folder.is_dir() else None
        if self.folder is not None:
            if not (self.folder / "config.json").is_file():
                raise UserError(
                    f"{place} is {value!r}, which holds no config.json. Give a folder in Hugging Face format"
                )
        elif not HUB_ID.fullmatch(value):
            raise UserError(f"{place} is {value!r}: no such folder. Give a folder in Hugging Face format or a hub id")
        elif self.file("config.json") is None:
            advice = f"Give a folder, add network=true to download it, or type: hf download {value}"
            raise UserError(
                f"{place} is {value!r}: no such folder, and its config.json is not in the local hub cache. "
                f"{'Check the name' if network else advice}"
            )

    @property
    def name(self) -> str:
        """What transformers' from_pretrained takes."""
        return str(self.folder) if self.folder is not None else self.value

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments for every from_pretrained."""
        return {"local_files_only": self.folder is not None or not self.network, "trust_remote_code": False}

    @property
    def online(self) -> bool:
        return self.network and os.environ.get("HF_HUB_OFFLINE", "0") not in ("1", "true", "True")

    @property
    def fetching(self) -> str:
        """How a file that is not here is got, as the end of a message; empty for a folder."""
        if self.folder is not None or self.online:
            return ""
        return f". Add network=true to download it, or type: hf download {self.value}"

    def file(self, name: str) -> Path | None:
        """One file of the model, or None when it has none of that name (or cannot be reached)."""
        if self.folder is not None:
            path = self.folder / name
            return path if path.is_file() else None
        try:
            return Path(huggingface_hub.hf_hub_download(self.value, name, local_files_only=not self.online))
        except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError):
            return None

    def exists(self, name: str) -> bool:
        """Is there a file of that name in the local hub cache or, when the network may be used, on the hub?"""
        if isinstance(huggingface_hub.try_to_load_from_cache(self.value, name), str):
            return True
        try:
            return self.online and huggingface_hub.file_exists(self.value, name)
        except (HfHubHTTPError, OfflineModeIsEnabled, OSError):
            return False

    def config(self) -> PreTrainedConfig:
        """The model's config. UserError when it needs code of its own, or is of no known kind."""
        self._not_as_published()
        try:
            return AutoConfig.from_pretrained(self.name, **self.arguments)
        except (OSError, ValueError, KeyError) as error:
            if "trust_remote_code" in str(error):
                raise UserError(
                    f"{self.place} {self.value} runs code from its own folder, which is never trusted here. "
                    f"Give a version in transformers' own format"
                ) from None
            raise UserError(f"{self.place} {self.value}: its config cannot be read ({_first_line(error)})") from None

    def _not_as_published(self) -> None:
        """UserError for a layout that transformers does not read (`refuse_other_layout`)."""
        path = self.file("config.json")
        try:
            values = read_json(path) if path is not None else None
        except UserError as error:
            raise UserError(f"{self.place} {self.value}: its config cannot be read ({error})") from None
        if isinstance(values, dict):
            refuse_other_layout(values, self.place, self.value, download=self.folder is None and self.network)

    def weights(self) -> list[Path]:
        """The safetensors files of a local folder. UserError when there is none."""
        assert self.folder is not None
        found = sorted(self.folder.glob("*.safetensors"))
        if found:
            return found
        pickled = [path.name for pattern in PICKLED for path in sorted(self.folder.glob(pattern))]
        if pickled:
            raise UserError(
                f"{self.place} is {self.value!r}, whose weights are pickled ({pickled[0]}) and could run code. "
                f"Make safetensors of them once: {self._converting()}"
            )
        part = self.place.removeprefix("model.")
        raise UserError(
            f"{self.place} is {self.value!r}, which holds a config but no weights (*.safetensors). "
            f"Add model.safetensors, or write model.from_scratch: [{part}] to draw them"
        )

    def _converting(self) -> str:
        network = " --network" if self.folder is None and self.network else ""
        command = f"python -m fgtrain convert {shlex.quote(self.value)} NEW_FOLDER{network}"
        return f"{command}, and write {self.place.removeprefix('model.')}: NEW_FOLDER"

    def refuse_missing_weights(self) -> None:
        """UserError where `load` would find no file of weights. None is opened, and of the hub none is fetched."""
        if self.folder is not None:
            self.weights()
        elif not any(self.exists(name) for name in WEIGHTS):
            if any(self.exists(name) for name in PICKLED_NAMES):
                raise UserError(
                    f"{self.place} is {self.value!r}, whose weights are published as pickles, which could run code. "
                    f"Make safetensors of them once: {self._converting()}"
                )
            advice = "" if self.network else ", or add network=true to download them"
            raise UserError(
                f"{self.place} is {self.value!r}: its weights ({WEIGHTS[0]}) cannot be read. Give another one{advice}"
            )

    def load(
        self, model_class: Any, config: PreTrainedConfig, device: torch.device | str = "cpu", **arguments: Any
    ) -> Any:
        """The model in fp32 with all its weights, each read to the device by itself; on the CPU what is stored in fp32
        stays in its file, mapped, until it is written to. UserError when some are missing or of another shape.
        """
        if self.folder is not None:
            self.weights()
        try:
            model, report = model_class.from_pretrained(
                self.name,
                config=config,
                dtype=torch.float32,  # half-precision files too: mixed precision needs fp32 masters
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # they are refused below, by name
                output_loading_info=True,
                device_map={"": device} if torch.device(device).type != "cpu" else None,
                **self.arguments,
                **arguments,
            )
        except (OSError, RuntimeError, SafetensorError) as error:
            raise self._unreadable(error) from None
        self._refuse_other(report)
        return model

    def fill(self, model: PreTrainedModel, paths: Iterable[str], device: torch.device | str) -> None:
        """Give some modules of a model on the meta device their weights, in fp32; the others stay there. UserError as
        `load`.

        What `from_pretrained` does after it has made the model; by itself it reads all of a model or nothing.
        """
        places: dict[str, Any] = dict.fromkeys(paths, device)
        places |= dict.fromkeys((name for name, _ in model.named_non_persistent_buffers()), device)  # in no file
        how = LoadStateDictConfig(
            pretrained_model_name_or_path=self.name,
            ignore_mismatched_sizes=True,
            device_map={"": "meta", **places},
            dtype=torch.float32,
            weight_mapping=get_model_conversion_mapping(model),
        )
        try:
            report, _ = model._load_pretrained_model(model, None, self._files(), how)
            report = model._finalize_model_loading(model, how, report).to_dict()
        except (OSError, RuntimeError, SafetensorError) as error:
            raise self._unreadable(error) from None
        self._refuse_other(report)

    def _files(self) -> list[str]:
        """The files of weights that `from_pretrained` reads. OSError when one is missing."""
        whole, several = WEIGHTS
        if (path := self.file(whole)) is not None:
            return [str(path)]
        index = self.file(several)
        if index is None:
            raise OSError(f"there is no {whole}")
        files = {name: self.file(name) for name in sorted(set(read_json(index)["weight_map"].values()))}
        for name, path in files.items():
            if path is None:
                raise OSError(f"there is no {name}, which {several} lists")
        return [str(path) for path in files.values()]

    def _unreadable(self, error: Exception) -> UserError:
        for path in sorted(self.folder.glob("*.safetensors")) if self.folder is not None else ():
            with open(path, "rb") as file:
                refuse_lfs_pointer(path, file.read(len(LFS_POINTER)))
        return UserError(f"{self.place} is {self.value!r}: weights cannot be read ({_first_line(error)})")

    def _refuse_other(self, report: Mapping[str, Any]) -> None:
        """UserError for tensors that were not found, or not of the config's shape. `report`: transformers' own."""
        wrong = sorted(report["missing_keys"]) + sorted(name for name, *_ in report["mismatched_keys"])
        if wrong:
            raise UserError(
                f"{self.place} is {self.value!r}: {len(wrong)} tensors are missing or of another shape than its config "
                f"says, first {wrong[0]}. Give the folder that config.json and weights were saved to together"
            )

    def tokenizer(self) -> Any:
        """Its tokenizer. UserError when there is none."""
        try:
            return AutoTokenizer.from_pretrained(self.name, **self.arguments)
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise UserError(
                f"{self.place} is {self.value!r}: no tokenizer can be read there ({_first_line(error)}){self.fetching}"
            ) from None

    def preprocessor(self) -> dict | None:
        """Its image preprocessing as plain JSON, or None."""
        if (path := self.file("preprocessor_config.json")) is not None:
            return read_json(path)
        if (path := self.file("processor_config.json")) is not None:
            return read_json(path).get("image_processor")
        return None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
