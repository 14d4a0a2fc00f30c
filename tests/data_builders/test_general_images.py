"""Pictures of the general benchmarks: broken ones, their names, and parquet files that are none; real rows."""

import io
import shutil
import zlib
from pathlib import Path

import pyarrow
import pytest
from general_forms import (
    IMAGE,
    TEXT,
    TEXTS,
    embed,
    general,
    noise,
    pope_form,
    rows_of,
    write_shards,
    write_twin,
)
from PIL import Image
from pyarrow import parquet

from data_builders.general.images import ImageStore, Picture, picture_suffix
from data_builders.general.parquet import read_rows
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, read_jsonl


def bomb(side):
    """A small png whose header says that it is large."""
    data = bytearray(noise(0))
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


BROKEN = [
    (noise(0)[:-300], "the image cannot be read"),
    (noise(0, kind="JPEG")[:-300], "the image cannot be read"),
    (b"", "the image is empty"),
    (b"<html>not found</html>", "not an image"),
    (bomb(30_000), "more than 144,000,000 pixels"),
    (bomb(12_001), "more than 144,000,000 pixels"),
    (None, "does not hold it"),
]


@pytest.mark.parametrize(("data", "message"), BROKEN)
def test_a_broken_embedded_image_is_named_and_the_next_run_goes_on(data, message, tmp_path):
    good = [noise(number) for number in range(6)]

    def write(last):
        rows = [
            {"question": "Which?", "options": ["a", "b"], "answer": "0", "image": embed(one, "a.png")}
            for one in [*good, last]
        ]
        schema = {"question": TEXT, "options": TEXTS, "answer": TEXT, "image": IMAGE}
        write_shards(tmp_path / "hub" / "data", "test", schema, rows, shards=1)

    write(data)
    with pytest.raises(UserError, match=message) as caught:
        general("ai2d", tmp_path / "hub", tmp_path / "out")
    assert "test-00000-of-00001.parquet, row 7" in str(caught.value)
    folder = tmp_path / "out" / "general" / "ai2d"
    assert not (folder / "questions.jsonl").exists()
    before = {path: path.stat().st_mtime_ns for path in (folder / "images").iterdir()}
    assert len(before) == 6
    write(noise(99))
    assert general("ai2d", tmp_path / "hub", tmp_path / "out")["images"] == 7
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list(folder.glob(".building*"))


@pytest.mark.parametrize(("data", "message"), [one for one in BROKEN if one[0] is not None])
def test_a_broken_image_file_is_named(originals, data, message, tmp_path):
    root = shutil.copytree(originals["mathvista"][0], tmp_path / "mathvista")
    (root / "data" / "images" / "3.jpg").write_bytes(data)
    with pytest.raises(UserError, match=rf"problem 3: .*3\.jpg.*{message}"):
        general("mathvista", root, tmp_path / "out")


