"""The check at the end of every builder: what leaks stops a build, or is left out; what does not is let through."""

import json

import pytest
from leakage_fakes import BLUE, RED, copy, faulty, found, general, make_photographed_cub, photo
from PIL import Image
from small_sources import picture

from data_builders.build import build, same_build
from data_builders.leakage.image_integrity import fault_of
from data_builders.records import Manifest, conversation, read_rows
from data_builders.shared.errors import UserError
from data_builders.shared.pictures import open_image


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def cub(tmp_path):
    return make_photographed_cub(tmp_path / "cub")


def test_a_clean_build_says_what_it_was_compared_with(cub, tmp_path):
    build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub", "check": "full"})
    assert Manifest.load(tmp_path / "out").check == {"level": "full", "images": 14, "test_images": 14, "against": {}}
    assert not found(tmp_path / "out")
    build("short_answer", root=cub, out=tmp_path / "unchecked", options={"source": "cub", "check": "none"})
    assert Manifest.load(tmp_path / "unchecked").check == {"level": "none"}
    assert (tmp_path / "out/rows.jsonl").read_bytes() == (tmp_path / "unchecked/rows.jsonl").read_bytes()


def test_a_training_image_that_is_a_test_image_stops_the_build(cub, tmp_path):
    copy(cub, f"{RED}0002", f"{RED}0000")
    with pytest.raises(UserError, match=r"(?s)Red_Jay_0000\.jpg = .*Red_Jay_0002\.jpg.*--on-leak drop"):
        build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub"})
    assert not (tmp_path / "out/manifest.json").exists()
    (finding,) = found(tmp_path / "out")
    assert (finding["kind"], finding["against"]) == ("identical_image", "cub: own test split")
    assert finding["rows"] == [f"cub/short_answer/species/images/{RED}0000"]


def test_rows_that_leak_are_left_out_when_asked_for_and_that_is_another_build(cub, tmp_path):
    options, out = {"source": "cub", "on_leak": "drop"}, tmp_path / "out"
    copy(cub, f"{RED}0002", f"{RED}0000")
    manifest = build("short_answer", root=cub, out=out, options=options)
    assert (manifest["rows"], manifest["images"], manifest["check"]["left_out"]) == (13, 13, 1)
    assert f"images/{RED}0000.jpg" not in {row["image"] for row in read_rows(out)}
    (left_out,) = [json.loads(line) for line in (out / "left_out.jsonl").read_text().splitlines()]
    assert left_out["image"] == f"images/{RED}0000.jpg"
    assert left_out["leakage"][0]["other_image"] == f"images/{RED}0002.jpg"
    assert manifest["sha256"] == Manifest.load(out).sha256
    assert build("short_answer", root=cub, out=out, options=options) == manifest
    (out / "manifest.json").unlink()
    assert build("short_answer", root=cub, out=out, options=options) == manifest
    assert len((out / "left_out.jsonl").read_text().splitlines()) == 1
    with pytest.raises(UserError, match=r"on_leak was 'drop' \(1 rows left out\), is 'error'"):
        build("short_answer", root=cub, out=out, options={"source": "cub"})
    with pytest.raises(UserError, match="check was 'bytes', is 'full'"):
        build("short_answer", root=cub, out=out, options={**options, "check": "full"})


def test_without_a_leak_the_options_of_the_check_are_no_other_build(cub, tmp_path):
    first = build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub", "on_leak": "drop"})
    for more in ({}, {"on_leak": "error"}, {"check": "none"}):
        assert same_build(tmp_path / "out", "short_answer", {"source": "cub", **more}, cub)
        assert build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub", **more}) == first


def test_a_mosaic_with_one_tile_that_leaks_is_left_out(cub, tmp_path):
    copy(cub, f"{RED}0002", f"{RED}0000")
    options = {"source": "cub", "grid": 2, "on_leak": "drop"}
    manifest = build("mosaic", root=cub, out=tmp_path / "out", options=options)
    assert manifest["check"]["left_out"] >= 1
    assert all(f"images/{RED}0000.jpg" not in row["image"] for row in read_rows(tmp_path / "out"))


