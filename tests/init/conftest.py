from pathlib import Path

import pytest

from fgtrain.model import build_model, save_checkpoint
from fgtrain.recipe.model_schema import Model

BASE = Path(__file__).parents[2] / "recipes" / "mini" / "base"


@pytest.fixture(scope="session")
def small_lvlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of 1.3 M parameters with a fresh projector."""
    parts = {name: str(BASE / name) for name in ("vision_encoder", "language_model")}
    model = Model(**parts, projector="norm_mlp2x_gelu", image_size=64, image_tokens=16, max_tokens=256)
    folder = tmp_path_factory.mktemp("small") / "lvlm"
    save_checkpoint(build_model(model, network=False, seed=17), folder, {})
    return folder
