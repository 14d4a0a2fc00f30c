"""Small files of FG-BMK as it is downloaded."""

import json
from pathlib import Path

from PIL import Image

TRACK = Path("FG-BMK/human-oriented")
HIERARCHY = TRACK / "hierarchical_granularity_recognition"


def picture(path: Path, shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(path)


def question(path: Path, image: str, gold: str = "x", text: str = "Which?") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    row = {"question_id": 1, "image": image, "text": text, "class": gold, "category": "generic"}
    path.write_text(json.dumps(row) + "\n")