def test_equal_training_images_with_different_labels_stop_the_build(cub, tmp_path):
    copy(cub, f"{RED}0000", f"{BLUE}0001")
    copy(cub, f"{RED}0000", f"{RED}0001")
    with pytest.raises(UserError, match="different labels: 1"):
        build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub"})
    (finding,) = found(tmp_path / "out")
    assert finding["labels"] == ["red jay", "red jay", "blue jay"]
    manifest = build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub", "on_leak": "drop"})
    assert (manifest["rows"], manifest["check"]["left_out"]) == (11, 3)
    copy(cub, f"{BLUE}0000", f"{BLUE}0001")  # equal labels contradict nothing
    assert build("caption", root=cub, out=tmp_path / "caption", options={"source": "cub"})["rows"] == 14


def test_a_re_encoded_test_image_is_found_by_a_full_check_only(cub, tmp_path):
    with Image.open(cub / "images" / f"{RED}0002.jpg") as image:
        image.resize((120, 90)).save(cub / "images" / f"{RED}0000.jpg", quality=75)
    build("short_answer", root=cub, out=tmp_path / "bytes", options={"source": "cub"})
    with pytest.raises(UserError, match=r"Red_Jay_0002\.jpg, \d+ bits apart"):
        build("short_answer", root=cub, out=tmp_path / "full", options={"source": "cub", "check": "full"})
    # What was built under a lighter check goes through the closer one when that is asked for.
    assert not same_build(tmp_path / "bytes", "short_answer", {"source": "cub", "check": "full"}, cub)
    with pytest.raises(UserError, match="built without that comparison"):
        build("short_answer", root=cub, out=tmp_path / "bytes", options={"source": "cub", "check": "full"})


def test_a_finished_set_is_compared_with_another_benchmark_and_remembers_it(cub, tmp_path):
    data, options = tmp_path / "data", {"source": "cub"}
    folder = general(data, [("images/a.jpg", "What is it?", "a jay")])
    picture(folder / "images/a.jpg", 3)
    build("short_answer", root=cub, out=tmp_path / "out", options=options)
    asked = {**options, "against": str(data)}
    assert not same_build(tmp_path / "out", "short_answer", asked, cub)
    manifest = build("short_answer", root=cub, out=tmp_path / "out", options=asked)
    assert list(manifest["check"]["against"]) == ["../data"]
    assert same_build(tmp_path / "out", "short_answer", asked, cub)
    (folder / "images/a.jpg").write_bytes((cub / "images" / f"{RED}0000.jpg").read_bytes())
    general(data, [("images/a.jpg", "What is that?", "a jay")])  # the benchmark changes
    with pytest.raises(UserError, match=r"Red_Jay_0000.jpg = images/a\.jpg \[general/skill/questions\.jsonl\]"):
        build("short_answer", root=cub, out=tmp_path / "out", options=asked)


def test_a_leak_from_a_benchmark_stops_llava_rows_too(tmp_path):
    folder = general(tmp_path / "data", [("images/a.jpg", "What is it?", "a jay")])
    (folder / "images").mkdir()
    photo(1).save(folder / "images/a.jpg")
    photo(1).save(tmp_path / "b.jpg", quality=60)
    photo(2).save(tmp_path / "c.jpg")
    rows = [{"id": n, "image": f"{n}.jpg", "conversations": conversation("Describe it.", f"a {n}")} for n in "bc"]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    options = {"file": "rows.json", "against": str(tmp_path / "data"), "check": "full"}
    with pytest.raises(UserError, match=r"b\.jpg = images/a\.jpg"):
        build("llava", root=tmp_path, out=tmp_path / "out", options=options)
    manifest = build("llava", root=tmp_path, out=tmp_path / "out", options={**options, "on_leak": "drop"})
    assert [row["id"] for row in read_rows(tmp_path / "out")] == ["c"]
    assert manifest["check"]["left_out"] == 1
    # without a benchmark there is nothing to compare, and its captions are no labels
    copies = [{**row, "image": "c.jpg", "id": n} for n, row in enumerate(rows)]
    (tmp_path / "rows.json").write_text(json.dumps(copies))
    assert build("llava", root=tmp_path, out=tmp_path / "plain", options={"file": "rows.json"})["rows"] == 2