def test_suffixes_come_from_the_content():
    for kind, suffix in (("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("GIF", ".gif"), ("TIFF", ".tif")):
        assert picture_suffix(noise(1, kind=kind), "here") == suffix
    modes = io.BytesIO()
    Image.new("CMYK", (9, 9)).save(modes, "JPEG")
    assert picture_suffix(modes.getvalue(), "here") == ".jpg"
    modes = io.BytesIO()
    Image.new("I;16", (9, 9)).save(modes, "PNG")
    assert picture_suffix(modes.getvalue(), "here") == ".png"


def test_embedded_images_get_their_names_from_the_row_or_from_their_content(tmp_path):
    store = ImageStore(tmp_path)

    def put(data, name=None):
        return store.put(Picture("row 1", name, data=data))

    assert put(noise(1), "chart.jpg") == "images/chart.png"  # a png named jpg
    assert put(noise(1), "other.png") == "images/chart.png"  # the same picture once
    second = put(noise(2), "chart.jpg")  # another picture of the same name
    assert second.startswith("images/chart-")
    assert put(noise(3), "a b, ü.png") == "images/a b, ü.png"
    assert put(noise(4), "v1.5") == "images/v1.5.png"
    assert put(noise(5)) == put(noise(5), "late.png")
    assert len(put(noise(6), "x" * 300 + ".png")) < 40
    for unsafe in ("../x.png", "/etc/x.png", "a/../../x.png"):
        with pytest.raises(UserError, match="row 1: image path"):
            put(noise(7), unsafe)
    assert len(store) == len([path for path in tmp_path.rglob("*") if path.is_file()]) == 6
    for name, data in (("images/chart.png", noise(1)), (second, noise(2))):
        assert (tmp_path / name).read_bytes() == data  # never encoded anew


def test_parquet_files_that_are_none_or_lack_something_are_named(originals, tmp_path):
    hub = tmp_path / "hub"
    write_twin(originals, "pope", pope_form, hub)
    shard = hub / "data" / "test-00001-of-00003.parquet"
    whole = shard.read_bytes()
    shard.unlink()
    with pytest.raises(UserError, match=r"1 of 3 shards are missing, the first: test-00001-of-00003\.parquet"):
        general("pope", hub, tmp_path / "out", allow_partial=False)
    for data, message in (
        (whole[: len(whole) // 2], "not a parquet file"),
        (b"", "not a parquet file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    ):
        shard.write_bytes(data)
        with pytest.raises(UserError, match=rf"test-00001-of-00003\.parquet is .*{message}"):
            general("pope", hub, tmp_path / "out")
    broken = bytearray(whole)
    broken[4 : len(whole) // 2] = bytes(len(whole) // 2 - 4)  # the pages, not the footer
    shard.write_bytes(broken)
    with pytest.raises(UserError, match=r"test-00001-of-00003\.parquet"):
        general("pope", hub, tmp_path / "out")
    table = pyarrow.table({"question_id": ["1"], "question": ["?"], "image": [embed(noise(1))]})
    parquet.write_table(table, shard)
    with pytest.raises(UserError, match=r"no column answer, category; it has question_id, question, image"):
        general("pope", hub, tmp_path / "out")


def test_columns_that_are_no_chartqa_are_named(tmp_path):
    folder = tmp_path / "hub" / "data"
    folder.mkdir(parents=True)
    parquet.write_table(pyarrow.table({"a": [1], "image": [embed(noise(1))]}), folder / "test-00000-of-00001.parquet")
    with pytest.raises(UserError, match=r"columns of ChartQA are query, label, human_or_machine, image or .*it has a"):
        general("chartqa", tmp_path / "hub", tmp_path / "out")


def test_reading_parquet_holds_a_few_rows_at_a_time(tmp_path):
    picture = noise(0, side=200)
    rows = [{"number": i, "image": embed(picture + bytes([i]) * 200_000)} for i in range(200)]
    path = tmp_path / "test.parquet"
    schema = pyarrow.schema({"number": pyarrow.int64(), "image": IMAGE})
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), path, row_group_size=10)
    most = 0
    read = 0
    for _, row in read_rows([path], ["number", "image"]):
        most = max(most, pyarrow.total_allocated_bytes())
        read += row["number"]
    assert read == sum(range(200))
    total = 200 * (len(picture) + 200_000)
    assert most < total / 4


def test_a_folder_that_holds_something_else_is_left_alone(originals, tmp_path):
    folder = tmp_path / "out" / "general" / "pope"
    folder.mkdir(parents=True)
    (folder / "questions.jsonl").write_text("mine\n")
    with pytest.raises(UserError, match="is not empty"):
        general("pope", originals["pope"][0], tmp_path / "out")
    assert (folder / "questions.jsonl").read_text() == "mine\n"


def test_a_half_built_folder_is_not_filled_up_from_another_root(originals, tmp_path):
    first = shutil.copytree(originals["pope"][0], tmp_path / "first")
    (first / "val2014" / "COCO_val2014_000000000003.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="empty"):
        general("pope", first, tmp_path / "out")
    with pytest.raises(UserError, match="unfinished build: root was "):
        general("pope", originals["pope"][0], tmp_path / "out")
    shutil.copy(originals["pope"][0] / "val2014" / "COCO_val2014_000000000003.jpg", first / "val2014")
    assert general("pope", first, tmp_path / "out")["images"] == 5


def shades(folder, names):
    """A small picture for every name."""
    folder.mkdir(parents=True)
    for number, name in enumerate(sorted(names)):
        Image.new("RGB", (12, 9), (number % 256, number // 256, 50)).save(folder / name)


def test_real_pope_rows(shared, tmp_path):
    samples = shared / "data" / "format_samples"
    coco, rows = tmp_path / "pope" / "output" / "coco", {}
    coco.mkdir(parents=True)
    for split in ("random", "popular", "adversarial"):
        shutil.copy(samples / f"pope_coco_pope_{split}.json", coco / f"coco_pope_{split}.json")
        rows[split] = list(read_jsonl(coco / f"coco_pope_{split}.json"))
    shades(tmp_path / "pope" / "val2014", {row["image"] for split in rows.values() for row in split})
    general("pope", tmp_path / "pope", tmp_path / "out")
    expected = [
        (f"{split}/{row['question_id']}", f"images/{row['image']}", row["text"], row["label"], split)
        for split, listed in rows.items()
        for row in listed
    ]
    keys = ("question_id", "image", "question", "answer", "category")
    assert [tuple(row[key] for key in keys) for row in rows_of(tmp_path / "out", "pope")] == expected


def test_real_mathvista_rows(shared, tmp_path):
    data = tmp_path / "mathvista" / "data"
    data.mkdir(parents=True)
    shutil.copy(shared / "data" / "format_samples" / "mathvista_testmini_first100.json", data / "testmini.json")
    problems = read_json(data / "testmini.json")
    shades(data / "images", {Path(one["image"]).name for one in problems.values()})
    manifest = general("mathvista", tmp_path / "mathvista", tmp_path / "out")
    assert (manifest["rows"], len(manifest["categories"])) == (100, 5)
    for row, (pid, one) in zip(rows_of(tmp_path / "out", "mathvista"), problems.items(), strict=True):
        assert (row["pid"], row["answer"], row["image"]) == (pid, one["answer"], one["image"])
        for key in ("question_type", "answer_type", "precision", "unit", "choices", "metadata"):
            assert row[key] == one[key]
        lines = row["question"].split("\nQuestion: ", 1)
        assert lines[0].startswith("Hint: Please answer the question ")
        assert lines[1].startswith(one["question"])
        assert (f"(Unit: {one['unit']})" in lines[1]) == bool(one["unit"])
        assert [line[4:] for line in lines[1].split("\nChoices:\n", 1)[1:] for line in line.split("\n")] == (
            one["choices"] or []
        )


def test_real_chartqa_rows(shared, tmp_path):
    folder = tmp_path / "ChartQA Dataset" / "test"
    folder.mkdir(parents=True)
    shutil.copy(shared / "data" / "format_samples" / "chartqa_test_human_first_rows.json", folder / "test_human.json")
    rows = read_json(folder / "test_human.json")
    shades(folder / "png", {row["imgname"] for row in rows})
    general("chartqa", tmp_path, tmp_path / "out")
    found = rows_of(tmp_path / "out", "chartqa")
    assert [(row["question"], row["answer"]) for row in found] == [(row["query"], row["label"]) for row in rows]
    assert {row["category"] for row in found} == {"human"}
