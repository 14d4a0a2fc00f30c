"""Mistakes in Aircraft, Food-101, Dogs, Flowers-102, VegFru and Cars are named with their place."""

import json
import shutil

import numpy as np
import pytest

from data_builders.drawn.matlab import cells, mat_bytes, struct_array
from data_builders.shared.errors import UserError
from data_builders.sources import load_source

SOURCES = ("aircraft", "food101", "dogs", "flowers102", "vegfru", "cars")


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# name, file, old text, new text, what the message says
SPOILT = [
    ("aircraft", "data/images_variant_val.txt", "Kestro 100", "Kestro 900", "line 1: 'Kestro 900'"),
    ("aircraft", "data/images_variant_test.txt", " Kestro 100", "", r"images_variant_test\.txt, line 1: expected"),
    ("aircraft", "data/variants.txt", "Kestro 100", "Kestro 100\nKestro 900", "1 variants have no image.*Kestro 900"),
    ("aircraft", "data/images_family_train.txt", "0000037 Kestro\n", "", "no line for image 0000037"),
    ("aircraft", "data/images_family_test.txt", "0000111 Kestro\n", "0000111 Plyva\n", "Kestro 100 is of family Plyva"),
    ("aircraft", "data/images_box.txt", "0000037", "0000038", r"images_box\.txt has no line for image 0000037"),
    ("aircraft", "data/images_box.txt", "0000037 ", "0000037 x", r"images_box\.txt, line 1: expected"),
    ("food101", "meta/train.txt", "abani_ragout/", "lam_ragout/", r"train\.txt, line 1:.*lam_ragout"),
    ("food101", "meta/train.txt", "abani_ragout/", "", r"train\.txt, line 1: expected"),
    ("food101", "meta/train.txt", "abani_ragout/37", "abani_ragout/38", "1 of 32 images.*abani_ragout/38"),
    ("food101", "meta/train.txt", "abani_ragout/37", "abani_ragout/../37", "line 1"),
    ("food101", "meta/classes.txt", "abani_ragout", "abani_ragout\nom_let", "1 classes have no image.*om_let"),
    ("vegfru", "veg200_lists/veg_train.txt", " 0", " x", r"veg_train\.txt, line 1: expected"),
    ("vegfru", "veg200_lists/veg_train.txt", " 0", " 99", r"veg_val\.txt, line 1: tollin has label 0, elsewhere 99"),
    ("vegfru", "veg200_lists/veg_train.txt", " 1", " 0", "urvek has label 0, as tollin has"),
    ("vegfru", "veg200_lists/veg_train.txt", "v_01", "v_99", "names no super-class"),
    ("vegfru", "veg200_lists/veg_train.txt", "tollin/", "../", r"veg_train\.txt, line 1: expected"),
    ("vegfru", "fru92_lists/fru_subclasses.txt", "ilver\n", "", r"label 7 \(ilver\) is out of range"),
    ("vegfru", "fru92_lists/fru_subclasses.txt", "ilver\n", "ilver\nkiwi\n", "1 classes have no image.*kiwi"),
]


@pytest.mark.parametrize(("name", "file", "old", "new", "says"), SPOILT)
def test_mistakes_in_lists_are_named(copy, name, file, old, new, says):
    root = copy(name)
    replace(root / file, old, new)
    with pytest.raises(UserError, match=f"(?s){says}"):
        load_source(name, root)


def labels(*values):
    return np.array(values, dtype=np.uint8)


