"""Every builder on every source's drawn miniature: what it takes it builds whole, what it cannot it refuses."""

import json
import re
from pathlib import Path

import pytest

from data_builders.__main__ import main
from data_builders.build import build
from data_builders.records import Manifest, images_of, read_rows
from data_builders.shared.errors import UserError
from data_builders.shared.pictures import open_image
from data_builders.sources import SOURCE_NAMES, load_source

TRAINING = ("short_answer", "questions", "preferences", "caption", "caption_fg", "tf_balanced", "mosaic", "open_world")
BENCHMARKS = ("fgbmk", "frow")
# Pictures with several labels have no single name to balance, to write about, or to list among a mosaic's tiles.
SEVERAL_LABELS = {"tf_balanced", "open_world", "frow", "mosaic"}
NO_TEST_IMAGES = {"imagenet_1each"}
DATA_PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/data.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=SOURCE_NAMES)
def drawn(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    options = {"source": request.param, "pixels": 32, "train_images_per_species": 2, "test_images_per_species": 1}
    build("drawn", root=None, out=root / "data", options=options)
    return request.param, root / "data"


def options_for(what: str, name: str, root) -> dict:
    texts = {"texts": str(root / "texts")} if what in ("open_world", "frow") else {}
    return {"source": name, **texts, **({"frow": "none"} if what == "open_world" else {})}


def test_training_sets(drawn, tmp_path):
    name, root = drawn
    source = load_source(name, root)
    train = {row.image for row in source.split("trainval")}
    for what in TRAINING:
        out = tmp_path / what
        options = options_for(what, name, root)
        if source.multi_label and what in SEVERAL_LABELS:
            with pytest.raises(UserError, match="several labels"):
                build(what, root=root, out=out, options=options)
            continue
        build(what, root=root, out=out, options=options)
        rows, manifest = list(read_rows(out)), Manifest.load(out)
        used = [image for row in rows for image in images_of(row)]
        assert len(rows) == manifest.rows > 0, what
        assert set(used) <= train, f"{what} trains on test images"
        open_image(out / manifest.image_root / used[0])


def test_benchmarks(drawn, tmp_path):
    name, root = drawn
    source = load_source(name, root)
    for what in BENCHMARKS:
        options = options_for(what, name, root)
        if name in NO_TEST_IMAGES or (source.multi_label and what in SEVERAL_LABELS):
            with pytest.raises(UserError):
                build(what, root=root, out=tmp_path, options=options)
            continue
        build(what, root=root, out=tmp_path / what, options=options)
        files = [path for path in (tmp_path / what).rglob("*.jsonl") if "review" not in path.name]
        assert files, what
        test = {row.image for row in source.split("test")}
        for path in files:
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            assert rows
            if what == "fgbmk":
                assert {row["image"] for row in rows} <= test


def test_the_documented_command_reads_it(drawn, tmp_path, monkeypatch):
    """In a folder where it lies under the name that the page about data gives."""
    name, root = drawn
    (line,) = [line for line in DATA_PAGE.splitlines() if f"--source {name} --root " in line and line.startswith("| ")]
    assert re.match(r"\| \[.+\]\(https?://\S+\) \| `|\| your own: ", line)
    words = re.search(rf"`(--source {name} --root (\S+))`", line)
    folder = tmp_path / words[2]
    folder.parent.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path)
    if unpacked := re.search(r"`unpack (.*)`,", line):
        packed = re.search(r"--root (\S+)", unpacked[1])[1]
        (tmp_path / packed).symlink_to(root / packed)
        main(["unpack", *unpacked[1].split()])
    else:
        folder.symlink_to(root)
    main(["short_answer", *words[1].split(), "--out", "out"])
    assert Manifest.load(tmp_path / "out").rows == len(load_source(name, folder).split("trainval"))
