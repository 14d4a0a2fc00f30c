"""iNat2021, DeepFashion, SkinCon, Wine, FG-BMK's lists and Products-10K, one by one."""

import json
import shutil

import pytest
from small_sources import edit

from data_builders.drawn.taxonomy import all_species
from data_builders.shared import json_stream
from data_builders.shared.errors import UserError
from data_builders.sources import inat2021, load_source

SPECIES = {species.name: species for species in all_species()}


# iNat2021


def test_inat_has_seven_ranks_and_validates_on_test(source_miniatures):
    source = load_source("inat2021", source_miniatures / "inat2021")
    assert [level.name for level in source.levels] == [*inat2021.RANKS, "species"]
    first = source.split("train")[0]
    assert first.category == "wug lum"
    assert list(first.parents.values()) == ["drawnalia", "plumata", "aves", "wugiformes", "wugidae", "wug"]
    assert source.aliases["wug lum"] == ("lum wug",)
    assert {row.image.split("/")[0] for row in source.split("test")} == {"val"}
    # Millions of rows: one mapping a species.
    assert source.split("test")[0].parents is first.parents
    assert first.attributes is source.images[-1].attributes


def test_the_folders_alone_tell_the_same_taxonomy(copy):
    root = copy("inat2021")
    known = {
        (row.image, row.category, row.split, tuple(row.parents.values()))
        for row in load_source("inat2021", root).images
    }
    for path in root.glob("*.json"):
        path.unlink()
    source = load_source("inat2021", root)
    assert {(row.image, row.category, row.split, tuple(row.parents.values())) for row in source.images} == known
    assert source.aliases == {}
    (root / "val" / "00032_Animalia").mkdir()
    with pytest.raises(UserError, match="not '00032_Animalia'"):
        load_source("inat2021", root)


def test_the_training_set_whose_pictures_are_there_is_read(copy):
    root = copy("inat2021")
    (root / "train_mini.json").write_text((root / "train.json").read_text().replace('"train/', '"train_mini/'))
    assert load_source("inat2021", root).images[0].image.startswith("train/")
    (root / "train").rename(root / "train_mini")
    assert load_source("inat2021", root).images[0].image.startswith("train_mini/")
    shutil.rmtree(root / "train_mini")
    (root / "train.json").unlink()
    (root / "train_mini.json").unlink()
    with pytest.raises(UserError, match=r"neither train\.json nor train/"):
        load_source("inat2021", root)


def test_annotations_may_come_in_any_order(copy):
    root = copy("inat2021")
    known = load_source("inat2021", root).images
    whole = json.loads((root / "train.json").read_text())
    whole["annotations"] = whole["annotations"][5:] + whole["annotations"][:5][::-1]
    (root / "train.json").write_text(json.dumps(whole))
    assert load_source("inat2021", root).images == known


def test_a_category_without_images_is_named(copy):
    root = copy("inat2021")
    whole = json.loads((root / "val.json").read_text())
    whole["images"], whole["annotations"] = whole["images"][1:], whole["annotations"][1:]
    (root / "val.json").write_text(json.dumps(whole))
    with pytest.raises(UserError, match="1 categories have no image, the first: wug lum"):
        load_source("inat2021", root)


@pytest.mark.parametrize("chunk", [1, 7, 1 << 22])
def test_json_is_read_in_pieces_of_any_size(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(json_stream, "BLOCK", chunk)
    elements = [{"id": 12, "name": 'a "b" \\ é \u2028 ]}'}, 345, [], {"x": [1, {"y": None}]}, -1.5e3, "]", True]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"info": {"a": 1}, "empty": [], "things": elements, "count": 7}, indent=1))
    assert list(json_stream.json_arrays(path)) == [("info", {"a": 1}), *(("things", e) for e in elements), ("count", 7)]
    whole = path.read_text()
    for cut in (1, 5, 40, len(whole) - 3):
        path.write_text(whole[:cut])
        with pytest.raises(UserError, match=r"a\.json"):
            list(json_stream.json_arrays(path))
    for wrong in ("[1]", '{"a": [1, nonsense, ' + "2, " * 100 + "]}", ""):
        path.write_text(wrong)
        with pytest.raises(UserError, match=r"a\.json"):
            list(json_stream.json_arrays(path))


# DeepFashion


def test_both_annotations_of_deepfashion_say_the_same(copy):
    root = copy("deepfashion")
    fine = load_source("deepfashion", root)
    assert {row.split for row in fine.images} == {"train", "val", "test"}
    assert fine.attribute_values["neckline"] == ("crew neckline", "v neckline", "square neckline", "no neckline")
    for row in fine.images:
        look = SPECIES[row.category.replace("-", " ")].look
        assert (
            row.attributes["sleeve"]
            == {"forked": "long sleeve", "round": "short sleeve", "square": "sleeveless"}[look.tail]
        )
        assert "fabric" not in row.attributes
    shutil.rmtree(root / "Anno_fine")
    coarse = load_source("deepfashion", root)
    assert {(r.image, r.category, r.split, r.box) for r in coarse.images} == {
        (r.image, r.category, r.split, r.box) for r in fine.images
    }
    (root / "Anno_coarse").rename(root / "Anno")
    assert load_source("deepfashion", root).images == coarse.images


