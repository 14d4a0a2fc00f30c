"""Oxford-IIIT Pets and ImageNet: names, levels, aliases, ImageNet flat and in folders, mistakes with their place."""

import shutil

import pytest

from data_builders.drawn.matlab import mat_bytes, struct_array
from data_builders.shared.errors import UserError
from data_builders.sources import load_source

DATA = "ILSVRC2012_devkit_t12/data"
TRUTH = f"{DATA}/ILSVRC2012_validation_ground_truth.txt"
WORDS = "LOC_synset_mapping.txt"


def by_picture(source):
    return {row.image.rpartition("/")[2]: (row.category, row.split) for row in source.images}


def test_pets_have_breeds_of_cats_and_dogs(source_miniatures):
    source = load_source("pets", source_miniatures / "pets")
    assert tuple(level.rank for level in source.levels) == ("species", "breed")
    first = source.images[0]
    assert (first.image, first.category, first.parents) == ("images/Lum_wug_1.jpg", "lum wug", {"species": "cat"})
    assert source.meta_word(first, source.finest) == "cat"
    assert source.meta_word(first, source.levels[0]) == "object"
    assert {(row.parents["species"], row.image[7].isupper()) for row in source.images} == {
        ("cat", True),
        ("dog", False),
    }


def test_imagenet_is_the_same_flat_and_in_folders_and_with_the_devkits_names(copy):
    root = copy("imagenet")
    flat = load_source("imagenet", root)
    first = flat.split("test")[0]
    assert (first.image, first.category) == ("val/ILSVRC2012_val_00000001.JPEG", "lum wug")
    assert flat.aliases["lum wug"] == ("Wug lumus",)
    assert len(flat.split("train")) == len(flat.split("test")) == 32
    (root / WORDS).rename(root / "aside")
    assert load_source("imagenet", root).images == flat.images
    (root / "aside").rename(root / WORDS)
    synset = {
        line.split(" ", 1)[1].partition(",")[0]: line.split()[0] for line in (root / WORDS).read_text().splitlines()
    }
    for row in flat.split("test"):
        folder = root / "val" / synset[row.category]
        folder.mkdir()
        (root / row.image).rename(folder / row.image.rpartition("/")[2])
    shutil.rmtree(root / "ILSVRC2012_devkit_t12")
    shutil.rmtree(root / "train")
    sorted_in = load_source("imagenet", root)
    assert by_picture(sorted_in) == {name: one for name, one in by_picture(flat).items() if one[1] == "test"}


def rename(*lines):
    """The first classes' synonyms, as given, in a mapping."""

    def change(root):
        old = (root / WORDS).read_text().splitlines()
        new = [f"{line.split()[0]} {words}" for line, words in zip(old, lines, strict=False)]
        (root / WORDS).write_text("\n".join([*new, *old[len(lines) :]]) + "\n")

    return change


def test_a_class_is_called_by_its_first_synonym_that_is_its_own(copy):
    root = copy("imagenet")
    rename("Cardigan, Cardigan Welsh corgi", "cardigan", "projectile, missile", "missile", "tench, Tinca tinca")(root)
    source = load_source("imagenet", root)
    named = list(dict.fromkeys(row.category for row in source.split("train")))[:5]
    assert named == ["Cardigan Welsh corgi", "cardigan", "projectile", "missile", "tench"]
    assert source.aliases["tench"] == ("Tinca tinca",)
    assert not {"cardigan", "projectile", "Cardigan Welsh corgi"} & set(source.aliases)  # what is another class's name


def text(name, old, new):
    def change(root):
        whole = (root / name).read_text()
        assert old in whole
        (root / name).write_text(whole.replace(old, new, 1))

    return change


def gone(name):
    return lambda root: shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()


def both(*changes):
    return lambda root: [change(root) for change in changes]


def folder(name):
    return lambda root: (root / name).mkdir(parents=True)


def devkit(**fields):
    row = {"ILSVRC2012_ID": 1, "WNID": "n01440764", "words": "lum wug", "num_children": 0} | fields
    return lambda root: (root / DATA / "meta.mat").write_bytes(mat_bytes(synsets=struct_array([row, row])))


# source, what is done to it, what the message says
MISTAKES = [
    ("pets", gone("annotations/test.txt"), r"no file .*test\.txt"),
    (
        "pets",
        text("annotations/trainval.txt", "Lum_wug_1 1 1 1", "Lum_wug_1 1 3 1"),
        r"trainval\.txt, line 1: expected",
    ),
    ("pets", text("annotations/trainval.txt", "Lum_wug_1 1", "Lum_wug_1 2"), r"class 2, elsewhere"),
    (
        "pets",
        text("annotations/list.txt", "Lum_wug_1 1 1", "Lum_wug_1 1 2"),
        r"list\.txt.*lum wug \(dog\) is of class 1",
    ),
    ("pets", text("annotations/list.txt", "Lum_wug_1 ", "Lum_wug_7 "), "Lum_wug_7 is neither in trainval"),
    ("pets", text("annotations/test.txt", "Lum_wug_2 ", "Lum_wug_1 "), "Lum_wug_1 stands in the train list already"),
    ("pets", gone("images/Lum_wug_1.jpg"), r"1 of 64 images.*Lum_wug_1\.jpg"),
    ("imagenet", gone("ILSVRC2012_devkit_t12"), r"ground_truth\.txt: nothing says .* Unpack ILSVRC2012_devkit_t12"),
    ("imagenet", both(gone(WORDS), gone("ILSVRC2012_devkit_t12")), "no names: put LOC_syn"),
    ("imagenet", folder("train/n99999999"), r"train/n99999999: .*LOC_synset_mapping\.txt names no synset n99999999"),
    ("imagenet", gone("val/ILSVRC2012_val_00000003.JPEG"), "1 of 64 images"),
    ("imagenet", text(TRUTH, "32\n", "900\n"), r"ground_truth\.txt, line 1: '900' is no ILSVRC2012_ID"),
    (
        "imagenet",
        text(TRUTH, "32\n", "31\n"),
        "1 of the 32 synsets .* have no validation picture, the first: n01440764",
    ),
    ("imagenet", both(gone("train"), text(WORDS, "n01440764 ", "n01440765 ")), "line 1: .* no synset n01440764"),
    ("imagenet", text(WORDS, "n01440764 ", "tench "), "line 1: expected"),
    ("imagenet", text(WORDS, "n01440764 ", "n01440777 "), "n01440777 stands there twice"),
    ("imagenet", rename("crane", "crane"), "n01440764 and n01440777 are both called 'crane'"),
    ("imagenet", devkit(), r"meta\.mat: two synsets have the ILSVRC2012_ID 1"),
    ("imagenet", devkit(num_children="x"), "num_children 1 is 'x'"),
]


@pytest.mark.parametrize(("name", "change", "says"), MISTAKES)
def test_mistakes_are_named(copy, name, change, says):
    root = copy(name)
    change(root)
    with pytest.raises(UserError, match=f"(?s){says}"):
        load_source(name, root)
