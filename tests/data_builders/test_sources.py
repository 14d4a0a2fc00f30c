import pytest
from small_sources import make_cub, make_grocery, picture

from data_builders.shared.errors import UserError
from data_builders.sources import load_source


def test_cub_reads_official_split_and_names(tmp_path):
    source = load_source("cub", make_cub(tmp_path / "cub"))
    assert len(source.split("train")) == len(source.split("test")) == 14
    first = source.images[0]
    assert (first.image, first.category, first.parents) == (
        "images/001.Red_Jay/Red_Jay_0000.jpg",
        "red jay",
        {"class": "aves", "genus": "jay"},
    )
    species = source.finest
    assert source.siblings(species, "blue jay") == ["red jay", "stellers jay"]
    assert source.siblings(species, "mockingbird") == []


def test_meta_class_word_never_gives_the_answer_away(tmp_path):
    source = load_source("cub", make_cub(tmp_path / "cub"))
    row = source.images[0]
    for level in source.levels:
        assert source.meta_word(row, level) != source.label(row, level)


def test_taxonomy_file_replaces_the_rule_for_birds(tmp_path):
    root = make_cub(tmp_path / "cub")
    names = ["red jay", "blue jay", "stellers jay", "song sparrow", "fox sparrow", "winter wren", "mockingbird"]
    (root / "taxonomy.csv").write_text(
        "species,genus,class\n" + "".join(f"{n},g{i % 2},fish\n" for i, n in enumerate(names))
    )
    source = load_source("cub", root)
    assert source.images[0].parents == {"class": "fish", "genus": "g0"}


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("image_class_labels.txt", "1 1\n", "1 99\n", "'99'.*classes.txt goes from 1 to 7"),
        ("image_class_labels.txt", "1 1\n", "", "no line for image 1"),
        ("train_test_split.txt", "1 1\n", "1 2\n", "1 = train, 0 = test"),
        ("images.txt", "1 001.Red_Jay/Red_Jay_0000.jpg", "1 001.Red_Jay/absent.jpg", "1 of 28 images.*absent.jpg"),
        ("images.txt", "1 001.Red_Jay/Red_Jay_0000.jpg", "1 ../../secret.jpg", "stay inside"),
        ("classes.txt", "7 007.Mockingbird\n", "7 007.Mockingbird\n8 008.Dodo\n", "1 classes have no image.*Dodo"),
        ("classes.txt", "7 007.Mockingbird\n", "7\n", "line 7"),
    ],
)
def test_contradictions_in_cub_are_named(tmp_path, file, old, new, says):
    root = make_cub(tmp_path / "cub")
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=f"(?s){says}"):
        load_source("cub", root)


def test_missing_list_file_and_missing_root(tmp_path):
    root = make_cub(tmp_path / "cub")
    (root / "train_test_split.txt").unlink()
    with pytest.raises(UserError, match=r"train_test_split\.txt"):
        load_source("cub", root)
    with pytest.raises(UserError, match="no folder"):
        load_source("cub", tmp_path / "nowhere")


def test_grocery_is_found_from_either_folder(tmp_path):
    root = make_grocery(tmp_path / "grocery")
    outer, inner = load_source("grocery", root), load_source("grocery", root / "dataset")
    assert outer.root == inner.root
    assert [row.category for row in outer.split("test")][:3] == ["royal gala", "pink lady", "arla milk"]
    assert outer.images[0].parents == {"category": "apple"}


def test_grocerys_validation_list_is_read_where_it_is(tmp_path):
    data = make_grocery(tmp_path / "grocery") / "dataset"
    with pytest.raises(UserError, match="no val images"):
        load_source("grocery", data).split("val")
    (data / "train.txt").rename(data / "val.txt")
    (data / "train.txt").write_text("train/Food/Lemon/Lemon_1.jpg, 10, 6\n")
    source = load_source("grocery", data)
    assert (len(source.split("train")), len(source.split("val")), len(source.split("test"))) == (1, 6, 6)


def test_folder_tree_with_and_without_splits_and_groups(tmp_path):
    for path in ("train/big/001.Fish_crow/a.jpg", "train/small/Wren/a.png", "test/big/001.Fish_crow/b.jpg"):
        picture(tmp_path / "split" / path)
    source = load_source("folder", tmp_path / "split")
    assert {(row.category, row.split, row.parents["group"]) for row in source.images} == {
        ("fish crow", "train", "big"),
        ("wren", "train", "small"),
        ("fish crow", "test", "big"),
    }
    for path in ("crow/a.jpg", "wren/a.jpg"):
        picture(tmp_path / "flat" / path)
    flat = load_source("folder", tmp_path / "flat")
    assert [level.name for level in flat.levels] == ["category"]
    with pytest.raises(UserError, match="no test images"):
        flat.split("test")
    (tmp_path / "flat" / "dodo").mkdir()
    with pytest.raises(UserError, match="dodo has no image"):
        load_source("folder", tmp_path / "flat")


def test_real_sources_are_read_whole(shared):
    data = shared / "data"
    sizes = {
        "cub": (data / "CUB_200_2011", 450, 300),
        "grocery": (data / "GroceryStoreDataset", 525, 280),
    }
    for name, (root, train, test) in sizes.items():
        source = load_source(name, root)
        assert (len(source.split("train")), len(source.split("test"))) == (train, test)
    albatross = load_source("cub", data / "CUB_200_2011").images[0]
    assert albatross.attributes["bill shape"] == "hooked seabird"
    assert len(load_source("imagenet_1each", data / "imagenet_1each").images) == 1000
