"""Little tokenizers, pictures and training sets, and the data of a stage over them."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from data_builders.mosaic import answer_in_order
from data_builders.records import write_training_set
from data_builders.shared.code_identity import CodeIdentity
from fgtrain.data import FeatureCache
from fgtrain.data.datamodule import StageData
from fgtrain.images import Square
from fgtrain.recipe.devices_schema import Devices
from fgtrain.recipe.stage_schema import Stage

SPEC = Square(size=16, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), resample="bilinear", tokens=3)
SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<image>", "<start_of_turn>", "<end_of_turn>"]
SPECIAL += ["<end_of_utterance>"]
CORPUS = ["What is in the picture? a red bird with a long bill", "Q: How many? A: three", "user assistant system USER:"]
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


@cache
def tokenizer(kind: str = "bytes") -> Any:
    """`bytes`: byte-level BPE, as GPT-2 has it. `blanks`: BPE that puts a blank before every text, as Llama has it."""
    if kind == "bytes":
        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        backend.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")  # no token reaches beyond a word
        backend.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        alphabet = [chr(c) for c in range(33, 127)] + ["▁", "\n"]
    trainer = trainers.BpeTrainer(
        vocab_size=403, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(CORPUS * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=SPECIAL[3:],
        clean_up_tokenization_spaces=False,
    )


def talk(*turns: str, image: bool = True) -> list[dict]:
    """Questions and answers in turn as LLaVA writes them."""
    lead = "<image>\n" if image else ""
    return [
        {"from": "gpt" if place % 2 else "human", "value": ("" if place else lead) + turn}
        for place, turn in enumerate(turns)
    ]


def picture(path: Path, seed: int | None = None, colour: str | None = None, size: tuple[int, int] = (20, 24)) -> str:
    """A picture of noise, or of one colour, written to `path`; its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if colour is not None:
        image = Image.new("RGB", size, COLOURS[colour])
    else:
        image = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8))
    image.save(path)
    return path.name


def picture_rows(images: Path, count: int, start: int = 0) -> list[dict]:
    """Rows with a picture and a question each."""
    return [
        {
            "id": f"p{i}",
            "image": picture(images / f"{i}.png", seed=i),
            "conversations": talk("What is it?", "bird " * (1 + i % 3) + str(i)),
        }
        for i in range(start, start + count)
    ]


def text_rows(count: int) -> list[dict]:
    return [
        {"id": f"t{i}", "conversations": talk(f"How many {'very ' * (i % 7)}?", f"{i}", image=False)}
        for i in range(count)
    ]


def mosaic_rows(images: Path, count: int, answer: str | None = None) -> list[dict]:
    """Mosaics of 2 x 2 tiles, each of one colour, which is its name; without `answer`, as older files have them."""
    for colour in COLOURS:
        picture(images / f"{colour}.png", colour=colour)
    names = list(COLOURS)
    return [
        {
            "id": f"m{i}",
            "image": [f"{name}.png" for name in names],
            "conversations": talk(
                "What is in the tiles?", answer_in_order(names, range(4), answer or "reading_order", (2, 2))
            ),
            "mosaic": {"grid": [2, 2], "tile_pixels": 8, "names": names, **({"answer": answer} if answer else {})},
        }
        for i in range(count)
    ]


def training_set(folder: Path, rows: Iterable[dict]) -> Path:
    """Rows on disk, with their pictures in `<folder>/images`."""
    write_training_set(
        folder,
        rows,
        name=folder.name,
        builder="test",
        code=CodeIdentity("0" * 16, {}),
        image_root=folder / "images",
        sources=[],
        splits=[],
    )
    return folder


def stage_data(
    folder: Path,
    sets: dict[str, Path],
    mix: dict[str, float] | None = None,
    *,
    features: FeatureCache | None = None,
    chat: str = "qa",
    max_tokens: int = 128,
    seed: int = 5,
    stage: dict | None = None,
    **devices: Any,
) -> StageData:
    """The data of the stage `align` over `sets`, a pass each unless `mix` says otherwise."""
    settings = {"train": {"projector": 1e-3}, "mix": mix or dict.fromkeys(sets, 1), "global_batch_size": 4}
    return StageData(
        name="align",
        stage=Stage(**{**settings, **(stage or {})}),
        folders=sets,
        seed=seed,
        devices=Devices(**{"per_device_batch_size": 2, "pack_tokens": 64, **devices}),
        tokenizer=tokenizer(),
        image_spec=SPEC,
        chat=chat,
        max_tokens=max_tokens,
        features=features,
        quarantine=folder / "quarantine.jsonl",
        cache=folder / "cache",
    )


def counting_encoder() -> tuple[Callable[[torch.Tensor], torch.Tensor], list[int]]:
    """An encoder, pixels [N, 3, 16, 16] -> features [N, 3, 5] to which every pixel counts, and how many different
    pictures each call showed it."""
    weight = torch.randn(3 * 16 * 16, 15, generator=torch.Generator().manual_seed(0))
    calls: list[int] = []

    def encode(pixels_NCHW: torch.Tensor) -> torch.Tensor:
        calls.append(len(pixels_NCHW.unique(dim=0)))
        return (pixels_NCHW.flatten(1) @ weight).unflatten(1, (3, 5))

    return encode, calls
