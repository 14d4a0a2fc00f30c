"""Aircraft, Food-101, dogs, flowers, VegFru and cars: names, levels, boxes, splits, and mistakes in their lists."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest
from small_sources import picture

from data_builders.build import build
from data_builders.drawn.matlab import cells, mat_bytes, struct_array
from data_builders.errors import UserError
from data_builders.sources import load_source
from data_builders.sources.cars import make

SOURCES = ("aircraft", "food101", "dogs", "flowers102", "vegfru", "cars")
OPTIONS = {"train_images_per_species": 1, "test_images_per_species": 1, "pixels": 32}


@pytest.fixture(scope="module")
def miniatures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        build("drawn", root=None, out=folder / name, options={**OPTIONS, "source": name})
    return folder


@pytest.fixture
def root_of(miniatures, tmp_path):
    """A copy of a source's miniature, to be spoilt."""
    return lambda name: shutil.copytree(miniatures / name, tmp_path / name)


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def write_lines(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


# What each data set says about its first picture.
@pytest.mark.parametrize(
    ("name", "image", "category", "parents", "meta", "levels"),
    [
        (
            *("aircraft", "images/0000037.jpg", "Wug-100", {"manufacturer": "Bird Aircraft", "family": "Wug"}),
            *("aircraft", ("manufacturer", "family", "fine-grained category")),
        ),
        ("food101", "images/lum_wug/37.jpg", "lum wug", {}, "food", ("fine-grained category",)),
        ("dogs", "Images/n02090001-Lum_wug/n02090001_1.jpg", "Lum wug", {}, "dog", ("species",)),
        ("flowers102", "jpg/image_00001.jpg", "lum-leaved wug", {}, "flower", ("species",)),
        (
            *("vegfru", "veg200_images/lum_wug/v_01_01_0001.jpg", "lum wug"),
            *({"group": "vegetable", "superclass": "alliaceous vegetable"}, "vegetable"),
            ("group", "super-class", "fine-grained category"),
        ),
        (
            *("cars", "cars_train/00001.jpg", "Wug Lum Sedan 2012", {"make": "Wug"}, "car"),
            ("make", "fine-grained category"),
        ),
    ],
)
def test_names_and_levels_are_those_of_the_data_set(miniatures, name, image, category, parents, meta, levels):
    source = load_source(name, miniatures / name)
    first = source.images[0]
    assert (first.image, first.category, first.parents) == (image, category, parents)
    assert source.meta_word(first, source.finest) == meta
    assert tuple(level.rank for level in source.levels) == levels
    # One mapping for all pictures of a category: Food-101 has 101,000.
    of_first = [row for row in source.images if row.category == category]
    assert len(of_first) > 1
    assert len({id(row.parents) for row in of_first}) == 1


def test_validation_pictures_are_kept_apart_where_the_data_set_has_them(miniatures):
    for name in SOURCES:
        splits = Counter(row.split for row in load_source(name, miniatures / name).images)
        assert set(splits.values()) == {32}
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


def test_a_dogs_box_holds_all_dogs_of_the_picture(root_of):
    root = root_of("dogs")
    path = next(path for path in sorted((root / "Annotation").rglob("*")) if path.is_file())
    one = "<object><bndbox><xmin>{}</xmin><ymin>{}</ymin>\n<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
    path.write_text("<annotation>" + one.format(3, 4, 10, 12) + one.format(8, 2, 20, 9) + "</annotation>")
    assert load_source("dogs", root).images[0].box == (3, 2, 17, 10)
    path.write_text("<annotation></annotation>")
    with pytest.raises(UserError, match=f"{path.name}: no <bndbox>"):
        load_source("dogs", root)
    shutil.rmtree(root / "Annotation")
    assert {row.box for row in load_source("dogs", root).images} == {None}


def test_dogs_lists_may_lie_in_their_own_folder(root_of):
    root = root_of("dogs")
    before = load_source("dogs", root).images
    for path in root.glob("*.mat"):
        (root / "lists").mkdir(exist_ok=True)
        path.rename(root / "lists" / path.name)
    assert load_source("dogs", root).images == before


def test_food_lists_as_json_are_the_same(root_of):
    root = root_of("food101")
    before = load_source("food101", root).images
    for split in ("train", "test"):
        (root / "meta" / f"{split}.txt").unlink()
    assert load_source("food101", root).images == before
    (root / "meta/test.json").write_text("[1, 2]")
    with pytest.raises(UserError, match=r"test\.json: expected"):
        load_source("food101", root)


def test_vegfrus_lists_for_both_parts_are_the_same_and_one_part_alone_will_do(root_of):
    root = root_of("vegfru")
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


def test_cars_in_the_merged_layout(root_of, tmp_path):
    root, merged = root_of("cars"), tmp_path / "merged"
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


def test_cars_in_folders_inside_folders(root_of):
    root = root_of("cars")
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


def test_flowers_have_their_names_without_a_file(miniatures, tmp_path, root_of):
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


# name, file, old text, new text, what the message says
SPOILT = [
    ("aircraft", "data/images_variant_val.txt", "Wug-100", "Wug-900", r"images_variant_val\.txt, line 1: 'Wug-900'"),
    ("aircraft", "data/images_variant_test.txt", " Wug-100", "", r"images_variant_test\.txt, line 1: expected"),
    ("aircraft", "data/variants.txt", "Wug-100", "Wug-100\nWug-900", "1 variants have no image.*Wug-900"),
    ("aircraft", "data/images_family_train.txt", "0000037 Wug\n", "", "no line for image 0000037"),
    ("aircraft", "data/images_family_test.txt", "0000111 Wug\n", "0000111 Tib\n", "Wug-100 is of family Tib"),
    ("aircraft", "data/images_box.txt", "0000037", "0000038", r"images_box\.txt has no line for image 0000037"),
    ("aircraft", "data/images_box.txt", "0000037 ", "0000037 x", r"images_box\.txt, line 1: expected"),
    ("food101", "meta/train.txt", "lum_wug/", "lam_wug/", r"train\.txt, line 1:.*lam_wug"),
    ("food101", "meta/train.txt", "lum_wug/", "", r"train\.txt, line 1: expected"),
    ("food101", "meta/train.txt", "lum_wug/37", "lum_wug/38", "1 of 64 images.*lum_wug/38"),
    ("food101", "meta/train.txt", "lum_wug/37", "lum_wug/../37", "line 1"),
    ("food101", "meta/classes.txt", "lum_wug", "lum_wug\nom_let", "1 classes have no image, the first: om_let"),
    ("vegfru", "veg200_lists/veg_train.txt", " 0", " x", r"veg_train\.txt, line 1: expected"),
    ("vegfru", "veg200_lists/veg_train.txt", " 0", " 99", r"veg_val\.txt, line 1: lum_wug has label 0, elsewhere 99"),
    ("vegfru", "veg200_lists/veg_train.txt", " 1", " 0", "bek_wug has label 0, as lum_wug has"),
    ("vegfru", "veg200_lists/veg_train.txt", "v_01", "v_99", "names no super-class"),
    ("vegfru", "veg200_lists/veg_train.txt", "lum_wug/", "../", r"veg_train\.txt, line 1: expected"),
    ("vegfru", "fru92_lists/fru_subclasses.txt", "sud_lun\n", "", r"label 15 \(sud_lun\) is out of range"),
    ("vegfru", "fru92_lists/fru_subclasses.txt", "sud_lun\n", "sud_lun\nkiwi\n", "1 classes have no image.*kiwi"),
]


@pytest.mark.parametrize(("name", "file", "old", "new", "says"), SPOILT)
def test_mistakes_in_lists_are_named(root_of, name, file, old, new, says):
    root = root_of(name)
    replace(root / file, old, new)
    with pytest.raises(UserError, match=f"(?s){says}"):
        load_source(name, root)


def labels(*values):
    return np.array(values, dtype=np.uint8)


# name, file, its variables, what the message says
SPOILT_MAT = [
    ("flowers102", "imagelabels.mat", {"labels": labels(*[40] * 96)}, "labels 1 is 40; expected a number from 1 to 32"),
    ("flowers102", "imagelabels.mat", {"labels": labels(*[3] * 96)}, "31 of 32 classes have no image"),
    ("flowers102", "imagelabels.mat", {"label": labels(1)}, "no variable labels"),
    ("flowers102", "setid.mat", {"trnid": labels(1), "valid": labels(200), "tstid": labels(3)}, "valid 1 is 200"),
    ("dogs", "train_list.mat", {"file_list": cells(["a.jpg"]), "labels": labels(1)}, "file_list 1 is 'a.jpg'"),
    ("dogs", "train_list.mat", {"file_list": cells(["n1-A/a.jpg"]), "labels": labels(1, 2)}, "1 files, but 2 labels"),
    ("dogs", "train_list.mat", {"file_list": cells(["n1-A/a.jpg"]), "labels": labels(0)}, "labels 1 is 0"),
    ("dogs", "train_list.mat", {"file_list": cells(["n1-A/a.jpg"]), "labels": labels(40)}, "no file.*n1-A/a"),
    ("cars", "devkit/cars_meta.mat", {"class_names": cells(["Audi A", "Audi B"])}, "class 3 is 3; expected .* 1 to 2"),
    ("cars", "devkit/cars_meta.mat", {"class_names": cells(["A"] * 32)}, "two labels are called 'A'"),
    ("cars", "devkit/cars_meta.mat", {"class_names": labels(1, 2)}, "class_names 1 is 1; expected a text"),
    ("cars", "cars_test_annos_withlabels.mat", {"annotations": labels(1, 2)}, "annotations has no field fname"),
]


@pytest.mark.parametrize(("name", "file", "variables", "says"), SPOILT_MAT)
def test_mistakes_in_mat_files_are_named(root_of, name, file, variables, says):
    root = root_of(name)
    assert (root / file).exists()
    (root / file).write_bytes(mat_bytes(**variables))
    with pytest.raises(UserError, match=f"(?s){says}"):
        load_source(name, root)


def test_an_unlabelled_test_list_is_no_substitute(root_of):
    root = root_of("cars")
    shutil.copy(root / "devkit/cars_test_annos.mat", root / "cars_test_annos_withlabels.mat")
    with pytest.raises(UserError, match=r"cars_test_annos_withlabels\.mat: annotations has no field class"):
        load_source("cars", root)


LISTS = {
    "aircraft": ("data/images_manufacturer_val.txt", "data/families.txt"),
    "food101": ("meta/classes.txt",),
    "dogs": ("train_list.mat", "test_list.mat"),
    "flowers102": ("imagelabels.mat", "setid.mat"),
    "vegfru": ("veg200_lists/veg_val.txt", "fru92_lists/fru_test.txt"),
    "cars": ("devkit/cars_meta.mat", "devkit/cars_train_annos.mat", "cars_test_annos_withlabels.mat"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_missing_and_broken_lists_and_missing_pictures_are_named(root_of, name):
    root = root_of(name)
    for file in LISTS[name]:
        whole = (root / file).read_bytes()
        (root / file).unlink()
        with pytest.raises(UserError, match=f"no file .*{(root / file).name}"):
            load_source(name, root)
        if file.endswith(".mat"):
            for broken in (b"", whole[: len(whole) // 2], b"\x89HDF\r\n\x1a\n" + bytes(600), bytes(reversed(whole))):
                (root / file).write_bytes(broken)
                with pytest.raises(UserError, match=(root / file).name):
                    load_source(name, root)
        else:
            (root / file).write_bytes(b"\xff\xfe\x00")
            with pytest.raises(UserError, match=f"{(root / file).name} is not text"):
                load_source(name, root)
        (root / file).write_bytes(whole)
    source = load_source(name, root)
    (source.root / source.images[5].image).unlink()
    with pytest.raises(UserError, match=f"1 of {len(source.images)} images .*{source.images[5].image}"):
        load_source(name, root)
    assert load_source(name, root, look_for_images=False).images == source.images


def test_a_dogs_class_has_one_label_and_a_label_one_class(root_of):
    root = root_of("dogs")
    shutil.rmtree(root / "Annotation")
    known = "n02090001-Lum_wug/n02090001_1.jpg"
    for file, label, says in (
        ("n1-A/a.jpg", 3, "n02090003-Tor_wug.* has label 3, as n1-A has"),
        (known, 40, "33 labels|class has several labels"),
        ("n1-A/a.jpg", 40, "7 labels .* have no image: 33"),
    ):
        variables = {"file_list": cells([file]), "labels": labels(label)}
        (root / "train_list.mat").write_bytes(mat_bytes(**variables))
        with pytest.raises(UserError, match=says):
            load_source("dogs", root)


def test_pictures_outside_the_root_are_refused(root_of):
    root = root_of("dogs")
    variables = {"file_list": cells(["../n1-A/a.jpg"]), "labels": labels(40)}
    shutil.rmtree(root / "Annotation")
    (root / "train_list.mat").write_bytes(mat_bytes(**variables))
    with pytest.raises(UserError, match="file_list 1"):
        load_source("dogs", root)
    root = root_of("cars")
    row = {"bbox_x1": 1, "bbox_y1": 1, "bbox_x2": 9, "bbox_y2": 9, "class": 1, "fname": "../../secret.jpg"}
    (root / "devkit/cars_train_annos.mat").write_bytes(mat_bytes(annotations=struct_array([row])))
    with pytest.raises(UserError, match="stay inside"):
        load_source("cars", root)


def test_the_json_lists_of_food_stay_inside_too(root_of):
    root = root_of("food101")
    (root / "meta/train.txt").unlink()
    lists = json.loads((root / "meta/train.json").read_text())
    lists["lum_wug"] = ["lum_wug/../../37"]
    (root / "meta/train.json").write_text(json.dumps(lists))
    with pytest.raises(UserError, match="lum_wug, entry 1"):
        load_source("food101", root)


@pytest.mark.parametrize("name", SOURCES)
def test_every_level_has_enough_labels_for_a_question_with_four_options(miniatures, name):
    source = load_source(name, miniatures / name)
    for level in source.levels:
        assert len(source.labels(level)) >= 4
