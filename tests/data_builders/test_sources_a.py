"""Aircraft, Food-101, dogs, flowers, VegFru and cars: names, levels, boxes, splits, and mistakes in their lists."""

import shutil
from collections import Counter

import numpy as np
import pytest
from small_sources import picture

from data_builders.drawn.matlab import cells, mat_bytes, struct_array
from data_builders.shared.errors import UserError
from data_builders.sources import load_source
from data_builders.sources.cars import make

SOURCES = ("aircraft", "food101", "dogs", "flowers102", "vegfru", "cars")


def write_lines(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


# What each data set says about its first picture.
@pytest.mark.parametrize(
    ("name", "image", "category", "parents", "meta", "levels"),
    [
        (
            *("aircraft", "images/0000037.jpg", "Kestro 100", {"manufacturer": "Korvan", "family": "Kestro"}),
            *("aircraft", ("manufacturer", "family", "fine-grained category")),
        ),
        ("food101", "images/abani_ragout/37.jpg", "abani ragout", {}, "food", ("fine-grained category",)),
        ("dogs", "Images/n02090001-Ardal_hound/n02090001_1.jpg", "Ardal hound", {}, "dog", ("species",)),
        ("flowers102", "jpg/image_00001.jpg", "amsel bellwort", {}, "flower", ("species",)),
        (
            *("vegfru", "veg200_images/tollin/v_01_01_0001.jpg", "tollin"),
            *({"group": "vegetable", "superclass": "alliaceous vegetable"}, "vegetable"),
            ("group", "super-class", "fine-grained category"),
        ),
        (
            *("cars", "cars_train/00001.jpg", "Brenta Domino Sedan 2007", {"make": "Brenta"}, "car"),
            ("make", "fine-grained category"),
        ),
    ],
)
def test_names_and_levels_are_those_of_the_data_set(source_miniatures, name, image, category, parents, meta, levels):
    source = load_source(name, source_miniatures / name)
    first = source.images[0]
    assert (first.image, first.category, first.parents) == (image, category, parents)
    assert source.meta_word(first, source.finest) == meta
    assert tuple(level.rank for level in source.levels) == levels
    # One mapping for all pictures of a category: Food-101 has 101,000.
    of_first = [row for row in source.images if row.category == category]
    assert len(of_first) > 1
    assert len({id(row.parents) for row in of_first}) == 1


def test_validation_pictures_are_kept_apart_where_the_data_set_has_them(source_miniatures):
    for name in SOURCES:
        splits = Counter(row.split for row in load_source(name, source_miniatures / name).images)
        assert set(splits.values()) == {16}
        assert ("val" in splits) == (name in ("aircraft", "flowers102", "vegfru"))


def test_aircraft_keeps_model_numbers_as_they_are(tmp_path):
    data = tmp_path / "fgvc-aircraft-2013b" / "data"
    planes = [("747-400", "Boeing 747", "Boeing"), ("F/A-18", "F/A-18", "McDonnell Douglas"), ("DC-10", "DC-10", "X")]
    for place, level in enumerate(("variant", "family", "manufacturer")):
        labels = [plane[place] for plane in planes]
        write_lines(data / {0: "variants.txt", 1: "families.txt", 2: "manufacturers.txt"}[place], *labels)
        for split in ("train", "val", "test"):
            ids = {"train": "1", "val": "2", "test": "3"}[split]
            write_lines(data / f"images_{level}_{split}.txt", *(f"{ids}{i} {name}" for i, name in enumerate(labels)))
            for number in range(3):
                picture(data / "images" / f"{ids}{number}.jpg")
    for root in (data.parent, data):
        source = load_source("aircraft", root)
        assert source.root == data
        assert [row.category for row in source.split("val")] == ["747-400", "F/A-18", "DC-10"]
        assert source.images[1].parents == {"manufacturer": "McDonnell Douglas", "family": "F/A-18"}
        assert source.images[0].box is None
    write_lines(data / "images_box.txt", *(f"{split}{number} 3 2 30 20" for split in (1, 2, 3) for number in range(3)))
    assert load_source("aircraft", data).images[0].box == (2, 1, 28, 19)


def test_a_dogs_box_holds_all_dogs_of_the_picture(copy):
    root = copy("dogs")
    path = next(path for path in sorted((root / "Annotation").rglob("*")) if path.is_file())
    one = "<object><bndbox><xmin>{}</xmin><ymin>{}</ymin>\n<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
    path.write_text("<annotation>" + one.format(3, 4, 10, 12) + one.format(8, 2, 20, 9) + "</annotation>")
    assert load_source("dogs", root).images[0].box == (3, 2, 17, 10)
    path.write_text("<annotation></annotation>")
    with pytest.raises(UserError, match=f"{path.name}: no <bndbox>"):
        load_source("dogs", root)
    shutil.rmtree(root / "Annotation")
    assert {row.box for row in load_source("dogs", root).images} == {None}


def test_dogs_lists_may_lie_in_their_own_folder(copy):
    root = copy("dogs")
    before = load_source("dogs", root).images
    for path in root.glob("*.mat"):
        (root / "lists").mkdir(exist_ok=True)
        path.rename(root / "lists" / path.name)
    assert load_source("dogs", root).images == before


def test_food_lists_as_json_are_the_same(copy):
    root = copy("food101")
    before = load_source("food101", root).images
    for split in ("train", "test"):
        (root / "meta" / f"{split}.txt").unlink()
    assert load_source("food101", root).images == before
    (root / "meta/test.json").write_text("[1, 2]")
    with pytest.raises(UserError, match=r"test\.json: expected"):
        load_source("food101", root)


def test_vegfrus_lists_for_both_parts_are_the_same_and_one_part_alone_will_do(copy):
    root = copy("vegfru")
    before = load_source("vegfru", root)
    shutil.move(root / "fru92_lists", root / "aside")
    with pytest.raises(UserError, match=r"fru92_lists/fru_train\.txt"):
        load_source("vegfru", root)
    shutil.rmtree(root / "veg200_lists")
    both = load_source("vegfru", root)
    assert sorted(both.images, key=repr) == sorted(before.images, key=repr)
    shutil.rmtree(root / "vegfru_list")
    shutil.rmtree(root / "veg200_images")
    shutil.move(root / "aside", root / "fru92_lists")
    fruits = load_source("vegfru", root)
    assert list(fruits.images) == [row for row in before.images if row.parents["group"] == "fruit"]


def test_cars_in_the_merged_layout(copy, tmp_path):
    root, merged = copy("cars"), tmp_path / "merged"
    before = load_source("cars", root)
    rows = []
    for number, row in enumerate(before.images, 1):
        path = f"car_ims/{number:06}.jpg"
        (merged / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / row.image, merged / path)
        x, y, width, height = row.box
        corners = {"bbox_x1": x + 1, "bbox_y1": y + 1, "bbox_x2": x + width, "bbox_y2": y + height}
        label = before.labels(before.finest).index(row.category) + 1
        rows.append({"relative_im_path": path, **corners, "class": label, "test": int(row.split == "test")})
    names = cells(before.labels(before.finest))
    (merged / "cars_annos.mat").write_bytes(mat_bytes(annotations=struct_array(rows), class_names=names))
    after = load_source("cars", merged)
    assert [(row.category, row.split, row.box, row.parents) for row in after.images] == [
        (row.category, row.split, row.box, row.parents) for row in before.images
    ]
    assert after.images[0].image == "car_ims/000001.jpg"


def test_cars_in_folders_inside_folders(copy):
    root = copy("cars")
    for split in ("train", "test"):
        (root / f"cars_{split}").rename(root / "aside")
        (root / f"cars_{split}").mkdir()
        (root / "aside").rename(root / f"cars_{split}" / f"cars_{split}")
    assert load_source("cars", root).images[0].image == "cars_train/cars_train/00001.jpg"


def test_a_cars_make_may_have_two_words():
    assert make("AM General Hummer SUV 2000") == "AM General"
    assert make("Land Rover LR2 SUV 2012") == "Land Rover"
    assert make("Mercedes-Benz C-Class Sedan 2012") == "Mercedes-Benz"
    assert make("smart fortwo Convertible 2012") == "smart"


def test_flowers_have_their_names_without_a_file(source_miniatures, tmp_path, copy):
    # One picture of each class, so that the 102 names are all there.
    root = tmp_path / "flowers"
    for number in range(1, 205):
        picture(root / "jpg" / f"image_{number:05}.jpg")
    labels = np.array([1 + number % 102 for number in range(204)], dtype=np.uint8)
    (root / "imagelabels.mat").write_bytes(mat_bytes(labels=labels))
    ids = np.arange(1, 205, dtype=np.uint16)
    (root / "setid.mat").write_bytes(mat_bytes(trnid=ids[:50], valid=ids[50:102], tstid=ids[102:]))
    source = load_source("flowers102", root)
    names = source.labels(source.finest)
    assert len(set(names)) == 102
    assert Counter(row.split for row in source.images) == {"train": 50, "val": 52, "test": 102}
    assert (names[0], names[15], names[-1]) == ("pink primrose", "globe-flower", "blackberry lily")
    write_lines(root / "classes.txt", *(f"flower_{label}" for label in range(1, 103)))
    assert load_source("flowers102", root).images[0].category == "flower 1"
    (root / "setid.mat").write_bytes(mat_bytes(trnid=ids[:51], valid=ids[50:102], tstid=ids[102:]))
    with pytest.raises(UserError, match="image 51 is twice in the lists"):
        load_source("flowers102", root)


def test_the_official_flowers_split(shared, tmp_path):
    official = shared / "data" / "format_samples" / "flowers102"
    named = load_source("flowers102", official, look_for_images=False)
    assert Counter(row.split for row in named.images) == {"train": 1020, "val": 1020, "test": 6149}
    assert all(count == 10 for count in Counter(row.category for row in named.split("train")).values())
    for name in ("imagelabels.mat", "setid.mat"):
        shutil.copy(official / name, tmp_path / name)
    # The built-in names are those of the widespread file.
    assert load_source("flowers102", tmp_path, look_for_images=False).images == named.images


def labels(*values):
    return np.array(values, dtype=np.uint8)
