"""A 24-head probe sweep from cached features against the released protocol, which encodes every batch anew.

    python benchmarks/probe_sweep.py [--root CUB_200_2011] [--peer-steps 3] [--width 192]

Both train the same 24 heads (last 1 or 2 blocks, with or without the mean patch, 6 learning rates, Adam, cosine, batch
128) for 10,000 steps on one encoder: a ViT with drawn weights, 12 blocks at 224 px. Its weights do not matter for the
time. The smaller it is, the less there is to win by encoding once: the default (192 wide, 5.5 M parameters) favours
the peer; the track's own models are 55 to 1,000 times as large. The peer sees a new random crop of a picture each time,
which is what it pays for; ours sees each training picture in its one evaluation view.

Ours is measured whole: extracting all pictures, 10,000 steps, testing. The peer is measured for --peer-steps steps
(after one that warms up) and multiplied to 10,000: its steps are all alike. Exit status 1 when ours takes more than a
tenth of the peer's time.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from data_builders.shared.pictures import open_image
from data_builders.shared.seeding import draw
from data_builders.sources import load_source
from evaluation.features.backbone import backbone_of, tensor_hash
from evaluation.features.cache import FeatureCache
from evaluation.features.labelled import labelled
from evaluation.features.loading import EncoderFeaturizer
from evaluation.features.probe import PROTOCOLS, batches, head_input, train_heads
from evaluation.features.transform import dinov2_transform
from evaluation.shared.pretrained import quiet

SIZE = 224


def encoder(width: int) -> EncoderFeaturizer:
    with quiet():
        from transformers import Dinov2Config, Dinov2Model

        torch.manual_seed(0)
        heads = max(1, width // 64)
        config = Dinov2Config(hidden_size=width, num_hidden_layers=12, num_attention_heads=heads, image_size=SIZE)
        model = Dinov2Model(config).eval().requires_grad_(False)
    backbone = backbone_of(model, model, image_size=SIZE, patch_size=14)
    return EncoderFeaturizer("vit", backbone, dinov2_transform(SIZE), model_hash=tensor_hash(model.state_dict()))


def random_crop(path: Path, *address) -> torch.Tensor:
    """The released training view: a crop of 8 to 100 % of the area, resized to 224, flipped half of the time."""
    generator, picture = draw("crop", *address), open_image(path)
    width, height = picture.size
    area, aspect = width * height * generator.uniform(0.08, 1), np.exp(generator.uniform(np.log(3 / 4), np.log(4 / 3)))
    crop = min(width, round((area * aspect) ** 0.5)), min(height, round((area / aspect) ** 0.5))
    left, top = generator.integers(width - crop[0] + 1), generator.integers(height - crop[1] + 1)
    picture = picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC, (left, top, left + crop[0], top + crop[1]))
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
    return pixels.flip(2) if generator.random() < 0.5 else pixels


def peer_steps(featurizer, data, steps: int) -> tuple[float, float]:
    """(seconds a step, of which loading pictures) of the released loop: load, encode, one step of every head."""
    protocol, names = PROTOCOLS["fgbmk"], featurizer.vectors
    width = featurizer.backbone.norm.weight.shape[0]
    heads, groups = [], []
    for head in protocol.heads(names):
        linear = torch.nn.Linear(width * (head.blocks + head.mean_patch), len(data.classes))
        heads.append((head, linear))
        groups.append({"params": linear.parameters(), "lr": head.learning_rate})
    optimizer = torch.optim.Adam(groups)
    labels, loading = torch.as_tensor(data.train_labels), 0.0
    for step, chosen in enumerate(batches(len(labels), protocol.batch, steps + 1, seed=0)):
        if step == 1:  # the first warms up
            started, loading = time.perf_counter(), 0.0
        before = time.perf_counter()
        pixels = torch.stack([random_crop(data.train[place], step, place) for place in chosen])
        loading += time.perf_counter() - before
        with torch.no_grad():
            vectors = featurizer.features(pixels)
        losses = [
            F.cross_entropy(linear(head_input(vectors, names, head.blocks, head.mean_patch)), labels[chosen])
            for head, linear in heads
        ]
        optimizer.zero_grad()
        sum(losses).backward()
        optimizer.step()
    return (time.perf_counter() - started) / steps, loading / steps


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--root", type=Path, default=Path("../shared/data/CUB_200_2011"))
    options.add_argument("--peer-steps", type=int, default=3)
    options.add_argument("--width", type=int, default=192)
    options.add_argument("--steps", type=int, default=10_000, help="ours may be shortened too; it is then scaled")
    arguments = options.parse_args()
    data = labelled(load_source("cub", arguments.root))
    featurizer = encoder(arguments.width)
    protocol = replace(PROTOCOLS["fgbmk"], steps=arguments.steps)
    heads = len(protocol.heads(featurizer.vectors))
    print(f"{len(data.train)} training and {len(data.test)} test pictures, {len(data.classes)} classes, {heads} heads")
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(Path(folder), featurizer)
        started = time.perf_counter()
        train, test = cache.table(data.train, "training pictures"), cache.table(data.test, "test pictures")
        extracted = time.perf_counter() - started
        started = time.perf_counter()
        trained = train_heads(
            train, data.train_labels, featurizer.vectors, classes=len(data.classes), protocol=protocol
        )
        training = (time.perf_counter() - started) * 10_000 / arguments.steps
        started = time.perf_counter()
        trained.correct(test, data.test_labels)
        tested = time.perf_counter() - started
    ours = extracted + training + tested
    scaled = "" if arguments.steps == 10_000 else f" (from {arguments.steps:,})"
    print(f"ours: {ours:,.0f} s = {extracted:.0f} s once for features + {training:.0f} s for 10,000 steps{scaled}")
    step, loading = peer_steps(featurizer, data, arguments.peer_steps)
    whole = 10_000 * step
    free = whole * (1 - loading / step)
    print(f"released: {step:.2f} s a step ({arguments.peer_steps} measured), {loading:.2f} s of it loading pictures")
    print(f"released, 10,000 such steps, extrapolated: {whole:,.0f} s")
    print(f"released / ours: {whole / ours:,.0f}x; with pictures loaded for nothing: {free / ours:,.0f}x")
    return 0 if ours <= whole / 10 else 1


if __name__ == "__main__":
    sys.exit(main())
