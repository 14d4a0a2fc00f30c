"""DeepFashion, SkinCon, Products-10K, iNat2021, Wine, FG-BMK's lists, folder trees, CIFAR-100 and CUB's attributes."""

import json
import shutil
from io import BytesIO

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image
from small_sources import make_cub, picture

from data_builders import unpack
from data_builders.build import build
from data_builders.claim import MARKER
from data_builders.drawn.taxonomy import all_species
from data_builders.errors import UserError
from data_builders.files import write_json
from data_builders.sources import cub_attributes, inat2021, json_arrays, load_source

SOURCES = ("cub", "deepfashion", "skincon", "products10k", "inat2021", "wine", "fgbmk_lists", "folder", "cifar100")
SPECIES = {species.name: species for species in all_species()}


@pytest.fixture(scope="module")
def miniatures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    options = {"train_images_per_species": 1, "test_images_per_species": 1, "pixels": 32}
    for name in SOURCES:
        build("drawn", root=None, out=folder / name, options={**options, "source": name})
    return folder


@pytest.fixture
def copy(miniatures, tmp_path):
    def of(name):
        return shutil.copytree(miniatures / name, tmp_path / name)

    return of


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# Every kind of list, with a path that is not there and one that leaves the root.
LISTED = {
    "deepfashion": ("Anno_fine/train.txt", "img/Train_Lum-Wug/img_00000001.jpg"),
    "skincon": ("train.csv", "fitzpatrick17k/"),
    "products10k": ("train.csv", "41.jpg"),
    "inat2021": ("train.json", "train/00000_"),
    "wine": ("train.csv", "images/img_0000053.jpg"),
    "fgbmk_lists": ("train.csv", "images/lum wug, bird/train 0000.jpg"),
}


@pytest.mark.parametrize("name", LISTED)
def test_listed_images_must_be_there_and_inside_the_root(copy, name):
    root = copy(name)
    file, listed = LISTED[name]
    # SkinCon's annotations know a picture by its name alone, so only its folder can be wrong.
    elsewhere = listed[:-1] + "_absent/" if listed.endswith("/") else listed.replace("0", "9").replace("41.", "absent.")
    edit(root / file, listed, elsewhere)
    with pytest.raises(UserError, match=r"(?s)1 of .* images that .* are not there"):
        load_source(name, root)
    assert load_source(name, root, look_for_images=False).images
    edit(root / file, elsewhere, "../" + listed)
    with pytest.raises(UserError, match="stay inside"):
        load_source(name, root, look_for_images=False)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("deepfashion", "Anno_fine/test_cate.txt"),
        ("deepfashion", "Anno_fine/list_category_cloth.txt"),
        ("skincon", "test.csv"),
        ("products10k", "test_kaggletest.csv"),
        ("wine", "classes.txt"),
        ("fgbmk_lists", "train.csv"),
    ],
)
def test_a_missing_list_is_named(copy, name, file):
    root = copy(name)
    (root / file).unlink()
    with pytest.raises(UserError, match=f"no file .*{file.rpartition('/')[2]}"):
        load_source(name, root)


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "says"),
    [
        (
            "deepfashion",
            "Anno_fine/train_cate.txt",
            "1\n",
            "33\n",
            r"train_cate.txt, line 1: category '33'.*from 1 to 32",
        ),
        ("deepfashion", "Anno_fine/test_cate.txt", "1\n", "0\n", "test_cate.txt, line 1: category '0'.*from 1 to 32"),
        ("deepfashion", "Anno_fine/train_cate.txt", "1\n", "", "31 lines, but there are 32 images"),
        ("deepfashion", "Anno_fine/train_attr.txt", "0 0", "0 2", r"train_attr.txt, line 1: expected 26 times 0 or 1"),
        ("deepfashion", "Anno_fine/train_bbox.txt", " ", " x", r"train_bbox.txt, line 1: expected x1 y1 x2 y2"),
        ("deepfashion", "Anno_fine/list_category_cloth.txt", "Lum-Wug  1", "Lum-Wug  4", "line 3: type '4'"),
        ("deepfashion", "Anno_fine/list_category_cloth.txt", "Lum-Wug  1\n", "", "says 32 lines, but has 31"),
        ("skincon", "train.csv", "fitzpatrick17k/", "fitzpatrick17k/x", "line 1: .* is in no annotation file"),
        (
            "skincon",
            "annotations_ddi.csv",
            "png,0",
            "png,2",
            r"annotations_ddi.csv, line 10: Plaque is '2', not 0 or 1",
        ),
        ("skincon", "annotations_ddi.csv", "ImageID", "Image", "no column ImageID"),
        ("products10k", "train.csv", "41.jpg,0,10", "41.jpg,zero,10", "line 2: class 'zero' is no number"),
        ("products10k", "train.csv", "41.jpg,0,10", "41.jpg,0", "line 2: expected 3 values"),
        ("products10k", "test_kaggletest.csv", ",0,", ",1,", "class 1 is not in train.csv"),
        ("products10k", "train.csv", "name,class,group", "name,label,group", "no column class"),
        ("wine", "train.csv", ",1\n", ",99\n", r"train.csv, line 1: label 99, but classes.txt has 5 lines \(0 to 4\)"),
        ("fgbmk_lists", "train.csv", ",0\n", ",lum wug\n", 'line 1: expected "path,label"'),
        ("fgbmk_lists", "train.csv", ",0\n", ",\n", 'line 1: expected "path,label"'),
        (
            "fgbmk_lists",
            "test.csv",
            "/test 0000.jpg,0",
            "/train 0000.jpg,0",
            "listed a second time, first in train.csv",
        ),
        ("fgbmk_lists", "classes.txt", "bek wug", "Lum wug", "line 2: 'Lum wug' for the second time"),
        ("inat2021", "val.json", '"category_id": 3}', '"category_id": 32}', "has category 32, .* 32 categories"),
        ("inat2021", "val.json", '"image_id": 40,', '"image_id": 41,', "has 0 annotations, not one; so have 1 more"),
        ("inat2021", "train.json", '"file_name"', '"file"', r"in images, wrong or missing 'file_name'"),
        (
            "inat2021",
            "val.json",
            '"family": "Wugidae"',
            '"family": "Zanidae"',
            "'wug lum' lies under .*, in .*train.json",
        ),
        (
            "folder",
            "taxonomy.csv",
            "Lum_Wug,wug,bird",
            "Lum_Wug,wug,fish",
            "line 3: genus 'wug' lies under class 'bird'",
        ),
        ("folder", "taxonomy.csv", "Lum_Wug,wug", "Lum_Wug,", "line 2: genus of 'lum wug' is empty"),
        (
            "folder",
            "taxonomy.csv",
            "Bek_Wug,",
            "Lum_Wug,",
            r"line 3: class 'lum wug' \('lum wug'\) is empty or .* second",
        ),
        ("folder", "taxonomy.csv", "Bek_Wug,", "Dodo,", "no line for 1 classes, the first: 'bek wug'"),
    ],
)
def test_contradictions_are_named(copy, name, file, old, new, says):
    root = copy(name)
    edit(root / file, old, new)
    with pytest.raises(UserError, match=f"(?s){says}"):
        load_source(name, root, look_for_images=False)


