"""How long the look at every row before training takes, on rows as LLaVA's mixture has them.

    python benchmarks/rows_check.py [--rows 2000000] [--keep DIR]

Makes rows and images as benchmarks/llava_full_size.py does, and a byte-level BPE tokenizer of 32,000 tokens from their
texts; then reads the rows (`Rows`) and checks them (`check_rows`), as a stage does before its first step. A second,
smaller check tells whether the time is linear in the rows. Exit status 1 when 2,000,000 rows would take more than ten
minutes. Processor seconds count this process and its forks: they say less about how busy the machine is.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from llava_full_size import ROWS as PUBLISHED
from llava_full_size import make, rows
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from data_builders.build import build
from fgtrain.data.checks import check_rows, cut_rows
from fgtrain.data.image_places import ImagePlaces
from fgtrain.data.maker import SampleMaker
from fgtrain.data.quarantine import Quarantine
from fgtrain.data.rows import Rows
from fgtrain.images import Square

BOUND_ROWS, BOUND_SECONDS = 2_000_000, 600
SPECIAL = ["<unk>", "<s>", "</s>", "<image>"]


def tokenizer() -> PreTrainedTokenizerFast:
    made = Tokenizer(BPE(unk_token="<unk>"))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    texts = (turn["value"] for row in islice(rows(1.0), 20_000) for turn in row["conversations"])
    made.train_from_iterator(texts, BpeTrainer(vocab_size=32_000, special_tokens=SPECIAL, show_progress=False))
    return PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>", extra_special_tokens=["<image>"]
    )


class Part(Rows):
    """The first rows of a set."""

    def __init__(self, whole: Rows, count: int) -> None:
        self.__dict__ |= whole.__dict__
        self.count = count

    def __len__(self) -> int:
        return self.count


def seconds(work: Callable[[], object]) -> tuple[object, float, float]:
    """What `work` returns, its seconds, and its processor seconds with those of its forks."""
    wall, before = time.perf_counter(), sum(os.times()[:4])
    found = work()
    return found, time.perf_counter() - wall, sum(os.times()[:4]) - before


def measure(folder: Path, count: int) -> Iterator[str]:
    """Lines of what was found; the last one is the bound."""
    make(folder, count / PUBLISHED, lines=True)
    build("llava", root=folder, out=folder / "set", options={"file": "mix.jsonl"})
    whole, wall, cpu = seconds(lambda: Rows(folder / "set"))
    reading = wall
    yield f"reading {len(whole):,} rows: {wall:.1f} s ({cpu:.1f} s CPU)"
    words = tokenizer()
    spec = Square(size=336, tokens=576, mean=(0.5,) * 3, std=(0.5,) * 3, resample="bicubic")
    taken = {}
    for part in (len(whole) // 10, len(whole)):
        maker = SampleMaker(17, "sft", {"set": Part(whole, part)}, words, "vicuna_v1", spec, 2048)
        quarantine = Quarantine(folder / f"{part}.jsonl", 0)
        places = ImagePlaces("set", [folder])
        counts, wall, cpu = seconds(
            lambda maker=maker, part=part, quarantine=quarantine, places=places: check_rows(
                "set", maker, folder / f"kept{part}", quarantine, places
            )
        )
        taken[part] = wall
        yield (
            f"checking {part:,} rows: {wall:.1f} s ({cpu:.1f} s CPU), {1e6 * cpu / part:.0f} us CPU a row; "
            f"{counts[:, 0].mean():.0f} tokens a row, cut: {cut_rows(counts)}"
        )
    small, large = taken
    yield f"linear: {taken[large] / taken[small]:.1f} times the time for {large / small:.1f} times the rows"
    both = (reading + taken[large]) * BOUND_ROWS / large
    yield f"{BOUND_ROWS:,} rows: {both / 60:.1f} minutes on {len(os.sched_getaffinity(0))} cores"
    if both > BOUND_SECONDS:
        sys.exit(f"over the bound of {BOUND_SECONDS // 60} minutes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=BOUND_ROWS)
    parser.add_argument("--keep", type=Path, help="make the rows here and keep them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for line in measure(options.keep or Path(temporary), options.rows):
            print(line, flush=True)


if __name__ == "__main__":
    main()
