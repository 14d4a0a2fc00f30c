"""Tiny models with random weights, saved as their architecture's folders, and a small drawn data set."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

SIDE = 28
SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
VISION = {**SMALL, "image_size": SIDE, "patch_size": 14}
TEXT = {
    "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
    "intermediate_size": 32, "vocab_size": 64,
}  # fmt: skip
PREPROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "do_normalize": True, "do_rescale": True, "do_resize": True, "rescale_factor": 1 / 255, "resample": 3,
    "image_mean": [0.5, 0.4, 0.6], "image_std": [0.5, 0.3, 0.2], "size": {"height": SIDE, "width": SIDE},
}  # fmt: skip


def save(model: torch.nn.Module, folder: Path, **preprocessor) -> Path:
    """The model's folder with a preprocessor_config.json."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():  # no constant anywhere: a tensor that is dropped or swapped must show
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    model.eval().save_pretrained(folder)
    write_preprocessor(folder, **preprocessor)
    return folder


def write_preprocessor(folder: Path, **changes) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR | changes), encoding="utf-8")


def save_layout(folder: Path, tensors: dict[str, torch.Tensor], files: dict[str, dict]) -> Path:
    """A folder that is not in transformers' format: its tensors and json files as given."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, folder / "model.safetensors")
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


def drawn(folder: Path, classes: int = 3, train: int = 5, test: int = 3, side: int = 40) -> Path:
    """A data set in the layout of one folder a class (train/, test/): each class has its colour, with noise."""
    generator = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        for label in range(classes):
            place = folder / split / f"class {label}"
            place.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                base = np.full((side, side + 6, 3), 60.0)
                base[..., label % 3] += 110
                base[: side // 2] += 20 * (label // 3)
                pixels = np.clip(base + generator.normal(0, 25, base.shape), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
    return folder


def pixels(n: int = 2, side: int = SIDE) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(2))


def normalised(featurizer, batch: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (featurizer.mean, featurizer.std))
    return (batch - mean) / std
