"""A run with one finished stage, and photos of three creatures of two kinds."""

from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from fgtrain.model import build_model, save_checkpoint
from fgtrain.recipe import Recipe, dump_resolved
from fgtrain.recipe.model_schema import Model
from fgtrain.runs.folder import END, RESOLVED
from fgtrain.runs.names import write_names

torch.set_num_threads(1)
BASE = Path(__file__).resolve().parents[2] / "recipes" / "mini" / "base"
CREATURES = {"red wug": "wug", "blue wug": "wug", "grey tib": "tib"}
MODEL = {
    "vision_encoder": str(BASE / "vision_encoder"),
    "projector": "norm_mlp2x_gelu",
    "language_model": str(BASE / "language_model"),
    "image_size": 64,
    "image_tokens": 16,
    "max_tokens": 256,
    "chat": "qa",
}


def recipe_of(place: Path) -> Recipe:
    stage = {"train": {"projector": 1e-3}, "mix": {"names": 1}, "global_batch_size": 8}
    return Recipe.model_validate(
        {
            "name": "tiny",
            "built_root": str(place / "built"),
            "runs_root": str(place / "runs"),
            "model": MODEL,
            "data": {"names": {"what": "short_answer", "root": str(place / "own"), "options": {"source": "folder"}}},
            "stages": {"align": stage, "sft": stage},
            "evaluation": {"tasks": ["pope"]},
        }
    )


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """own/<creature>/<photo>, runs/tiny with a checkpoint of its last stage alone."""
    place = tmp_path_factory.mktemp("ask")
    for creature in CREATURES:
        folder = place / "own" / creature
        folder.mkdir(parents=True)
        for number in range(2):
            picture = Image.new("RGB", (50, 40 + number), "white")
            ImageDraw.Draw(picture).ellipse((8, 8, 30, 30), fill=creature.split()[0])
            picture.save(folder / f"{number}.png")
    lines = ["species,genus", *(f"{name},{genus}" for name, genus in CREATURES.items())]
    (place / "own" / "taxonomy.csv").write_text("\n".join(lines))
    recipe = recipe_of(place)
    run = recipe.run_folder
    run.mkdir(parents=True)
    (run / RESOLVED).write_text(dump_resolved(recipe) + END)
    write_names(recipe)
    save_checkpoint(build_model(Model(**MODEL), network=False, seed=5), run / "sft" / "checkpoint", {})
    return place
