"""Where parts come from: folders, or the hub when the network may be used. Safetensors only, never remote code."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig

from data_builders.shared.files import read_json
from fgtrain.errors import UserError
from fgtrain.images import Square

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")  # of the hub: whole, or in several files
PUBLISHED = {"internvl_chat": "an InternVL", "intern_vit_6b": "an InternViT", "internlm2": "an InternLM2"}
RESAMPLE = {2: "bilinear", 3: "bicubic"}  # PIL's numbers


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
            advice = "Check the name" if network else "Give a folder, or add network=true to download it"
            raise UserError(f"{place} is {value!r}: no such folder, and not in the local hub cache. {advice}")

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
        """UserError for an InternVL, InternViT or InternLM2 as published: it says how to import it."""
        path = self.file("config.json")
        try:
            values = read_json(path) if path is not None else None
        except UserError as error:
            raise UserError(f"{self.place} {self.value}: its config cannot be read ({error})") from None
        kind = values.get("model_type") if isinstance(values, dict) else None
        if kind in PUBLISHED:
            network = " --network" if self.folder is None and self.network else ""
            part = self.place.removeprefix("model.")
            raise UserError(
                f"{self.place} {self.value} is {PUBLISHED[kind]} as published, which runs code of its own; that is "
                f"never trusted here. Import it once: python -m fgtrain.model.import_internvl "
                f"{shlex.quote(self.value)} NEW_FOLDER{network}, and write {part}: NEW_FOLDER"
            )

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
                f"Convert them to safetensors with save_pretrained on a machine where you trust them"
            )
        part = self.place.removeprefix("model.")
        raise UserError(
            f"{self.place} is {self.value!r}, which holds a config but no weights (*.safetensors). "
            f"Add model.safetensors, or write model.from_scratch: [{part}] to draw them"
        )

    def refuse_missing_weights(self) -> None:
        """UserError where `load` would find no file of weights. None is opened, and of the hub none is fetched."""
        if self.folder is not None:
            self.weights()
        elif not any(self.exists(name) for name in WEIGHTS):
            advice = "" if self.network else ", or add network=true to download them"
            raise UserError(
                f"{self.place} is {self.value!r}: its weights ({WEIGHTS[0]}) cannot be read. Give another one{advice}"
            )

    def load(self, model_class: Any, config: PreTrainedConfig, **arguments: Any) -> Any:
        """The model in fp32 with all its weights. UserError when some are missing or of another shape."""
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
                **self.arguments,
                **arguments,
            )
        except (OSError, RuntimeError, SafetensorError) as error:
            raise UserError(f"{self.place} is {self.value!r}: weights cannot be read ({_first_line(error)})") from None
        wrong = sorted(report["missing_keys"]) + sorted(name for name, *_ in report["mismatched_keys"])
        if wrong:
            raise UserError(
                f"{self.place} is {self.value!r}: {len(wrong)} tensors are missing or of another shape than its config "
                f"says, first {wrong[0]}. Give the folder that config.json and weights were saved to together"
            )
        return model

    def tokenizer(self) -> Any:
        """Its tokenizer. UserError when there is none."""
        try:
            return AutoTokenizer.from_pretrained(self.name, **self.arguments)
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise UserError(
                f"{self.place} is {self.value!r}: no tokenizer can be read there ({_first_line(error)})"
            ) from None

    def preprocessor(self) -> dict | None:
        """Its image preprocessing as plain JSON, or None."""
        if (path := self.file("preprocessor_config.json")) is not None:
            return read_json(path)
        if (path := self.file("processor_config.json")) is not None:
            return read_json(path).get("image_processor")
        return None


def image_spec(source: Source, size: int | None, tokens: int, from_scratch: bool = False) -> Square:
    """How pictures become pixels, from preprocessor_config.json; `size` (pixels) overrides its own.

    Without such a file a from-scratch encoder gets mean = std = 0.5 and bicubic; a pretrained one is an error, since
    wrong pixels would only show as bad scores. Whatever the file says of cropping, pictures are resized to a square.
    """
    settings = source.preprocessor()
    place = f"{source.place} {source.value}: preprocessor_config.json"
    if settings is None:
        if not from_scratch:
            raise UserError(
                f"{place} is missing, so how it wants its pixels is unknown. Copy it from the original model"
            )
        settings = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    return Square(size=size or own_size(settings, place), tokens=tokens, **pixel_values(settings, place))


def pixel_values(settings: dict, place: str) -> dict[str, Any]:
    """mean, std and resample of an ImageSpec. UserError, naming `place`, for what is not known here."""
    if settings.get("do_normalize") is False:
        settings = {**settings, "image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    mean, std = settings.get("image_mean"), settings.get("image_std")
    for key, value in (("image_mean", mean), ("image_std", std)):
        if not (isinstance(value, list) and len(value) == 3 and all(isinstance(v, int | float) for v in value)):
            raise UserError(f"{place} has {key} {value!r}; three numbers are needed")
    factor = settings.get("rescale_factor", 1 / 255)
    if settings.get("do_rescale") is False or abs(factor * 255 - 1) > 1e-3:
        raise UserError(f"{place} rescales by {factor}; only 1/255 is known")
    resample = settings.get("resample", 3)
    if resample not in RESAMPLE:
        raise UserError(f"{place} has resample {resample}; known are 2 (bilinear) and 3 (bicubic)")
    return {"mean": tuple(map(float, mean)), "std": tuple(map(float, std)), "resample": RESAMPLE[resample]}


def own_size(settings: dict, place: str) -> int:
    """The square size a preprocessor works at: of its crop, else of its resizing. UserError when there is none."""
    for key in ("crop_size", "size"):
        value = settings.get(key)
        if isinstance(value, dict):
            value = value.get("height", value.get("shortest_edge"))
        if isinstance(value, int):
            return value
    raise UserError(f"{place} names no size. Write model.image_size")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
