"""How much faster a list of names is scored as a trie behind one picture than name by name.

    OMP_NUM_THREADS=1 python benchmarks/name_list.py [--names 200] [--pictures 1]

The InternVL of 24 M parameters of eval_engine.py (256 image tokens), names of one to three words of which many begin or
end alike, as species' do. Three ways in one run, rounds interleaved: each name by a forward of its own over picture,
question and name; the same with the picture's encoder run once a picture and only the language model a name; the trie.
Log-probabilities must be equal. CPU seconds are counted, so that a busy machine does not matter; on a GPU the wall
clock.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch
from eval_engine import seconds_now, write_model
from PIL import Image

from evaluation.asking.answerers.language import Branch
from evaluation.asking.answerers.lvlm import TransformersAnswerer
from evaluation.asking.answerers.name_trie import name_trie
from evaluation.asking.answerers.running import Run
from evaluation.protocols import ImageQuestions, Question

QUESTION = "What is the species of the bird in this picture? Directly answer with species names."
FIRST = (
    "black",
    "white",
    "red",
    "yellow",
    "great",
    "least",
    "common",
    "northern",
    "american",
    "boreal",
    "hooded",
    "blue",
)
MIDDLE = ("footed", "throated", "winged", "crowned", "billed", "bellied", "eyed", "headed", "tailed", "necked")
LAST = (
    "albatross",
    "warbler",
    "sparrow",
    "tern",
    "gull",
    "wren",
    "finch",
    "vireo",
    "flycatcher",
    "woodpecker",
    "oriole",
)


def drawn_names(count: int) -> tuple[str, ...]:
    rng, found = np.random.default_rng(0), dict.fromkeys(LAST)
    while len(found) < count:
        first, middle, last = (str(rng.choice(words)) for words in (FIRST, MIDDLE, LAST))
        found.setdefault(f"{first} {middle} {last}" if rng.random() < 0.6 else f"{first} {last}")
    return tuple(found)[:count]


@torch.inference_mode()
def name_by_name(answerer: TransformersAnswerer, images: list[Path], names: tuple[str, ...]) -> list[list[float]]:
    """Nothing shared: one forward of the whole model for each name."""
    found = []
    for image in images:
        picture = answerer.pictures.read(image)
        ids, _ = answerer.chat.prompt(QUESTION, picture)
        found.append(list(answerer.alone.names(ids, picture, answerer.chat.options(QUESTION, names, True))))
    return found


@torch.inference_mode()
def after_one_reading(answerer: TransformersAnswerer, images: list[Path], names: tuple[str, ...]) -> list[list[float]]:
    """The picture and what stands before it read once, then question and name anew for each name."""
    found = []
    for image in images:
        picture = answerer.pictures.read(image)
        ids, shared = answerer.chat.prompt(QUESTION, picture)
        prefixes = answerer.prefixes.read([ids[:shared]], [picture])
        branches = [
            Branch(0, ids[shared:], 0, (), name_trie([name])) for name in answerer.chat.options(QUESTION, names, True)
        ]
        replies = [Run(answerer.prefixes.language, prefixes, [[branch]]).replies()[0][0] for branch in branches]
        found.append([reply.names[0] for reply in replies])
    return found


def as_a_trie(answerer: TransformersAnswerer, images: list[Path], names: tuple[str, ...]) -> list[list[float]]:
    asked = [ImageQuestions(image, (Question(QUESTION, 0, names=names),)) for image in images]
    return [list(answer.names) for [answer] in answerer.answer(asked)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--names", type=int, default=200)
    arguments.add_argument("--pictures", type=int, default=1)
    arguments.add_argument("--rounds", type=int, default=2)
    chosen = arguments.parse_args()
    names = drawn_names(chosen.names)
    ways = {
        "name by name": name_by_name,
        "picture read once, name by name": after_one_reading,
        "trie": as_a_trie,
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as place:
        write_model(Path(place) / "model", names)
        answerer = TransformersAnswerer(str(Path(place) / "model"), dtype="float32")
        rng, images = np.random.default_rng(0), []
        for number in range(chosen.pictures):
            images.append(Path(place) / f"{number}.png")
            Image.fromarray(rng.integers(0, 256, (240, 300, 3), dtype=np.uint8)).save(images[-1])
        tokens = answerer.chat.options(QUESTION, names, True)
        trie = name_trie(tokens)
        print(f"{len(names)} names, {sum(map(len, tokens))} tokens, {sum(map(len, trie.chunks))} nodes")
        as_a_trie(answerer, images[:1], names)  # warm
        found = {}
        for _ in range(chosen.rounds):
            for way, ask in ways.items():
                start = seconds_now()
                found[way] = np.array(ask(answerer, images, names))
                seconds[way].append(seconds_now() - start)
    taken = {way: statistics.median(some) / chosen.pictures for way, some in seconds.items()}
    for way, one in taken.items():
        print(f"{way:32} {one:8.3f} s a picture; the trie is {one / taken['trie']:5.1f} times as fast")
    gap = max(float(np.abs(found[way] - found["name by name"]).max()) for way in ways)
    low, high = found["trie"].min(), found["trie"].max()
    print(f"log-probabilities differ by {gap:.1e} at most (they are {low:.1f} to {high:.1f})")
    holds = taken["name by name"] >= 10 * taken["trie"] and gap <= 1e-4
    print("holds: at least 10 times as fast as name by name, equal" if holds else "DOES NOT HOLD")


if __name__ == "__main__":
    main()
