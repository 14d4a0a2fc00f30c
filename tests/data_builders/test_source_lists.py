"""DeepFashion, SkinCon, Products-10K, iNat2021, Wine: lists that are wrong; CUB's attributes."""

import pytest
from small_sources import edit, make_cub

from data_builders.drawn.taxonomy import all_species
from data_builders.shared.errors import UserError
from data_builders.sources import cub_attributes, load_source

SPECIES = {species.name: species for species in all_species()}
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
