"""Tiny parts on disk, written once for all tests of the model, and the model composed of them."""

from pathlib import Path

import pytest
import torch
from model_fakes import model_values, write_language_model, write_vision_encoder
from model_kinds import KINDS

from fgtrain.model import LVLM, build_model
from fgtrain.recipe.model_schema import Model

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def vision(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vision_encoder(tmp_path_factory.mktemp("parts") / "vision")


@pytest.fixture(scope="session")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_language_model(tmp_path_factory.mktemp("parts") / "language")


@pytest.fixture
def lvlm(vision: Path, language: Path) -> LVLM:
    """Composed: a tiny CLIP, two linear layers, a tiny Llama."""
    return build_model(model_values(vision, language), network=False, seed=5)


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Model:
    """A recipe's section, of each kind."""
    return KINDS[request.param](tmp_path)
