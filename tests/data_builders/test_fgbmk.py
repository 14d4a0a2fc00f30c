"""The question files of FG-BMK's three human-oriented tracks."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from question_texts import asked_label, options_of
from small_sources import make_grocery

from data_builders.build import build
from data_builders.fgbmk import builder
from data_builders.records import read_rows
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_jsonl
from data_builders.sources import LabelledImage, Level, Source, load_source

HUMAN = Path("FG-BMK/human-oriented")
TRACK = HUMAN / "hierarchical_granularity_recognition"
BIAS = HUMAN / "knowledge_bias_estimination"
ATTRIBUTES = HUMAN / "attribute_recognition"
FIELDS = ["question_id", "image", "text", "class", "category"]


def source_of(name="made", labels=(), levels=(), meta="object", **more):
    """A source of test images that bear these labels: texts, or a tuple where an image bears several."""
    several = not isinstance(labels[0], str)
    images = tuple(
        LabelledImage(f"{n}.jpg", ", ".join(one) if several else one, "test", labels=tuple(one) if several else ())
        for n, one in enumerate(labels)
    )
    levels = levels or (Level("kind", "kind", "kinds"),)
    return Source(name, Path("."), images, levels, meta, **more)


def read_from(monkeypatch, source):
    monkeypatch.setattr(builder, "load_source", lambda *given, **options: source)
    monkeypatch.setattr(builder, "refuse_broken", lambda images, options: None)  # it has no files


def files_below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.jsonl"))}


def test_files_lie_and_are_called_as_published(drawn, tmp_path):
    build("fgbmk", root=drawn, out=tmp_path, options={"source": "cub", "tracks": "hierarchy,knowledge_bias,attributes"})
    hierarchy = {f"{level}/{level}_question_choice.jsonl" for level in ("class", "genus", "species")}
    hierarchy |= {f"{level}/{level}_question_true_false.jsonl" for level in ("genus", "species")}
    hierarchy |= {"class/class_question_true_flase.jsonl", "species/species_question_short_answer.jsonl"}
    assert set(files_below(tmp_path)) == {
        *(str(TRACK / "cub" / name) for name in hierarchy),
        str(BIAS / "cub/questions_true_false_all_class.jsonl"),
        str(ATTRIBUTES / "cub_attribute_questions.jsonl"),
    }
    test = {row.image for row in load_source("cub", drawn).split("test")}
    for name in files_below(tmp_path):
        rows = list(read_jsonl(tmp_path / name))
        assert all(list(row) == FIELDS for row in rows)
        assert [row["question_id"] for row in rows] == list(range(1, len(rows) + 1))
        assert {row["image"] for row in rows} == test


def test_benchmark_files_hold_test_images_only_and_training_sets_none_of_them(cub, tmp_path):
    build("fgbmk", root=cub, out=tmp_path / "bench", options={"source": "cub", "tracks": "hierarchy,knowledge_bias"})
    asked = {row["image"] for path in (tmp_path / "bench").rglob("*.jsonl") for row in read_jsonl(path)}
    assert len(asked) == 14
    for what in ("questions", "tf_balanced", "caption_fg", "short_answer"):
        build(what, root=cub, out=tmp_path / what, options={"source": "cub"})
        assert asked.isdisjoint(row["image"] for row in read_rows(tmp_path / what))


def test_knowledge_bias_asks_a_yes_and_a_no_about_every_image(drawn, tmp_path):
    build("fgbmk", root=drawn, out=tmp_path, options={"source": "cub", "tracks": "knowledge_bias"})
    truth = {row.image: row for row in load_source("cub", drawn).images}
    answers, wrong, siblings = defaultdict(list), set(), 0
    for row in read_jsonl(tmp_path / BIAS / "cub/questions_true_false_all_class.jsonl"):
        image, label = truth[row["image"]], asked_label(row["text"])
        answers[row["image"]].append(row["class"])
        assert row["category"] == image.category
        assert (label == image.category) == (row["class"] == "yes")
        other = next(one for one in truth.values() if one.category == label)
        assert other.parents["class"] == image.parents["class"]  # a bird is never asked to be a fish
        wrong.add(label)
        siblings += row["class"] == "no" and other.parents["genus"] == image.parents["genus"]
    assert all(sorted(two) == ["no", "yes"] for two in answers.values())
    assert len(wrong) > 25  # of 32
    assert siblings < 30  # 3 of 15 others are: 13 of 64 expected


def test_attributes_are_asked_true_half_the_time_and_offered_with_all_values(drawn, tmp_path):
    build("fgbmk", root=drawn, out=tmp_path, options={"source": "cub", "tracks": "attributes"})
    source = load_source("cub", drawn)
    truth = {row.image: row.attributes for row in source.images}
    answers, seen = defaultdict(Counter), Counter()
    for row in read_jsonl(tmp_path / ATTRIBUTES / "cub_attribute_questions.jsonl"):
        attribute = next(name for name in source.attribute_values if f"the {name} of the" in row["text"])
        values, value = source.attribute_values[attribute], truth[row["image"]][attribute]
        seen[row["image"], attribute] += 1
        if row["class"] in ("yes", "no"):
            asked = row["text"].removesuffix("?").rpartition(" ")[2]
            assert asked in values
            assert (asked == value) == (row["class"] == "yes")
            answers[attribute, value][row["class"]] += 1
        else:
            assert (options_of(row["text"]), row["class"]) == (list(values), value)
    assert set(seen.values()) == {2}
    assert len(seen) == 64 * 6
    assert all(abs(count["yes"] - count["no"]) <= 1 for count in answers.values())


def test_attributes_of_a_data_set_without_any_are_refused(cub, tmp_path):
    with pytest.raises(UserError, match="has no attributes"):
        build("fgbmk", root=cub, out=tmp_path / "out", options={"source": "cub", "tracks": "attributes"})


def test_ten_wordings_hold_the_published_four(drawn, tmp_path):
    found = {}
    for count in (4, 10):
        options = {"source": "cub", "levels": "genus", "kinds": "short_answer", "wordings": count}
        build("fgbmk", root=drawn, out=tmp_path / str(count), options=options)
        path = tmp_path / str(count) / TRACK / "cub/genus/genus_question_short_answer.jsonl"
        found[count] = {row["text"].replace("bird", "fish") for row in read_jsonl(path)}
    assert len(found[4]) == 4
    assert len(found[10]) == 10
    assert found[4] < found[10]


def test_short_answers_at_the_finest_level_only(cub, tmp_path):
    build("fgbmk", root=cub, out=tmp_path / "out", options={"source": "cub", "short_answers": "finest"})
    short = [name for name in files_below(tmp_path / "out") if name.endswith("short_answer.jsonl")]
    assert short == [str(TRACK / "cub/species/species_question_short_answer.jsonl")]


def test_the_category_of_a_row_is_as_published(monkeypatch, tmp_path):
    for name, expected in (("made", "generic"), ("aircraft", "a a"), ("inat2021", "kind")):
        read_from(monkeypatch, source_of(name, ["a a"] * 4 + ["b b", "c c", "d d"]))
        options = {"source": "folder", "dataset": name, "max_images_per_class": 1}
        build("fgbmk", root=tmp_path, out=tmp_path / "out", options=options)
        for kind in ("true_false", "choice"):
            row = next(read_jsonl(tmp_path / "out" / TRACK / name / "kind" / f"kind_question_{kind}.jsonl"))
            assert row["category"] == (expected if kind == "true_false" or name == "inat2021" else "generic")


def test_a_question_about_one_of_several_labels_has_one_right_answer(monkeypatch, tmp_path):
    names = "abcdefgh"
    labels = [tuple(names[n % 8 : n % 8 + 1 + n % 3]) for n in range(80)]
    read_from(monkeypatch, source_of("skincon", labels))
    options = {"source": "folder", "dataset": "many", "tracks": "hierarchy,knowledge_bias"}
    build("fgbmk", root=tmp_path, out=tmp_path / "out", options=options)
    borne = {f"{n}.jpg": set(one) for n, one in enumerate(labels)}
    folder = tmp_path / "out" / TRACK / "many/kind"
    assert sorted(path.name for path in folder.iterdir()) == [
        "kind_question_choice.jsonl",
        "kind_question_true_false.jsonl",
    ]
    for row in read_jsonl(folder / "kind_question_choice.jsonl"):
        assert borne[row["image"]] & set(options_of(row["text"])) == {row["class"]}
    answers = Counter()
    for path in (folder / "kind_question_true_false.jsonl", next((tmp_path / "out").rglob("questions_true_false*"))):
        for row in read_jsonl(path):
            answers[path.name, row["class"]] += 1
            assert (asked_label(row["text"]) in borne[row["image"]]) == (row["class"] == "yes")
    assert {count for (name, _), count in answers.items() if name.startswith("questions")} == {80}
    assert {count for (name, _), count in answers.items() if name.startswith("kind")} == {40}


def test_a_short_answer_about_several_labels_is_refused(monkeypatch, tmp_path):
    read_from(monkeypatch, source_of("skincon", [("a", "b"), ("c", "d")]))
    with pytest.raises(UserError, match="write --kinds true_false,choice"):
        build("fgbmk", root=tmp_path, out=tmp_path / "out", options={"source": "folder", "kinds": "short_answer"})


def test_what_a_level_has_too_few_labels_for_is_left_out_only_when_nobody_asked_for_it(monkeypatch, tmp_path, capsys):
    read_from(monkeypatch, source_of(labels=["a", "b", "c"]))
    manifest = build("fgbmk", root=tmp_path, out=tmp_path / "out", options={"source": "folder"})
    assert "left out: choice questions at level kind need 4 labels; made has 3 (a, b, c)" in capsys.readouterr().err
    assert len(manifest["left_out"]) == 1
    with pytest.raises(UserError, match="need 4 labels"):
        build("fgbmk", root=tmp_path, out=tmp_path / "more", options={"source": "folder", "kinds": "choice"})
    assert not (tmp_path / "more").exists()


def test_distractors_do_not_contain_the_right_name_where_others_are_left(monkeypatch, tmp_path):
    labels = ["B-2", "B-29", "b 2 bomber", "C-5", "E-3", "F-4"]
    read_from(monkeypatch, source_of(labels=labels * 5))
    build("fgbmk", root=tmp_path, out=tmp_path / "out", options={"source": "folder", "kinds": "choice"})
    for row in read_jsonl(tmp_path / "out" / TRACK / "folder/kind/kind_question_choice.jsonl"):
        if row["class"] == "B-2":
            assert set(options_of(row["text"])) == {"B-2", "C-5", "E-3", "F-4"}
    root = make_grocery(tmp_path / "grocery")
    monkeypatch.undo()
    build("fgbmk", root=root, out=tmp_path / "out", options={"source": "grocery", "kinds": "choice"})
    path = tmp_path / "out" / TRACK / "grocery/category/category_question_choice.jsonl"
    milk = [row for row in read_jsonl(path) if row["class"] == "milk"]
    # Of apple, oat milk, soy milk and lemon only two do not hold "milk".
    assert [sum("milk" in option for option in options_of(row["text"])) for row in milk] == [2]
