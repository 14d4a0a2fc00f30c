from collections import Counter, defaultdict

import pytest
from question_texts import asked_label, options_of, pairs
from small_sources import picture

from data_builders.build import build
from data_builders.question_maker import question_words
from data_builders.records import read_rows
from data_builders.shared.errors import UserError
from data_builders.sources import LabelledImage, Level, Source, load_source


def rows(folder):
    return list(read_rows(folder))


def test_short_answers_are_one_row_per_training_image(cub, tmp_path):
    manifest = build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub"})
    found = rows(tmp_path / "out")
    train = {row.image: row.category for row in load_source("cub", cub).split("train")}
    assert {row["image"]: row["conversations"][1]["value"] for row in found} == train
    assert manifest["rows"] == len(found) == 14
    assert (tmp_path / "out" / manifest["image_root"] / found[0]["image"]).is_file()


def test_only_the_first_question_carries_the_placeholder(cub, tmp_path):
    build("questions", root=cub, out=tmp_path / "out", options={"source": "cub", "per_kind": 2})
    for row in rows(tmp_path / "out"):
        humans = [turn["value"] for turn in row["conversations"][::2]]
        assert humans[0].startswith("<image>\n")
        assert "<image>" not in "".join(humans)[len("<image>") :]
        assert row["turns"] == "independent"
        assert len(humans) == 2 * 3 * 3


def test_adding_images_leaves_every_other_question_as_it_was(cub, tmp_path):
    options = {"source": "cub", "kinds": ["choice", "short_answer"]}
    build("questions", root=cub, out=tmp_path / "few", options={**options, "max_images_per_class": 1})
    build("questions", root=cub, out=tmp_path / "all", options=options)
    every = {row["id"]: row for row in rows(tmp_path / "all")}
    few = rows(tmp_path / "few")
    assert len(few) == 7
    assert all(every[row["id"]] == row for row in few)


