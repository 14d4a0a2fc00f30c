"""Rows that cannot be used: refused by name, or left out and written down up to a quota. Never silently."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from multiprocessing import active_children
from pathlib import Path

import pytest
from data_fakes import (
    SPEC,
    counting_encoder,
    mosaic_rows,
    picture,
    picture_rows,
    stage_data,
    talk,
    text_rows,
    training_set,
)
from PIL import Image

from data_builders.records import Manifest
from data_builders.shared.files import sha256_file, write_json
from fgtrain.data import FeatureCache
from fgtrain.data.datamodule import StageData
from fgtrain.data.loader import MicroBatchLoader
from fgtrain.data.quarantine import Quarantine
from fgtrain.errors import UserError


def missing(row: dict, images: Path) -> None:
    (images / row["image"]).unlink()


def empty(row: dict, images: Path) -> None:
    (images / row["image"]).write_bytes(b"")


def no_picture(row: dict, images: Path) -> None:
    (images / row["image"]).write_text("<html>404</html>")


def truncated(row: dict, images: Path) -> None:
    row["image"] = row["image"].replace(".png", ".jpg")
    picture(images / row["image"], seed=1, size=(200, 200))
    whole = (images / row["image"]).read_bytes()
    (images / row["image"]).write_bytes(whole[: len(whole) // 2])


def bomb(row: dict, images: Path) -> None:
    Image.new("1", (12_001, 12_000)).save(images / row["image"])


def truncated_tile(row: dict, images: Path) -> None:
    row |= {**mosaic_rows(images, 1)[0], "id": row["id"]}
    row["image"][2] = "cut.jpg"
    picture(images / "cut.jpg", seed=1, size=(200, 200))
    whole = (images / "cut.jpg").read_bytes()
    (images / "cut.jpg").write_bytes(whole[: len(whole) // 2])


def no_tile_names(row: dict, images: Path) -> None:
    row["mosaic"] = {"grid": [1, 1], "tile_pixels": 8}


def too_few_tiles(row: dict, images: Path) -> None:
    row |= {**mosaic_rows(images, 1)[0], "id": row["id"], "image": ["red.png", "green.png"]}


def more_names_than_tiles(row: dict, images: Path) -> None:
    row |= {**mosaic_rows(images, 1)[0], "id": row["id"]}
    row["image"] += ["red.png"]


def another_answer(row: dict, images: Path) -> None:
    row |= {**mosaic_rows(images, 1)[0], "id": row["id"], "conversations": talk("What?", "red, green")}


def no_placeholder(row: dict, images: Path) -> None:
    row["conversations"] = talk("What is it?", "a bird", image=False)


def too_long(row: dict, images: Path) -> None:
    row["conversations"] = talk("What is it? " * 40, "a bird")


SPOILS: list[tuple[Callable[[dict, Path], None], str]] = [
    (missing, "no image"),
    (empty, "cannot be read"),
    (no_picture, "cannot be read"),
    (truncated, "cannot be read"),
    (bomb, "more than 144,000,000 pixels"),
    (truncated_tile, "cut.jpg cannot be read"),
    (no_tile_names, "names"),
    (too_few_tiles, "2 images"),
    (more_names_than_tiles, "5 images"),
    (another_answer, "no answer of this mosaic is"),
    (no_placeholder, "1 images, but <image> stands 0 times"),
    (too_long, "model.max_tokens is 128"),
]


def spoiled(folder: Path, *spoils: Callable[[dict, Path], None]) -> dict[str, Path]:
    """A row of text and six with pictures, the second (and third, ...) of which are spoiled."""
    rows = picture_rows(folder / "set/images", 6)
    for row, spoil in zip(rows[1:], spoils, strict=False):
        spoil(row, folder / "set/images")
    return {"set": training_set(folder / "set", [*text_rows(1), *rows])}


def train(data: StageData) -> list[str]:
    """What a start does: check all, then every micro-batch. The rows that were trained on."""
    data.prepare()
    return [name.split("/")[-1] for batch in data.train_dataloader() for name in batch.samples]


def features_in(folder: Path) -> FeatureCache:
    return FeatureCache(folder / "features", counting_encoder()[0], "encoder", SPEC)


@pytest.mark.parametrize("cached", [False, True], ids=["pixels", "features"])
@pytest.mark.parametrize(("spoil", "reason"), SPOILS, ids=[spoil.__name__ for spoil, _ in SPOILS])
def test_a_row_that_cannot_be_used_stops_the_run_by_name_or_counts_against_the_quota(tmp_path, spoil, reason, cached):
    sets = spoiled(tmp_path, spoil)
    features = features_in(tmp_path) if cached else None
    with pytest.raises(UserError, match="set, row 'p1'") as refused:
        train(stage_data(tmp_path, sets, features=features))
    assert reason in str(refused.value)
    assert str(refused.value).count("row 'p1'") == 1
    assert "devices.bad_rows" in str(refused.value)

    data = stage_data(tmp_path, sets, {"set": 2}, features=features, bad_rows=1)
    assert Counter(train(data)) == dict.fromkeys(["p0", "p2", "p3", "p4", "p5", "t0"], 2)
    [line] = (tmp_path / "quarantine.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert (entry["data_set"], entry["row"]) == ("set", "p1")
    assert reason in entry["reason"]
    # The next start meets the same row: it is known, not one more.
    assert len(train(stage_data(tmp_path, sets, features=features, bad_rows=1))) == 6


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("second", [truncated, missing, no_placeholder])
def test_one_bad_row_more_than_the_quota_stops_the_run(tmp_path, second, workers):
    sets = spoiled(tmp_path, truncated, second)
    with pytest.raises(UserError, match=r"one bad row more than devices.bad_rows: 1") as refused:
        train(stage_data(tmp_path, sets, bad_rows=1, workers=workers))
    assert str(tmp_path / "quarantine.jsonl") in str(refused.value)
    assert "Traceback" not in str(refused.value)  # of a loader process
    assert not active_children()  # they have ended already, not when the error is forgotten
    (tmp_path / "quarantine.jsonl").unlink()
    assert len(train(stage_data(tmp_path, sets, bad_rows=2, workers=workers))) == 5
    assert len((tmp_path / "quarantine.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_beside_other_devices_a_fault_is_told_with_the_step_that_it_belongs_to(tmp_path, workers):
    """Raised here, it would leave the others waiting for this device."""
    sets = spoiled(tmp_path, truncated)
    found = {}
    for rank in (0, 1):
        batches = stage_data(tmp_path, sets, per_device_batch_size=1).micro_batches(rank, 2)
        found[rank] = list(MicroBatchLoader(batches, 0, workers))
    [with_fault] = [batches for batches in found.values() if batches[-1].fault is not None]
    assert "set, row 'p1'" in with_fault[-1].fault
    first = next(number for number, batch in enumerate(with_fault) if batch.fault is not None)
    accumulation = batches.share.accumulation
    assert first % accumulation == 0
    assert all(batch.fault is None for batch in with_fault[:first])


def test_a_row_that_was_mended_stays_left_out_until_the_quarantine_is_removed(tmp_path, capsys):
    """A stage that was stopped in between goes on as it began."""
    sets = spoiled(tmp_path, missing)
    with pytest.raises(UserError, match=r"set, row 'p1': no image"):
        stage_data(tmp_path, sets).prepare()  # before the first step, not in the middle of the stage
    data = stage_data(tmp_path, sets, bad_rows=1)
    without = data.tokens_per_pass()["set"]
    assert "p1" not in train(data)
    picture(tmp_path / "set/images/1.png", seed=1)
    data = stage_data(tmp_path, sets, bad_rows=1)
    assert data.tokens_per_pass()["set"] > without
    capsys.readouterr()
    assert "p1" not in train(data)
    assert "stage align: bad rows left out: 1 " in capsys.readouterr().out
    with pytest.raises(UserError, match=r"Write devices\.bad_rows=1"):
        train(stage_data(tmp_path, sets, bad_rows=0))
    (tmp_path / "quarantine.jsonl").unlink()
    assert "p1" in train(stage_data(tmp_path, sets, bad_rows=0))


def test_a_quarantine_whose_writer_was_killed_is_gone_on_with(tmp_path):
    path = tmp_path / "quarantine.jsonl"
    Quarantine(path, 3).add("set", "a", "torn")
    path.write_text(path.read_text() + '{"data_set": "set", "ro')
    for row in ("b", "a", "c"):
        Quarantine(path, 3).add("set", row, "torn")
    assert [json.loads(line)["row"] for line in path.read_text().splitlines()] == ["a", "b", "c"]
    with pytest.raises(UserError, match="one bad row more"):
        Quarantine(path, 3).add("set", "d", "torn")


def rewritten(folder: Path, lines: list[dict], **changes: object) -> dict[str, Path]:
    """A training set that was written by other hands: its rows are not looked at."""
    training_set(folder / "set", picture_rows(folder / "set/images", 1))
    (folder / "set/rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    sha = sha256_file(folder / "set/rows.jsonl")
    manifest = replace(Manifest.load(folder / "set"), **{"rows": len(lines), "sha256": sha, **changes})
    write_json(folder / "set/manifest.json", asdict(manifest))
    return {"set": folder / "set"}


GOOD = {"id": "good", "image": "0.png", "conversations": talk("What?", "a bird")}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**GOOD, "id": "x", "image": "../../secret.png"}, r"row 'x'.*'../../secret.png' must be relative"),
        ({**GOOD, "id": "x", "image": "/etc/secret.png"}, r"row 'x'.*'/etc/secret.png' must be relative"),
        ({**GOOD, "id": "x", "image": ["0.png", "a/../../b.png"]}, r"row 'x'.*must be relative"),
        ({**GOOD, "id": "x", "image": 5}, r"row 'x'.*image"),
        ({**GOOD, "id": "x", "conversations": []}, r"row 'x'.*conversations must be a list"),
        ({**GOOD, "id": "x", "conversations": talk("What?", "")}, r"row 'x'.*no answer"),
        ({**GOOD, "id": "x", "conversations": [{"from": "system", "value": "hi"}]}, r"row 'x'.*human or gpt"),
        ({"image": "0.png", "conversations": talk("What?", "a")}, "a row without id"),
    ],
)
def test_a_row_that_breaks_the_contract_is_refused_before_anything_starts(tmp_path, row, message):
    """Whatever the quota: such a file was not written by a builder."""
    sets = rewritten(tmp_path, [GOOD, row])
    with pytest.raises(UserError, match=message):
        train(stage_data(tmp_path, sets, bad_rows=9))


def test_a_training_set_that_is_not_what_its_manifest_says_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no manifest at .*nowhere. Build the training set: python -m data_builders"):
        stage_data(tmp_path, {"set": tmp_path / "nowhere"}).prepare()
    sets = rewritten(tmp_path, [GOOD])
    assert train(stage_data(tmp_path, sets)) == ["good"]
    with open(tmp_path / "set/rows.jsonl", "a") as file:
        file.write(json.dumps({**GOOD, "id": "more"}) + "\n")
    with pytest.raises(UserError, match=r"the file was changed after it was built"):
        stage_data(tmp_path, sets).prepare()
    sets = rewritten(tmp_path, [GOOD], rows=2)
    with pytest.raises(UserError, match=r"1 rows, but the manifest says 2"):
        stage_data(tmp_path, sets).prepare()
    (tmp_path / "set/rows.jsonl").unlink()
    with pytest.raises(UserError, match=r"no file .*rows.jsonl"):
        stage_data(tmp_path, sets).prepare()
