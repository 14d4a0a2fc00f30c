"""Miniatures that several files of tests read."""

import shutil

import pytest
from fake_endpoint import KEY, endpoint
from frow_fakes import make_texts
from general_forms import general
from small_sources import make_cub

from data_builders.build import build
from data_builders.general.builder import BENCHMARK_NAMES

SOURCES = (
    "aircraft",
    "food101",
    "dogs",
    "flowers102",
    "vegfru",
    "cars",
    "cub",
    "deepfashion",
    "skincon",
    "products10k",
)
SOURCES += ("inat2021", "wine", "fgbmk_lists", "folder", "cifar100", "pets", "imagenet")


@pytest.fixture(scope="session")
def originals(tmp_path_factory):
    """name -> (the drawn miniature in its original layout, what `general` made of it)."""
    folder, found = tmp_path_factory.mktemp("originals"), {}
    for name in BENCHMARK_NAMES:
        options = {"source": name, "test_images_per_species": 5, "pixels": 64}
        build("drawn", root=None, out=folder / name, options=options)
        general(name, folder / name, folder / "out")
        found[name] = (folder / name, folder / "out")
    return found


@pytest.fixture(scope="session")
def source_miniatures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    options = {"train_images_per_species": 1, "test_images_per_species": 1, "pixels": 32}
    for name in SOURCES:
        build("drawn", root=None, out=folder / name, options={**options, "source": name})
    return folder


@pytest.fixture
def cub(tmp_path):
    return make_cub(tmp_path / "cub")


@pytest.fixture
def texts(tmp_path):
    return make_texts(tmp_path / "texts")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The drawn miniature of CUB: two classes, eight genera, 32 species, attributes of classes."""
    root = tmp_path_factory.mktemp("drawn")
    counts = {"train_images_per_species": 1, "test_images_per_species": 2, "pixels": 32}
    build("drawn", root=None, out=root, options={"source": "cub", **counts})
    return root


@pytest.fixture
def model(monkeypatch, tmp_path):
    """An endpoint, and the options of a build that is written by it."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with endpoint() as server:
        yield server, {"model": "scribe", "base_url": server.url, "cache": str(tmp_path / "cache")}


@pytest.fixture
def copy(source_miniatures, tmp_path):
    """A copy of a source's miniature, to be changed."""

    def of(name):
        return shutil.copytree(source_miniatures / name, tmp_path / name)

    return of
