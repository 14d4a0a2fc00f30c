"""Small data sets and benchmarks in which something leaks."""

import json
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from small_sources import make_cub

from data_builders.records import conversation, write_training_set
from data_builders.shared.code_identity import CodeIdentity
from data_builders.shared.files import write_jsonl

RED, BLUE = "001.Red_Jay/Red_Jay_", "002.Blue_Jay/Blue_Jay_"


def photo(number: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Shapes of all sizes, fewer of the large: what photographs are to a hash."""
    rng = np.random.default_rng(number)
    whole = np.zeros((size[1], size[0], 3))
    for cells, weight in ((3, 60), (6, 40), (12, 25), (24, 12)):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        whole += (np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), float) - 128) * weight / 60
    return Image.fromarray(np.clip(whole + 128, 0, 255).astype(np.uint8))


def faulty(folder: Path) -> dict[str, tuple[Path, str]]:
    """What is wrong -> a file that has it, and what is said of it."""
    photo(1).save(folder / "whole.jpg")
    data = (folder / "whole.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(data[: len(data) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("no picture")
    header = bytearray(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (30_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0")
    header += zlib.crc32(header[12:]).to_bytes(4, "big")
    (folder / "bomb.png").write_bytes(bytes(header) + b"\0\0\0\0IEND\xaeB\x60\x82")
    return {
        "truncated": (folder / "truncated.jpg", "cannot be read"),
        "empty": (folder / "empty.jpg", "cannot be read"),
        "text": (folder / "text.jpg", "cannot be read"),
        "bomb": (folder / "bomb.png", "more than 144,000,000 pixels"),
        "missing": (folder / "missing.jpg", "no image"),
    }


def make_photographed_cub(root: Path) -> Path:
    """Seven species of two training and two test images, all different photographs."""
    make_cub(root)
    for number, path in enumerate(sorted((root / "images").rglob("*.jpg"))):
        photo(number).save(path, quality=92)
    return root


def copy(root: Path, source: str, target: str) -> None:
    (root / "images" / f"{target}.jpg").write_bytes((root / "images" / f"{source}.jpg").read_bytes())


def found(folder: Path) -> list[dict]:
    path = folder / "findings.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def general(data: Path, rows: list[tuple[str | None, str, str]], name: str = "skill") -> Path:
    """A general benchmark of (image, question, answer)."""
    folder = data / "general" / name
    keyed = [{"question_id": n, "image": i, "question": q, "answer": a} for n, (i, q, a) in enumerate(rows, 1)]
    write_jsonl(folder / "questions.jsonl", keyed)
    return folder


def training_set(folder: Path, images: Path, rows: list[tuple[str | None, str, str]], builder: str = "llava") -> Path:
    """A training set of (image, question, category)."""
    made = (
        {"id": n, **({"image": i} if i else {}), "conversations": conversation(q, c, i is not None), "category": c}
        for n, (i, q, c) in enumerate(rows)
    )
    about = {"sources": ["s"], "splits": ["train"], "image_root": images}
    write_training_set(folder, made, name=folder.name, builder=builder, code=CodeIdentity("0" * 16, {}), **about)
    return folder
