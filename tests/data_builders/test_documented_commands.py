"""The commands of the page about data, run as they stand there, on drawn miniatures under the names that they give."""

import json
import re
import shlex
from pathlib import Path

import pytest
from small_sources import picture

from data_builders.__main__ import main
from data_builders.build import BUILDERS, build
from data_builders.general.builder import BENCHMARK_NAMES
from data_builders.records import Manifest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "how-to" / "data.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    python -m data_builders ((?!WHAT).*?)(?:  +#.*)?$", PAGE, re.MULTILINE)
OTHERS = re.findall(r"\| `((?:llava|frow|general) .*)` \|", PAGE)


def run(words: str, *more: str) -> None:
    main([*shlex.split(words), *more])


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of one's own to work in."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def drawn(source: str, folder: Path) -> None:
    options = {"source": source, "pixels": 32, "train_images_per_species": 2, "test_images_per_species": 1}
    build("drawn", root=None, out=folder, options=options)


def test_the_examples_work_one_after_the_other(here):
    """With CUB_200_2011, stanford_cars and texts in DIR, and CUB_200_2011 beside it."""
    drawn("cub", here / "DIR/CUB_200_2011")
    drawn("cars", here / "DIR/stanford_cars")
    (here / "CUB_200_2011").symlink_to("DIR/CUB_200_2011")
    (here / "DIR/texts").symlink_to("CUB_200_2011/texts")
    run("fgbmk --source cub --root DIR/CUB_200_2011 --out DIR")
    run("frow --source cub --root DIR/CUB_200_2011 --texts DIR/texts --out DIR")
    assert len(COMMANDS) >= 6
    for words in COMMANDS:
        run(
            words,
            *(["--train-images-per-species=1", "--test-images-per-species=1"] if words.startswith("drawn ") else []),
        )
    for words in COMMANDS:
        out = here / re.search(r"--out (\S+)", words)[1]
        assert (out / "manifest.json").is_file() or words.startswith("check "), words


@pytest.mark.parametrize("words", OTHERS)
def test_the_table_of_other_data_sets_has_their_commands(here, words):
    what, *options = shlex.split(words)
    given = dict(zip(options[::2], options[1::2], strict=True))
    if what == "general":
        drawn(given["--benchmark"], here / given["--root"])
        run(words, "--out", "out", "--allow-partial")
        assert (here / "out/general" / given["--benchmark"] / "questions.jsonl").is_file()
        return
    if what == "llava":
        picture(here / given["--root"] / given.get("--images", "") / "coco/1.jpg")
        turns = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A jay."}]
        row = {"id": "1", "image": "coco/1.jpg", "conversations": turns}
        (here / given["--root"] / given["--file"]).write_text(json.dumps([row]))
        run(words, "--out", "out")
        assert Manifest.load(here / "out").rows == 1
        return
    drawn("cub", here / "cub")
    run("frow --source cub --root cub --texts cub/texts --out .")
    run(words, "--out", "out")
    assert len((here / "out/FROW/cub_with_reference.jsonl").read_text().splitlines()) == 32


def test_every_builder_and_benchmark_is_named():
    """In the page of docs/ about data, or about what it is for."""
    told = "".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md")))
    for name in BUILDERS:
        assert f"`{name}" in told or f"data_builders {name} " in told, name
    assert [one.split()[2] for one in OTHERS if one.startswith("general")] == list(BENCHMARK_NAMES)