# name, file, its variables, what the message says
SPOILT_MAT = [
    ("flowers102", "imagelabels.mat", {"labels": labels(*[40] * 48)}, "labels 1 is 40; expected a number from 1 to 16"),
    ("flowers102", "imagelabels.mat", {"labels": labels(*[3] * 48)}, "15 of 16 classes have no image"),
    ("flowers102", "imagelabels.mat", {"label": labels(1)}, "no variable labels"),
    ("flowers102", "setid.mat", {"trnid": labels(1), "valid": labels(200), "tstid": labels(3)}, "valid 1 is 200"),
    ("dogs", "train_list.mat", {"file_list": cells(["a.jpg"]), "labels": labels(1)}, "file_list 1 is 'a.jpg'"),
    ("dogs", "train_list.mat", {"file_list": cells(["n1-A/a.jpg"]), "labels": labels(1, 2)}, "1 files, but 2 labels"),
    ("dogs", "train_list.mat", {"file_list": cells(["n1-A/a.jpg"]), "labels": labels(0)}, "labels 1 is 0"),
    ("dogs", "train_list.mat", {"file_list": cells(["n1-A/a.jpg"]), "labels": labels(40)}, "no file.*n1-A/a"),
    ("cars", "devkit/cars_meta.mat", {"class_names": cells(["Audi A", "Audi B"])}, "class 3 is 3; expected .* 1 to 2"),
    ("cars", "devkit/cars_meta.mat", {"class_names": cells(["A"] * 16)}, "two labels are called 'A'"),
    ("cars", "devkit/cars_meta.mat", {"class_names": labels(1, 2)}, "class_names 1 is 1; expected a text"),
    ("cars", "cars_test_annos_withlabels.mat", {"annotations": labels(1, 2)}, "annotations has no field fname"),
]


@pytest.mark.parametrize(("name", "file", "variables", "says"), SPOILT_MAT)
def test_mistakes_in_mat_files_are_named(copy, name, file, variables, says):
    root = copy(name)
    assert (root / file).exists()
    (root / file).write_bytes(mat_bytes(**variables))
    with pytest.raises(UserError, match=f"(?s){says}"):
        load_source(name, root)


def test_an_unlabelled_test_list_is_no_substitute(copy):
    root = copy("cars")
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
def test_missing_and_broken_lists_and_missing_pictures_are_named(copy, name):
    root = copy(name)
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


def test_a_dogs_class_has_one_label_and_a_label_one_class(copy):
    root = copy("dogs")
    shutil.rmtree(root / "Annotation")
    known = "n02090001-Ardal_hound/n02090001_1.jpg"
    for file, label, says in (
        ("n1-A/a.jpg", 3, "n02090003-Crevin_hound.* has label 3, as n1-A has"),
        (known, 40, "17 labels|class has several labels"),
        ("n1-A/a.jpg", 40, "23 labels .* have no image: 17"),
    ):
        variables = {"file_list": cells([file]), "labels": labels(label)}
        (root / "train_list.mat").write_bytes(mat_bytes(**variables))
        with pytest.raises(UserError, match=says):
            load_source("dogs", root)


def test_pictures_outside_the_root_are_refused(copy):
    root = copy("dogs")
    variables = {"file_list": cells(["../n1-A/a.jpg"]), "labels": labels(40)}
    shutil.rmtree(root / "Annotation")
    (root / "train_list.mat").write_bytes(mat_bytes(**variables))
    with pytest.raises(UserError, match="file_list 1"):
        load_source("dogs", root)
    root = copy("cars")
    row = {"bbox_x1": 1, "bbox_y1": 1, "bbox_x2": 9, "bbox_y2": 9, "class": 1, "fname": "../../secret.jpg"}
    (root / "devkit/cars_train_annos.mat").write_bytes(mat_bytes(annotations=struct_array([row])))
    with pytest.raises(UserError, match="stay inside"):
        load_source("cars", root)


def test_the_json_lists_of_food_stay_inside_too(copy):
    root = copy("food101")
    (root / "meta/train.txt").unlink()
    lists = json.loads((root / "meta/train.json").read_text())
    lists["abani_ragout"] = ["abani_ragout/../../37"]
    (root / "meta/train.json").write_text(json.dumps(lists))
    with pytest.raises(UserError, match="abani_ragout, entry 1"):
        load_source("food101", root)


@pytest.mark.parametrize("name", SOURCES)
def test_every_level_has_enough_labels_for_a_question_with_four_options(source_miniatures, name):
    source = load_source(name, source_miniatures / name)
    for level in source.levels:
        assert len(source.labels(level)) >= 4
