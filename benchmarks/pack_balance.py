"""How evenly a step's samples lie on its devices: every n-th sample to each, beside as the stage deals them.

Imbalance is the time of all devices, each micro-batch waiting for the one that holds most, over that of equal shares
(1.00 = nobody waits), of tokens and of image tokens; the mean over up to 200 steps. Mixes are those of the speed
benchmark with images of one tile, and of 1 to 6 with a thumbnail, as InternVL cuts them.

    python benchmarks/pack_balance.py
"""

import argparse

import numpy as np
import train_mixes

from fgtrain.data.load_balancing import mean_imbalance


def loads_of(mix: str, samples: int, tiles: int) -> np.ndarray:
    """[samples, (tokens, image tokens)] of drawn rows, each image of 1 to `tiles` tiles."""
    rng = np.random.default_rng(0)
    loads_SL = np.zeros((samples, 2), np.int32)
    for place in range(samples):
        row = train_mixes.MIXES[mix][0](rng, place)
        words = sum(len(turn["value"].replace("<image>\n", "").split()) + 1 for turn in row["conversations"])
        cut = int(rng.integers(1, tiles + 1))
        image = (cut + (cut > 1)) * train_mixes.IMAGE_TOKENS if "image" in row else 0
        loads_SL[place] = words + image, image
    return loads_SL


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--samples", type=int, default=12800)
    arguments.add_argument("--global-batch", type=int, default=128)
    arguments.add_argument("--devices", type=int, default=8)
    arguments.add_argument("--turns", type=int, default=4, help="micro-batches of each device in a step")
    chosen = arguments.parse_args()
    print(f"{chosen.devices} devices, {chosen.turns} micro-batches each, {chosen.global_batch} samples a step")
    for mix in train_mixes.MIXES:
        for tiles in (1, 6):
            loads_SL = loads_of(mix, chosen.samples, tiles)
            before, after = mean_imbalance(loads_SL, chosen.global_batch, chosen.turns, chosen.devices)
            print(
                f"{mix:15} images of 1 to {tiles} tiles: tokens {before[0]:.3f} -> {after[0]:.3f}, "
                f"image tokens {before[1]:.3f} -> {after[1]:.3f}"
            )


if __name__ == "__main__":
    main()
