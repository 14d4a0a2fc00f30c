"""A small valid recipe, and writing recipes into a folder."""

from pathlib import Path

BASE = """\
name: base
model:
  vision_encoder: parts/vision
  projector: mlp2x_gelu
  language_model: parts/language
  image_tokens: 16
data:
  general: {path: "{data_root}/general", rows: 1000}
  fine: {what: short_answer, root: "{data_root}/CUB_200_2011", options: {source: cub}, rows: 450}
stages:
  align:
    train: {projector: 1.0e-3}
    mix: {general: 1}
    global_batch_size: 64
  sft:
    train: {projector: 2.0e-5, language_model: 2.0e-5}
    mix: {general: 1, fine: 2}
    global_batch_size: 32
evaluation: {tasks: [fgbmk]}
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def write_base(folder: Path) -> Path:
    return write(folder, "base.yaml", BASE)