# CUB


def test_an_images_attributes_are_what_somebody_was_sure_of(copy):
    root = copy("cub")
    source = load_source("cub", root)
    assert [list(known) for known in (source.attribute_values,)] == [list(source.images[0].attributes)]
    for row in source.images:
        assert row.attributes == SPECIES[row.category].look.attributes()
        assert all(value in source.attribute_values[name] for name, value in row.attributes.items())
    # Two values at once have no one right answer; another image of the class keeps its own.
    path = root / "attributes/image_attribute_labels.txt"
    edit(path, "\n1 2 0 ", "\n1 2 1 ")
    first, second = load_source("cub", root).images[:2]
    assert "body color" not in first.attributes
    assert "crown color" in first.attributes
    assert second.attributes["body color"] == "red"
    path.unlink()
    assert load_source("cub", root).images[0].attributes == SPECIES["lum wug"].look.attributes()


def test_an_official_attribute_file_reads_the_same_with_and_without_columns_too_many(tmp_path):
    lines = [
        f"{image} {number} {int(number % 3 == image % 3)} {1 + number % 4} 1.5"
        for image in (1, 2)
        for number in range(1, 9)
    ]
    odd = [line.replace(" 1.5", " 0 1.5") if i % 5 == 0 else line for i, line in enumerate(lines)]
    plain, wide = ("\n".join(text).encode() for text in (lines, odd))
    straight, by_line = (cub_attributes.parse(text, 8, "x", 1) for text in (plain, wide))
    assert straight.shape == (16, 4)
    assert (straight == by_line).all()
    for wrong in ("1 9 0 1 1.5", "1 1 2 1 1.5", "1 1 0 5 1.5", "1 1 0", "a 1 0 1 1.5"):
        with pytest.raises(UserError, match="x, line 17: expected"):
            cub_attributes.parse(plain + b"\n" + wrong.encode(), 8, "x", 1)


