"""Every way in which a recipe can describe a model, over tiny parts on disk."""

from collections.abc import Callable
from pathlib import Path

import torch
from family_fakes import FAMILIES, LONGEST, write_family
from model_fakes import letter_tokenizer, model_values, write_language_model
from native_fakes import write_tower

from fgtrain.model import build_model, save_checkpoint
from fgtrain.recipe.model_schema import Model

MINI = Path(__file__).resolve().parents[2] / "recipes/mini/base"


def mini(place: Path) -> Model:
    return Model(
        vision_encoder=str(MINI / "vision_encoder"),
        language_model=str(MINI / "language_model"),
        projector="norm_mlp2x_gelu",
        image_size=64,
        image_tokens=16,
        max_tokens=384,
    )


def scratch(place: Path) -> Model:
    return mini(place).model_copy(update={"from_scratch": ["vision_encoder", "language_model"]})


def language(place: Path, tied: bool = False) -> Path:
    """Without a token for pictures, and with no row to spare for one."""
    write_language_model(place / "language", vocab_size=57, tie_word_embeddings=tied, max_position_embeddings=LONGEST)
    letter_tokenizer(image=False).save_pretrained(place / "language")
    return place / "language"


def llava(place: Path) -> Model:
    return model_values(
        write_tower(place / "vision", "CLIP"), language(place, tied=True), projector="mlp2x_gelu", max_tokens=LONGEST
    )


def vit(place: Path) -> Model:
    return model_values(
        write_tower(place / "vision", "ViT", torch.bfloat16),
        language(place),
        projector="mlp2x_gelu",
        max_tokens=LONGEST,
    )


def internvl(place: Path) -> Model:
    changes = {"projector": "pixel_shuffle_mlp2x_gelu", "max_tiles": 4, "max_tokens": LONGEST, "chat": "chatml"}
    write_language_model(place / "language", max_position_embeddings=LONGEST)
    return model_values(write_tower(place / "vision", "InternViT"), place / "language", **changes)


def released(kind: str) -> Callable[[Path], Model]:
    return lambda place: Model(checkpoint=str(write_family(kind, place / kind)), max_tokens=LONGEST)


def stage_checkpoint(place: Path) -> Model:
    save_checkpoint(build_model(llava(place), network=False, seed=5), place / "saved", {})
    return Model(checkpoint=str(place / "saved"), max_tokens=LONGEST)


KINDS: dict[str, Callable[[Path], Model]] = {
    "mini": mini,
    "from scratch": scratch,
    "composed LLaVA": llava,
    "composed LLaVA of a ViT in bf16": vit,
    "composed InternVL": internvl,
    "a stage's checkpoint": stage_checkpoint,
} | {f"released {kind}": released(kind) for kind in FAMILIES}
