"""Supervised pretraining of a vision encoder: one linear head a question, thrown away afterwards.

This is how the miniature's encoder gets what a large one has from its own pretraining. Each distinct question of the
mixture is a classification task whose classes are the answers it has (word by word, so that "4 2" is two small tasks,
not a hundred classes). Only the encoder is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor, nn

from data_builders.records import IMAGE_PLACEHOLDER, Manifest, read_rows
from data_builders.shared.files import safe_join
from data_builders.shared.pictures import open_image
from data_builders.shared.seeding import draw
from fgtrain.errors import UserError
from fgtrain.images import Square
from fgtrain.model import LVLM
from fgtrain.model.single_parts import ENCODES

from .schedule import learning_rate_factor


@dataclass
class HeadsData:
    """Pictures (uint8 [n, size, size, 3]) and, for each, the heads it is asked and the classes that are right."""

    pictures: np.ndarray
    tasks: list[list[tuple[int, int]]]  # per picture: (head, class index in the whole output)
    class_head: np.ndarray  # head of each output class


def load_heads_data(folders: list[Path], spec: Square) -> HeadsData:
    """Read training sets whose rows hold one image and closed questions."""
    pictures: list[np.ndarray] = []
    tasks: list[list[tuple[int, int]]] = []
    heads: dict[tuple[str, int], int] = {}
    classes: dict[tuple[int, str], int] = {}
    for folder in folders:
        manifest = Manifest.load(folder)
        root = (folder / manifest.image_root).resolve()
        for row in read_rows(folder):
            image = row.get("image")
            if not isinstance(image, str):
                raise UserError(f"{folder}, row {row['id']!r}: objective heads needs rows with one image")
            picture = open_image(safe_join(root, image))
            if picture.size != (spec.size, spec.size):
                picture = picture.resize((spec.size, spec.size))
            pictures.append(np.asarray(picture))
            of_row = []
            for question, answer in zip(row["conversations"][::2], row["conversations"][1::2], strict=True):
                text = question["value"].replace(IMAGE_PLACEHOLDER, "").strip()
                for place, word in enumerate(answer["value"].split()):
                    head = heads.setdefault((text, place), len(heads))
                    of_row.append((head, classes.setdefault((head, word), len(classes))))
            tasks.append(of_row)
    return HeadsData(np.stack(pictures), tasks, np.array([head for head, _ in classes]))


def batches(data: HeadsData, seed: int, stage: str, batch_size: int, steps: int) -> Iterator[np.ndarray]:
    """Picture indices of each step: pass after pass, each pass in an order of its own."""
    order = np.empty(0, dtype=np.int64)
    passes = 0
    for _ in range(steps):
        if len(order) < batch_size:
            order = np.concatenate([order, draw(seed, stage, "heads", passes).permutation(len(data.pictures))])
            passes += 1
        yield order[:batch_size]
        order = order[batch_size:]


def train_heads(
    lvlm: LVLM, stage: Any, name: str, folders: list[Path], seed: int, steps: int, device: torch.device | str = "cpu"
) -> float:
    """Train the vision encoder in place, alone on `device`; return the heads' accuracy over the last tenth of the steps
    (0-1). The model is on the CPU before and after."""
    spec: Square = lvlm.image_spec
    data = load_heads_data(folders, spec)
    encoder = lvlm.parts["vision_encoder"]
    torch.manual_seed(int(draw(seed, name, "heads").integers(2**31)))
    mean = torch.tensor(spec.mean, device=device).view(1, 3, 1, 1) * 255
    std = torch.tensor(spec.std, device=device).view(1, 3, 1, 1) * 255
    class_head = torch.from_numpy(data.class_head).to(device)
    for part in ENCODES:  # the language model would only be in the way
        lvlm.parts[part].to(device)
    with torch.no_grad():
        features_NPF = lvlm.encode_images(torch.zeros(2, 3, spec.size, spec.size, device=device))
    width = features_NPF.shape[1] * features_NPF.shape[2]
    # drawn on the CPU, so that the heads begin alike everywhere
    head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, len(class_head))).to(device)
    parameters = [*encoder.parameters(), *head.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    peak = stage.train["vision_encoder"].lr
    optimizer = torch.optim.AdamW(parameters, lr=peak, weight_decay=stage.weight_decay)
    encoder.train()
    right: list[float] = []
    chosen = batches(data, seed, name, stage.global_batch_size, steps)
    for step, index in enumerate(track(chosen, description=f"stage {name}", total=steps)):
        pixels_NCHW = (torch.from_numpy(data.pictures[index]).to(device).permute(0, 3, 1, 2).float() - mean) / std
        pairs = [(place, head_, right_) for place, i in enumerate(index) for head_, right_ in data.tasks[i]]
        place_Q, head_Q, class_Q = torch.tensor(pairs, device=device).T
        logits_QC = head(lvlm.encode_images(pixels_NCHW).flatten(1))[place_Q]
        logits_QC = logits_QC.masked_fill(class_head[None] != head_Q[:, None], float("-inf"))
        loss: Tensor = F.cross_entropy(logits_QC, class_Q)
        factor = learning_rate_factor(step, steps, stage.warmup_fraction, stage.min_lr_fraction)
        for group in optimizer.param_groups:
            group["lr"] = peak * factor
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, stage.clip_norm or float("inf"))
        optimizer.step()
        if step >= min(steps * 0.9, steps - 1):
            right.append((logits_QC.argmax(1) == class_Q).float().mean().item())
    encoder.eval()
    for part in ENCODES:
        lvlm.parts[part].to("cpu")
    return float(np.mean(right))
