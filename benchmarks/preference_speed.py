"""Speed of a preference step beside the way in which trl's DPOTrainer does it: same model, pairs, loss and precision.

The peer is a stand-in written here, as trl is no dependency: each answer is a padded row of its own with its own copy
of the picture, every position meets the vocabulary, and a second, frozen model reads the same batch in every step. Ours
reads a picture once for both answers, and what its answers were to the first model is found once, before the first
step; that pass is timed apart, and the ratio is told with it spread over so many passes. Both run on one core in fp32,
the vision encoder frozen. Ours is timed twice: encoding each picture in every step, as the peer does, and with the
encoder's features kept from before the first step, as in a stage whose encoder is frozen. The losses must be equal.
Times are CPU seconds of whole steps, pictures decoded beforehand.

    OMP_NUM_THREADS=1 python benchmarks/preference_speed.py
"""

import argparse
import copy
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import train_mixes
from PIL import Image
from transformers import LlavaForConditionalGeneration

from data_builders.records import conversation
from fgtrain.batch import IGNORE_INDEX
from fgtrain.data import encode_row, render
from fgtrain.data.packing import pack
from fgtrain.model import build_model, set_trainable
from fgtrain.recipe.model_schema import Model, PartLearns
from fgtrain.recipe.objective_schema import Preference
from fgtrain.training.objectives.dpo import Dpo, answers_N2

BETA, RATE = 0.1, 1e-4
WANTED = 3.0  # times the peer's speed, at 256 image tokens


class Known:
    """In the place of what is kept on disk: found once, in a pass over the same batch."""

    def __init__(self, before_N2: torch.Tensor) -> None:
        self.before_N2 = before_N2

    def of(self, batch: Any) -> torch.Tensor:
        return self.before_N2


def pairs_in(place: Path, count: int) -> list[dict]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(place / f"{number}.png")
        names = [" ".join(f"w{part}" for part in rng.integers(0, train_mixes.WORDS, 3)) for _ in range(2)]
        asked = conversation(" ".join(f"w{word}" for word in range(9)), "")[:1]
        image = f"{number}.png"
        found.append({"id": number, "image": image, "conversations": asked, "chosen": names[0], "rejected": names[1]})
    return found


def ours(place: Path, rows: list[dict], steps: int, kept: bool) -> tuple[float, float, float]:
    """(seconds of what comes before the first step, seconds of a step, last loss). `kept`: features, not pixels."""
    lvlm = build_model(Model(checkpoint=str(place / "model"), max_tokens=2048), network=False, seed=0)
    set_trainable(lvlm, {part: PartLearns(lr=RATE) for part in ("projector", "language_model")})
    samples = [encode_row(r, lvlm.tokenizer, "qa", lvlm.image_spec, 2048, image_root=place, paired=True) for r in rows]
    pixels = [torch.from_numpy(render(ref, lvlm.image_spec, "none", ())) for one in samples for ref in one.images]
    pixels_NCHW = torch.cat(pixels)
    optimizer = torch.optim.AdamW([p for p in lvlm.parameters() if p.requires_grad], lr=RATE)
    start = time.process_time()
    with torch.no_grad():
        seen = {"features_NPF": lvlm.encode_images(pixels_NCHW)} if kept else {"pixels_NCHW": pixels_NCHW}
        batch = pack(samples, None, **seen)
        before_N2, _ = lvlm.learn_from(batch, answers_N2)
    once = time.process_time() - start
    part, losses = Dpo(Preference(beta=BETA), Known(before_N2)), []
    lvlm.train()
    start = time.process_time()
    for _ in range(steps):
        loss = lvlm.learn_from(batch, part.of).sum / len(rows)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return once, (time.process_time() - start) / steps, losses[-1]


def as_trl(place: Path, rows: list[dict], steps: int) -> tuple[float, float]:
    """(seconds of a step, last loss)."""
    lvlm = build_model(Model(checkpoint=str(place / "model"), max_tokens=2048), network=False, seed=0)
    model = LlavaForConditionalGeneration.from_pretrained(place / "model")
    model.model.vision_tower.requires_grad_(False)
    reference = copy.deepcopy(model).requires_grad_(False).eval()
    ids, labels, pixels = [], [], []
    for key in ("chosen", "rejected"):
        for row in rows:
            turns = [*row["conversations"], {"from": "gpt", "value": row[key]}]
            plain = {"id": row["id"], "image": row["image"], "conversations": turns}
            sample = encode_row(plain, lvlm.tokenizer, "qa", lvlm.image_spec, 2048, image_root=place)
            one = torch.from_numpy(sample.token_ids).long()
            one[torch.from_numpy(sample.is_image)] = model.config.image_token_id
            ids.append(one)
            labels.append(torch.from_numpy(sample.targets).long())
            pixels += [torch.from_numpy(render(ref, lvlm.image_spec, "none", ())) for ref in sample.images]
    pad = torch.nn.utils.rnn.pad_sequence
    mask = pad([torch.ones_like(one) for one in ids], batch_first=True)
    inputs = {"input_ids": pad(ids, batch_first=True), "attention_mask": mask, "pixel_values": torch.cat(pixels)}
    targets = pad(labels, batch_first=True, padding_value=IGNORE_INDEX)

    def answers(which: Any) -> torch.Tensor:
        each = which(**inputs, use_cache=False).logits.float().log_softmax(-1)
        each = each.gather(2, targets.clamp(min=0)[..., None])[..., 0]
        return (each * (targets != IGNORE_INDEX)).sum(1).view(2, len(rows))

    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE)
    losses = []
    model.train()
    start = time.process_time()
    for _ in range(steps):
        with torch.no_grad():
            before_2N = answers(reference)
        gain_2N = answers(model) - before_2N
        loss = -F.logsigmoid(BETA * (gain_2N[0] - gain_2N[1])).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return (time.process_time() - start) / steps, losses[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8, help="of a step")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--passes", type=int, default=3, help="that the pass before the first step is spread over")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        train_mixes.write_model(place / "model", train_mixes.SMALL_VOCABULARY)
        rows = pairs_in(place, chosen.pairs)
        theirs, other = as_trl(place, rows, chosen.steps)
        print(f"as trl: {theirs:.2f} CPU seconds a step of {chosen.pairs} pairs, loss {other:.6f}")
        for kept, words in ((False, "encoding in each step"), (True, "features kept")):
            once, mine, loss = ours(place, rows, chosen.steps, kept)
            whole = mine + once / chosen.passes
            print(f"ours, {words}: {mine:.2f}, loss {loss:.6f}: {theirs / mine:.2f} x; with what comes before")
            print(f"  ({once:.2f} s) over {chosen.passes} passes {theirs / whole:.2f} x (wanted {WANTED})")


if __name__ == "__main__":
    main()