def test_names_of_clothes_may_hold_blanks_and_categories_may_have_no_image(copy):
    root = copy("deepfashion")
    for file in ("list_category_img", "list_bbox"):
        edit(root / f"Anno_coarse/{file}.txt", "Train_Lum-Wug/", "Train Lum, Wüg/")
    edit(root / "Eval/list_eval_partition.txt", "Train_Lum-Wug/", "Train Lum, Wüg/")
    (root / "Img/img/Train_Lum-Wug").rename(root / "Img/img/Train Lum, Wüg")
    edit(root / "Anno_coarse/list_category_cloth.txt", "32\n", "33\n")
    with open(root / "Anno_coarse/list_category_cloth.txt", "a") as file:
        file.write("Sundress  3\n")
    shutil.rmtree(root / "Anno_fine")
    source = load_source("deepfashion", root)
    assert source.images[0].image == "img/Train Lum, Wüg/img_00000001.jpg"
    assert "sundress" not in source.labels(source.finest)


# SkinCon, Wine, FG-BMK's lists


def test_skincons_annotations_decide_the_labels_and_the_lists_the_split(copy):
    root = copy("skincon")
    source = load_source("skincon", root)
    assert source.multi_label
    assert {row.image.split("/")[0] for row in source.images} == {"fitzpatrick17k", "ddi"}
    edit(root / "train.csv", ",", ",0 0 ")
    assert load_source("skincon", root).images == source.images
    for row in source.images:
        assert row.category == ", ".join(row.labels)
    # Both files order the concepts differently; the labels come in one order.
    assert {row.labels for row in source.images} >= {("papule", "erythema"), ("papule", "scale", "erythema")}
    (root / "train.csv").unlink()
    with pytest.raises(UserError, match=r"no official split.*machine-oriented/skincon"):
        load_source("skincon", root)


def test_a_picture_left_out_of_skincon_must_not_be_listed(copy):
    root = copy("skincon")
    with open(root / "test.csv", "a") as file:
        file.write("fitzpatrick17k/unclear.jpg,0\n")
    with pytest.raises(UserError, match=r"line 33: .*Do not consider this image"):
        load_source("skincon", root)


def test_a_bottle_may_have_several_defects(source_miniatures):
    source = load_source("wine", source_miniatures / "wine")
    assert {len(row.labels) for row in source.images} == {1, 2}
    assert ("bottle",) in {row.labels for row in source.images}


def test_the_last_comma_splits_and_any_second_label_makes_a_list_one_of_several_labels(copy):
    root = copy("fgbmk_lists")
    source = load_source("fgbmk_lists", root)
    assert source.images[0].image == "images/lum wug, bird/train 0000.jpg"
    assert not source.multi_label
    edit(root / "train.csv", "0000.jpg,0\n", "0000.jpg,0 5\n")
    source = load_source("fgbmk_lists", root)
    assert source.multi_label
    assert source.images[0].labels == ("lum wug", source.labels(source.finest)[1])
    assert source.images[1].labels == ("bek wug",)
    assert source.split("test")[0].labels == ("lum wug",)


def test_published_lists_are_read(shared, tmp_path):
    samples = shared / "data/format_samples/fgbmk_machine_oriented"
    for name in ("aircraft", "cub", "deepfashion", "flowers102", "skincon", "stanforddog", "wine"):
        root = tmp_path / name
        shutil.copytree(samples / name, root)
        with pytest.raises(UserError, match=r"no file .*classes.txt.*one a line"):
            load_source("fgbmk_lists", root, look_for_images=False)
        (root / "classes.txt").write_text("".join(f"class {number}\n" for number in range(120)))
        source = load_source("fgbmk_lists", root, look_for_images=False)
        assert len(source.split("train")) == len(source.split("test")) == 200
        assert source.multi_label == (name in ("skincon", "wine"))


# Products-10K


def test_products_are_numbers_unless_named(copy):
    root = copy("products10k")
    source = load_source("products10k", root)
    assert (source.images[0].category, source.images[0].parents) == ("product 0", {"group": "group 10"})
    assert len(source.split("test")) == 32
    (root / "taxonomy.csv").write_text(
        "class,name,group name\n" + "".join(f"{3 * n},Tea № {n},Teas {n // 4}\n" for n in range(32))
    )
    source = load_source("products10k", root)
    assert (source.images[0].category, source.images[0].parents) == ("tea № 0", {"group": "teas 0"})
    edit(root / "taxonomy.csv", "3,Tea № 1", "4,Tea № 1")
    with pytest.raises(UserError, match="no line for class 3"):
        load_source("products10k", root)


def test_a_product_lies_in_one_group(copy):
    root = copy("products10k")
    with open(root / "train.csv", "a") as file:
        file.write("41.jpg,0,11\n")
    with pytest.raises(UserError, match="line 34: class 0 in group 11, before in 10"):
        load_source("products10k", root)
