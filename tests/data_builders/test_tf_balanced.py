"""The occurrence laws of the balanced true/false set."""

from collections import Counter, defaultdict

import pytest
from question_texts import asked_label, pairs
from small_sources import picture

from data_builders.build import build
from data_builders.records import read_rows
from data_builders.shared.errors import UserError

# (genus, species) -> training images; one species has few, and one genus has one species
COUNTS = {
    ("jay", "red"): 7,
    ("jay", "blue"): 5,
    ("jay", "green"): 9,
    ("wren", "old"): 3,
    ("wren", "new"): 6,
    ("gull", "lone"): 8,
}


@pytest.fixture
def tree(tmp_path):
    for (genus, species), count in COUNTS.items():
        for number in range(count):
            picture(tmp_path / "tree/train" / genus / f"{species}_{genus}" / f"{number}.png")
        picture(tmp_path / "tree/test" / genus / f"{species}_{genus}" / "test.png")
    return tmp_path / "tree"


def questions(folder):
    """(image, category, asked label, answer, question) of every question."""
    for row in read_rows(folder):
        assert row["turns"] == "independent"
        for question, answer in pairs(row):
            yield row["image"], row["category"], asked_label(question), answer, question


CASES = [
    {},
    {"per_category": 2},
    {"per_category": 6},
    {"per_category": 10},
    {"per_category": 24},
    {"per_category": 8, "images_per_category": 2},
    {"per_category": 30, "wordings": 10, "images_per_category": 2},
    {"images_per_category": 1},
    {"per_category": 6, "negatives": "siblings"},
    {"per_category": 14, "negatives": "siblings", "seed": 3},
    {"per_category": 4, "max_images_per_class": 2},
]


@pytest.mark.parametrize("options", CASES, ids=str)
def test_every_category_occurs_equally_often(tree, tmp_path, options):
    build("tf_balanced", root=tree, out=tmp_path / "out", options={"source": "folder", **options})
    found = list(questions(tmp_path / "out"))
    labels = {f"{species} {genus}" for genus, species in COUNTS}
    smallest = min(3, options.get("max_images_per_class", 3))
    per_category = options.get("per_category", 2 * options.get("images_per_category", smallest))
    images = options.get("images_per_category", min(smallest, per_category // 2))
    # Every category is asked about, and shown, in per_category questions, half yes and half no.
    for place in (1, 2):
        assert Counter((one[place], one[3]) for one in found) == {
            (label, answer): per_category // 2 for label in labels for answer in ("yes", "no")
        }
    # As many images of each; each is in as many yes as no questions, and in as many as the others or one pair more.
    of_image = defaultdict(Counter)
    for image, category, asked, answer, _ in found:
        of_image[category, image][answer] += 1
        assert (asked == category) == (answer == "yes")
    assert Counter(category for category, _ in of_image) == dict.fromkeys(labels, images)
    pairs_of_image = {count["yes"] for count in of_image.values()}
    assert all(count["yes"] == count["no"] for count in of_image.values())
    assert max(pairs_of_image) - min(pairs_of_image) <= 1
    # No question is asked twice about an image.
    assert len({(image, question) for image, _, _, _, question in found}) == len(found)


def test_wrong_labels_are_all_others_equally_often(tree, tmp_path):
    for per_category in (6, 10, 14, 24):
        out = tmp_path / str(per_category)
        build("tf_balanced", root=tree, out=out, options={"source": "folder", "per_category": per_category})
        asked = Counter((category, label) for _, category, label, answer, _ in questions(out) if answer == "no")
        full = per_category // 2 // 5
        assert set(asked.values()) <= {full, full + 1} - {0}
        assert len(asked) == 6 * min(5, per_category // 2)
        wrong = defaultdict(list)
        for image, _, label, answer, _ in questions(out):
            if answer == "no":
                wrong[image].append(label)
        if per_category // 2 <= 5:
            assert all(len(set(labels)) == len(labels) for labels in wrong.values())


def test_siblings_are_asked_about_where_there_are_some(tree, tmp_path):
    options = {"source": "folder", "per_category": 6, "negatives": "siblings"}
    build("tf_balanced", root=tree, out=tmp_path / "out", options=options)
    met = {(category, label) for _, category, label, answer, _ in questions(tmp_path / "out") if answer == "no"}
    assert {label.split()[1] for category, label in met if "jay" in category} == {"jay"}
    # The lone gull joins the group before it.
    assert {category for category, label in met if label == "lone gull"} == {"old wren", "new wren"}


def test_no_answer_follows_from_the_super_category(tmp_path):
    """A question about a bird of the drawn miniature never asks whether it is one of its fishes."""
    counts = {"train_images_per_species": 2, "test_images_per_species": 1, "pixels": 32}
    build("drawn", root=None, out=tmp_path / "drawn", options={"source": "cub", **counts})
    build("tf_balanced", root=tmp_path / "drawn", out=tmp_path / "out", options={"source": "cub"})
    subject = {}
    found = list(questions(tmp_path / "out"))
    for _, category, _, _, question in found:
        subject[category] = "bird" if "bird" in question else "fish"
    assert Counter(subject.values()) == {"bird": 16, "fish": 16}
    assert all(subject[category] == subject[label] for _, category, label, _, _ in found)


def test_yes_and_no_come_first_equally_often(tree, tmp_path):
    options = {"source": "folder", "per_category": 24}
    build("tf_balanced", root=tree, out=tmp_path / "out", options=options)
    first = Counter(answer for row in read_rows(tmp_path / "out") for _, answer in pairs(row)[::2])
    assert min(first["yes"], first["no"]) > 20  # of 72


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_category": 7}, "write 6 or 8"),
        ({"images_per_category": 4}, "'old wren' has 3 training images; write at most 3"),
        ({"per_category": 4, "images_per_category": 3}, "3 images of each category need 6 questions or more"),
        ({"per_category": 26}, "3 images in 4 wordings make at most 24 different questions"),
    ],
)
def test_what_cannot_be_balanced_is_said_with_what_can(tree, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        build("tf_balanced", root=tree, out=tmp_path / "out", options={"source": "folder", **options})
    assert not (tmp_path / "out/manifest.json").exists()


def test_one_category_has_no_wrong_label(tmp_path):
    picture(tmp_path / "tree/jay/1.png")
    with pytest.raises(UserError, match="one category only, 'jay'"):
        build("tf_balanced", root=tmp_path / "tree", out=tmp_path / "out", options={"source": "folder"})