def test_an_image_without_attributes_or_box_is_named(copy):
    root = copy("cub")
    path = root / "attributes/image_attribute_labels.txt"
    whole = path.read_text()
    path.write_text("".join(line + "\n" for line in whole.splitlines() if not line.startswith("3 ")))
    with pytest.raises(UserError, match="no line for image 3 of"):
        load_source("cub", root)
    path.write_text(whole)
    edit(root / "bounding_boxes.txt", "\n5 ", "\n5000 ")
    with pytest.raises(UserError, match=r"bounding_boxes.txt has no line for image 5 "):
        load_source("cub", root)


def test_the_28_groups_of_cub_come_in_official_order(shared):
    source = load_source("cub", shared / "data" / "CUB_200_2011")
    assert len(source.attribute_values) == 28
    assert sum(map(len, source.attribute_values.values())) == 312
    assert list(source.attribute_values)[:2] == ["bill shape", "wing color"]
    assert source.attribute_values["size"][0].startswith("large (16 - 32")
    assert source.images[0].box == (16.9, 27.2, 128.5, 202.5)


def test_boxes_and_attributes_are_optional_in_cub(tmp_path):
    source = load_source("cub", make_cub(tmp_path / "cub"))
    assert source.attribute_values == {}
    assert source.images[0].box is None


# iNat2021


def test_inat_has_seven_ranks_and_validates_on_test(miniatures):
    source = load_source("inat2021", miniatures / "inat2021")
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
    monkeypatch.setattr(json_arrays, "CHUNK", chunk)
    elements = [{"id": 12, "name": 'a "b" \\ é \u2028 ]}'}, 345, [], {"x": [1, {"y": None}]}, -1.5e3, "]", True]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"info": {"a": 1}, "empty": [], "things": elements, "count": 7}, indent=1))
    assert list(json_arrays.json_arrays(path)) == [("info", {"a": 1}), *(("things", e) for e in elements), ("count", 7)]
    whole = path.read_text()
    for cut in (1, 5, 40, len(whole) - 3):
        path.write_text(whole[:cut])
        with pytest.raises(UserError, match=r"a\.json"):
            list(json_arrays.json_arrays(path))
    for wrong in ("[1]", '{"a": [1, nonsense, ' + "2, " * 100 + "]}", ""):
        path.write_text(wrong)
        with pytest.raises(UserError, match=r"a\.json"):
            list(json_arrays.json_arrays(path))


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


def test_a_bottle_may_have_several_defects(miniatures):
    source = load_source("wine", miniatures / "wine")
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


# Folders


def test_a_taxonomy_gives_a_folder_tree_levels_aliases_and_attributes(copy):
    root = copy("folder")
    source = load_source("folder", root)
    assert [(level.name, level.plural) for level in source.levels] == [
        ("class", "classes"),
        ("genus", "genera"),
        ("species", "species"),
    ]
    for row in source.images:
        species = SPECIES[row.category]
        assert list(row.parents.items()) == [("class", species.look.meta), ("genus", species.genus)]
        assert row.attributes == species.look.attributes()
    assert source.aliases["lum wug"] == ("lum bird", "wug lum")
    assert set(source.attribute_values["tail shape"]) == {"forked", "round", "square"}
    with open(root / "taxonomy.csv", "a") as file:
        file.write("Dodo,wug,bird,,a,b,c,d,e,f\n")
    with pytest.raises(UserError, match="1 classes have no folder with images, the first: 'dodo'"):
        load_source("folder", root)


def test_a_taxonomy_may_call_coded_folders_by_name_and_say_nothing_else(tmp_path):
    for path in ("train/n01440764/a.jpg", "valid/n01440764/b.PNG", "test/n02/ç, d.jpg", "train/n01440764/.hidden.jpg"):
        picture(tmp_path / path)
    (tmp_path / "taxonomy.csv").write_text('category,name\nn01440764,Tench\nn02,"Ray, electric"\n')
    source = load_source("folder", tmp_path)
    assert [(row.image, row.category, row.split) for row in source.images] == [
        ("train/n01440764/a.jpg", "tench", "train"),
        ("valid/n01440764/b.PNG", "tench", "val"),
        ("test/n02/ç, d.jpg", "ray, electric", "test"),
    ]
    assert [level.name for level in source.levels] == ["category"]


def test_texts_are_no_class_and_links_are_followed_once(tmp_path):
    picture(tmp_path / "elsewhere/a.jpg")
    root = tmp_path / "root"
    (root / "texts").mkdir(parents=True)
    (root / "crow").symlink_to(tmp_path / "elsewhere")
    assert [row.image for row in load_source("folder", root).images] == ["crow/a.jpg"]
    (tmp_path / "elsewhere" / "back").symlink_to(root)
    with pytest.raises(UserError, match="is a link to a folder that is read already"):
        load_source("folder", root)