def test_seed_decides_everything(cub, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        build("questions", root=cub, out=tmp_path / name, options={"source": "cub", "seed": seed})
    a, b, c = ((tmp_path / name / "rows.jsonl").read_bytes() for name in "abc")
    assert a == b != c


def test_true_false_is_balanced_within_every_label_and_wrong_labels_are_siblings(cub, tmp_path):
    build(
        "questions",
        root=cub,
        out=tmp_path / "out",
        options={"source": "cub", "kinds": "true_false", "levels": "species"},
    )
    source, answers = load_source("cub", cub), defaultdict(Counter)
    for row in rows(tmp_path / "out"):
        for question, answer in pairs(row):
            answers[row["category"]][answer] += 1
            label = asked_label(question)
            assert (label == row["category"]) == (answer == "yes")
            if answer == "no" and (siblings := source.siblings(source.finest, row["category"])):
                assert label in siblings
    assert all(count == {"yes": 1, "no": 1} for count in answers.values())


def test_choice_lists_four_with_siblings_first_and_the_gold_anywhere(tmp_path, cub):
    build("questions", root=cub, out=tmp_path / "out", options={"source": "cub", "kinds": "choice", "per_kind": 4})
    source, places = load_source("cub", cub), Counter()
    for row in rows(tmp_path / "out"):
        for question, answer in pairs(row)[-4:]:
            options = options_of(question)
            assert len(set(options)) == 4
            assert answer == row["category"]
            siblings = source.siblings(source.finest, answer)
            assert sum(option in siblings for option in options) == min(3, len(siblings))
            places[options.index(answer)] += 1
    assert set(places) == {0, 1, 2, 3}


def test_too_few_labels_for_a_choice_is_said_before_anything_is_written(tmp_path):
    for name in ("crow", "wren"):
        picture(tmp_path / "tree" / name / "a.jpg")
    with pytest.raises(UserError, match="need 4 labels; folder has 2"):
        build(
            "questions", root=tmp_path / "tree", out=tmp_path / "out", options={"source": "folder", "kinds": "choice"}
        )
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_captions_name_the_category_with_the_right_article(cub, tmp_path):
    build("caption", root=cub, out=tmp_path / "out", options={"source": "cub", "level": "class"})
    assert all("an aves." in row["conversations"][1]["value"] for row in rows(tmp_path / "out"))


def statements(row):
    """(asked label, answer) of a row's true/false questions, with the whole question."""
    return [(asked_label(question), answer, question) for question, answer in pairs(row) if answer in ("yes", "no")]


@pytest.mark.parametrize(("per_kind", "wordings"), [(2, 4), (3, 4), (4, 4), (7, 10), (10, 10)])
def test_several_true_false_questions_of_an_image_are_not_all_answered_alike(cub, tmp_path, per_kind, wordings):
    options = {"source": "cub", "kinds": "true_false", "levels": "species"}
    build("questions", root=cub, out=tmp_path / "out", options={**options, "per_kind": per_kind, "wordings": wordings})
    for row in rows(tmp_path / "out"):
        asked = statements(row)
        assert len(asked) == per_kind
        assert {answer for _, answer, _ in asked} == {"yes", "no"}
        assert all((label == row["category"]) == (answer == "yes") for label, answer, _ in asked)
        wrong = [label for label, answer, _ in asked if answer == "no"]
        assert len(set(wrong)) == len(wrong)  # of six wrong labels
        assert len({question for _, _, question in asked}) == per_kind


def test_asking_more_often_leaves_the_first_choices_and_short_answers_as_they_were(cub, tmp_path):
    for count in (2, 4):
        build("questions", root=cub, out=tmp_path / str(count), options={"source": "cub", "per_kind": count})
    two, four = ([pairs(row) for row in rows(tmp_path / name)] for name in ("2", "4"))
    # Of each level come true/false, choice and short answer, `per_kind` of each.
    assert [one[2:6] for one in two] == [one[4:6] + one[8:10] for one in four]


def test_a_name_that_would_split_the_options_is_refused(tmp_path):
    for name in ("crow", 'so-called "wren"', "jay", "tern"):
        picture(tmp_path / "tree" / name / "a.jpg")
    with pytest.raises(UserError, match='so called "wren" has a double quote'):
        build("questions", root=tmp_path / "tree", out=tmp_path / "out", options={"source": "folder"})


def test_more_questions_than_wordings_are_refused(cub, tmp_path):
    for options, most in (({"per_kind": 5}, 4), ({"per_kind": 11, "wordings": 10}, 10)):
        with pytest.raises(UserError, match=f"there are {most} wordings; write at most {most}"):
            build("questions", root=cub, out=tmp_path / "out", options={"source": "cub", **options})


def test_no_short_answer_is_told_by_its_question(tmp_path):
    """A meta-class word that is the answer gives way to "object"."""
    fish = {"meta": "group", "levels": (Level("group", "group", "groups"), Level("kind", "kind", "kinds"))}
    images = [LabelledImage(f"{name}.jpg", name, "train", {"group": "lemon"}) for name in ("lemon", "lime")]
    source = Source("fruit", tmp_path, tuple(images), **fish)
    asked = [question_words(source, row, source.finest).meta for row in source.images]
    assert asked == ["object", "lemon"]


def test_a_level_with_few_labels_is_asked_what_it_allows(tmp_path):
    """Three groups of three: too few for a choice of four at the group's level."""
    for group in ("red", "green", "blue"):
        for number in range(3):
            picture(tmp_path / "set" / "train" / group / f"{group}_{number}" / "1.jpg", number)
    options = {"source": "folder"}
    build("questions", root=tmp_path / "set", out=tmp_path / "out", options=options)
    row = next(read_rows(tmp_path / "out"))
    asked = [turn["value"] for turn in row["conversations"] if turn["from"] == "human"]
    assert [("group" in one, "following list" in one) for one in asked] == [
        (True, False),
        (True, False),
        (False, False),
        (False, True),
        (False, False),
    ]