def test_dropping_keeps_what_the_builder_itself_left_out(tmp_path):
    folder = general(tmp_path / "data", [("a.jpg", "What is it?", "a jay")])
    photo(1).save(folder / "a.jpg")
    photo(1).save(tmp_path / "b.jpg")
    photo(2).save(tmp_path / "c.jpg")
    rows = [{"id": n, "image": f"{n}.jpg", "conversations": conversation("What?", "it")} for n in ("b", "c", "gone")]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    options = {"file": "rows.json", "against": str(tmp_path / "data"), "on_leak": "drop", "max_missing": 1}
    for _ in range(2):
        build("llava", root=tmp_path, out=tmp_path / "out", options=options)
        left_out = [json.loads(line) for line in (tmp_path / "out/left_out.jsonl").read_text().splitlines()]
        assert [(row["id"], "leakage" in row) for row in left_out] == [("gone", False), ("b", True)]
        (tmp_path / "out/manifest.json").unlink()


def test_when_all_rows_leak_nothing_is_built(tmp_path):
    folder = general(tmp_path / "data", [("a.jpg", "What is it?", "a jay")])
    photo(1).save(folder / "a.jpg")
    photo(1).save(tmp_path / "b.jpg")
    (tmp_path / "rows.json").write_text(
        json.dumps([{"id": "b", "image": "b.jpg", "conversations": conversation("What?", "it")}])
    )
    options = {"file": "rows.json", "against": str(tmp_path / "data"), "on_leak": "drop"}
    with pytest.raises(UserError, match="no row would be left"):
        build("llava", root=tmp_path, out=tmp_path / "out", options=options)


def test_no_check_with_a_benchmark_is_a_contradiction(cub, tmp_path):
    options = {"source": "cub", "check": "none", "against": str(tmp_path)}
    with pytest.raises(UserError, match="--check none with --against"):
        build("short_answer", root=cub, out=tmp_path / "out", options=options)


def test_training_and_test_pictures_of_the_drawn_species_are_different_pictures(tmp_path):
    world = {"source": "cub", "train_images_per_species": 8, "test_images_per_species": 4}
    build("drawn", root=None, out=tmp_path / "cub", options=world)
    options = {"source": "cub", "check": "full"}
    manifest = build("short_answer", root=tmp_path / "cub", out=tmp_path / "out", options=options)
    assert (manifest["check"]["images"], manifest["check"]["test_images"]) == (256, 128)


def test_one_real_photograph_is_in_both_splits_of_the_birds(shared, tmp_path):
    root = shared / "data/CUB_200_2011"
    with pytest.raises(UserError, match=r"Bronzed_Cowbird_0074_24045\.jpg = .*0025_796213\.jpg, 0 bits apart"):
        build("short_answer", root=root, out=tmp_path / "cub", options={"source": "cub", "check": "full"})
    assert len(found(tmp_path / "cub")) == 1
    root = shared / "data/GroceryStoreDataset"
    options = {"source": "grocery", "check": "full", "against": str(shared / "data")}
    build("short_answer", root=root, out=tmp_path / "grocery", options=options)


def test_a_broken_training_image_stops_the_build(cub, tmp_path, tmp_path_factory):
    image = cub / "images" / f"{RED}0000.jpg"
    whole, out = image.read_bytes(), tmp_path_factory.mktemp("out")
    rows = [{"id": "a", "image": f"images/{RED}0000.jpg", "conversations": conversation("What is it?", "a jay")}]
    (cub / "rows.json").write_text(json.dumps(rows))
    for name, (broken, says) in faulty(tmp_path).items():
        if name == "missing":
            continue
        image.write_bytes(broken.read_bytes())
        for what, options in (("short_answer", {"source": "cub"}), ("llava", {"file": "rows.json"})):
            says = "is empty" if name == "empty" else says
            with pytest.raises(UserError, match=rf"an image cannot be used:\n  image .*Red_Jay_0000\.jpg.*{says}"):
                build(what, root=cub, out=out / f"{what} {name}", options=options)
            assert not (out / f"{what} {name}/manifest.json").exists()
    image.write_bytes(whole + b"\0\0")  # as some cameras write them
    build("short_answer", root=cub, out=out / "whole", options={"source": "cub"})


def test_the_ends_of_a_file_say_what_decoding_it_says(tmp_path):
    for number, (suffix, more) in enumerate((("jpg", {}), ("png", {}), ("gif", {}), ("webp", {}), ("bmp", {}))):
        path = tmp_path / f"whole.{suffix}"
        photo(number).save(path, **more)
        data = path.read_bytes()
        assert fault_of(str(path)) is None
        for length in (1, 40, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:length])
            try:
                open_image(path)
                decoded = None
            except UserError as error:
                decoded = str(error)
            assert fault_of(str(path)) == decoded, (suffix, length)