# CIFAR-100


def test_the_binary_version_is_unpacked_into_what_is_drawn(miniatures, tmp_path):
    root = miniatures / "cifar100"
    build("unpack", root=root, out=tmp_path / "out", options={"source": "cifar100"})
    drawn, unpacked = load_source("cifar100", root), load_source("cifar100", tmp_path / "out")
    assert unpacked.images == drawn.images
    for row in unpacked.images:
        assert (root / row.image).read_bytes() == (tmp_path / "out" / row.image).read_bytes()
    with pytest.raises(UserError, match=r"root was .*cifar100, is"):
        build("unpack", root=tmp_path, out=tmp_path / "out", options={"source": "cifar100"})


def test_parquet_files_are_unpacked_as_the_binary_version(miniatures, tmp_path):
    drawn = load_source("cifar100", miniatures / "cifar100")
    fine, coarse = drawn.labels(drawn.levels[1]), drawn.labels(drawn.levels[0])
    names = {"fine_label": {"names": [name.replace(" ", "_") for name in fine]}, "coarse_label": {"names": coarse}}
    for split in ("train", "test"):
        rows = [
            {
                "img": {"bytes": (drawn.root / row.image).read_bytes(), "path": None},
                "fine_label": fine.index(row.category),
                "coarse_label": coarse.index(row.parents["superclass"]),
            }
            for row in sorted(drawn.split(split), key=lambda row: row.image.rpartition("/")[2])
        ]
        table = pyarrow.Table.from_pylist(rows)
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": names}})})
        (tmp_path / "hub/cifar100").mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(table, tmp_path / f"hub/cifar100/{split}-00000-of-00001.parquet")
    build("unpack", root=tmp_path / "hub", out=tmp_path / "out", options={"source": "cifar100"})
    assert load_source("cifar100", tmp_path / "out").images == drawn.images


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("train.bin", lambda data: data[:-7], "picture 32: 3067 bytes instead of 3074"),
        ("train.bin", lambda data: bytes((0, 40)) + data[2:], "picture 1: fine label 40, but there are 32 names"),
        ("train.bin", lambda data: data + bytes((1,)) + data[1:3074], "picture 33: lum_wug lies in tib, before in wug"),
        ("test.bin", lambda data: b"", "no test pictures"),
        ("fine_label_names.txt", lambda data: data.replace(b"lum_wug", b"../../x"), "no name of a folder"),
        ("fine_label_names.txt", lambda data: data.replace(b"lum_wug", b"lum/wug"), "no name of a folder"),
        ("fine_label_names.txt", lambda data: data.replace(b"lum_wug", b"bek_wug"), "there twice"),
    ],
)
def test_faulty_packed_pictures_are_named(copy, tmp_path, file, change, says):
    root = copy("cifar100") / "cifar-100-binary"
    (root / file).write_bytes(change((root / file).read_bytes()))
    with pytest.raises(UserError, match=says):
        build("unpack", root=root, out=tmp_path / "out", options={"source": "cifar100"})
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_pickles_are_refused_and_the_reader_says_how_to_unpack(tmp_path):
    (tmp_path / "cifar-100-python").mkdir()
    (tmp_path / "cifar-100-python" / "meta").write_bytes(b"\x80\x02cos\nsystem\n")
    with pytest.raises(UserError, match=r"pickles.*cifar-100-binary.tar.gz"):
        build("unpack", root=tmp_path, out=tmp_path / "out", options={"source": "cifar100"})
    with pytest.raises(UserError, match="data_builders unpack --source cifar100"):
        load_source("cifar100", tmp_path)


def test_unpacking_goes_on_after_an_interruption_and_spares_other_folders(miniatures, tmp_path):
    root, out = miniatures / "cifar100", tmp_path / "out"
    (out / "train").mkdir(parents=True)
    (out / "train" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        build("unpack", root=root, out=out, options={"source": "cifar100"})
    shutil.rmtree(out)
    build("unpack", root=root, out=out, options={"source": "cifar100"})
    whole = sorted(path for path in out.rglob("*.png"))
    (out / "manifest.json").unlink()
    write_json(out / MARKER, {"version": unpack.VERSION, "root": str(root.resolve()), "source": "cifar100"})
    whole[0].unlink()
    build("unpack", root=root, out=out, options={"source": "cifar100"})
    assert sorted(path for path in out.rglob("*.png")) == whole
    stream = BytesIO(whole[0].read_bytes())
    assert np.asarray(Image.open(stream)).shape == (32, 32, 3)
