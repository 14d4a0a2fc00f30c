"""Images per second of a core while mosaics are composed, beside the straightforward way with PIL, in one run.

    python benchmarks/mosaic_composition.py [--images DIR]

Without --images it makes its own JPEGs (quality 90): surfaces, edges and noise with photographs' spectrum.
Straightforward: open, convert to RGB, crop the middle square, resize (bicubic), paste.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from data_builders.mosaic import compose, open_tile

TILE, GRID = 149, (3, 3)
TILES = GRID[0] * GRID[1]


def straightforward(paths: list[Path]) -> Image.Image:
    whole = Image.new("RGB", (GRID[1] * TILE, GRID[0] * TILE))
    for place, path in enumerate(paths):
        image = Image.open(path).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        tile = image.crop((left, top, left + side, top + side)).resize((TILE, TILE), Image.Resampling.BICUBIC)
        whole.paste(tile, (place % GRID[1] * TILE, place // GRID[1] * TILE))
    return whole


def composed(paths: list[Path], exact: bool = False) -> Image.Image:
    return compose([open_tile(path, TILE, exact=exact) for path in paths], GRID, TILE, range(TILES), exact=exact)


def decoded(paths: list[Path]) -> None:
    for path in paths:
        with Image.open(path) as image:
            image.load()


def photo_like(side: int, number: int) -> Image.Image:
    """A picture of side x 3/4 side pixels whose power falls by 8 dB an octave, as that of bird and grocery photographs
    does, with discs in front."""
    rng = np.random.default_rng((side, number))
    height, width = side * 3 // 4, side
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = 1
    noise = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(3, height, width))) / frequency**1.33, s=(height, width))
    shared = noise[:1] * 0.8 + noise * 0.2  # channels go together, as in photographs
    picture = 128 + 55 * shared / shared.std()
    y, x = np.mgrid[:height, :width]
    for _ in range(12):
        disc = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height)) < rng.uniform(0.02, 0.15) * side
        picture[:, disc] = picture[:, disc] * 0.4 + 0.6 * rng.uniform(0, 255, 3)[:, None]
    picture += rng.normal(0, 1.5, picture.shape)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


def psnr(one: Image.Image, other: Image.Image) -> list[float]:
    """Of each tile, in decibels."""
    difference = np.asarray(one, np.float64) - np.asarray(other, np.float64)
    tiles = difference.reshape(GRID[0], TILE, GRID[1], TILE, 3)
    errors = (tiles**2).mean((1, 3, 4)).ravel()
    return [float(10 * np.log10(255**2 / max(error, 1e-6))) for error in errors]


def seconds(ways: dict[str, Callable], mosaics: list[list[Path]], rounds: int) -> dict[str, list[float]]:
    """Each way's time for all mosaics, round by round, taken in turn so that the machine's moods hit all alike.

    Processor time: all ways have one thread, and what else runs on the machine is not theirs.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            for paths in mosaics:
                way(paths)
            times[name].append(time.process_time() - start)
    return times


def measure(title: str, paths: list[Path], rounds: int) -> None:
    mosaics = [paths[start : start + TILES] for start in range(0, len(paths) - TILES + 1, TILES)]
    images = len(mosaics) * TILES
    ways = {
        "straightforward PIL": straightforward,
        "data_builders": composed,
        "data_builders --exact": lambda paths: composed(paths, exact=True),
        "decoding alone": decoded,
    }
    times = seconds(ways, mosaics, rounds)
    peer, decode = times["straightforward PIL"], times["decoding alone"]
    print(f"{title}: {images} images, {rounds} rounds, median")
    for name, way in ways.items():
        mine = statistics.median(times[name])
        ratios = [statistics.median(a / b for a, b in zip(of, times[name], strict=True)) for of in (peer, decode)]
        ratio = f"x {ratios[0]:.2f} straightforward, x {ratios[1]:.2f} decoding"
        line = f"  {name:22} {images / mine:6.0f} images/s, {ratio}"
        if name.startswith("data_builders"):
            values = [value for paths in mosaics for value in psnr(way(paths), straightforward(paths))]
            line += f", PSNR median {statistics.median(values):.1f} dB, least {min(values):.1f} dB"
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="measure on the pictures below this folder")
    parser.add_argument("--at-most", type=int, default=450, help="pictures of that folder (default 450)")
    parser.add_argument("--count", type=int, default=54, help="pictures made of each size (default 54)")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.images:
        found = sorted(p for p in options.images.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
        if len(found) < TILES:
            parser.error(f"{options.images} holds {len(found)} pictures; a mosaic needs {TILES}")
        measure(str(options.images), found[: options.at_most], options.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        for side in (1000, 500):
            paths = [Path(folder) / f"{side}_{number}.jpg" for number in range(options.count)]
            for number, path in enumerate(paths):
                photo_like(side, number).save(path, quality=90)
            measure(f"JPEGs of {side} px, {paths[0].stat().st_size // 1000} kB", paths, options.rounds)


if __name__ == "__main__":
    main()
