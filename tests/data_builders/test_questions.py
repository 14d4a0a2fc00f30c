import json
import re
from collections import Counter, defaultdict

import pytest
from small_sources import make_cub, make_grocery

from data_builders.build import build
from data_builders.errors import UserError
from data_builders.files import read_jsonl
from data_builders.records import read_rows
from data_builders.sources import load_source

TRACK = "FG-BMK/human-oriented/hierarchical_granularity_recognition"


def options_of(question: str) -> list[str]:
    return re.findall(r'"([^"]*)"', question)


def asked_label(question: str) -> str:
    """The label of a true/false question."""
    found = re.search(
        r"(?: known as| photo a| shown a|^Is the \w+ of the \w+) (.+)\? Answer with yes or no\.$", question
    )
    assert found, question
    return found[1]


def rows(folder):
    return list(read_rows(folder))


def pairs(row):
    turns = row["conversations"]
    return [
        (human["value"].removeprefix("<image>\n"), gpt["value"])
        for human, gpt in zip(turns[::2], turns[1::2], strict=True)
    ]


@pytest.fixture
def cub(tmp_path):
    return make_cub(tmp_path / "cub")


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


def test_distractors_do_not_contain_the_right_name_where_others_are_left(tmp_path):
    root = make_grocery(tmp_path / "grocery")
    build("fgbmk", root=root, out=tmp_path / "out", options={"source": "grocery", "kinds": "choice"})
    path = tmp_path / "out" / TRACK / "grocery/category/category_question_choice.jsonl"
    milk = [row for row in read_jsonl(path) if row["class"] == "milk"]
    held = [[option for option in options_of(row["text"]) if "milk" in option and option != "milk"] for row in milk]
    # Of apple, oat milk, soy milk and lemon only two do not hold "milk".
    assert [len(one) for one in held] == [1]


def test_too_few_labels_for_a_choice_is_said_before_anything_is_written(tmp_path):
    for name in ("crow", "wren"):
        from small_sources import picture

        picture(tmp_path / "tree" / name / "a.jpg")
    with pytest.raises(UserError, match="need 4 labels; folder has 2"):
        build("questions", root=tmp_path / "tree", out=tmp_path / "out", options={"source": "folder"})
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_captions_name_the_category_with_the_right_article(cub, tmp_path):
    build("caption", root=cub, out=tmp_path / "out", options={"source": "cub", "level": "class"})
    assert all("an aves." in row["conversations"][1]["value"] for row in rows(tmp_path / "out"))


def test_benchmark_files_hold_test_images_only_and_training_sets_none_of_them(cub, tmp_path):
    build("fgbmk", root=cub, out=tmp_path / "bench", options={"source": "cub"})
    build("questions", root=cub, out=tmp_path / "train", options={"source": "cub"})
    asked = {row["image"] for path in (tmp_path / "bench").rglob("*.jsonl") for row in read_jsonl(path)}
    assert len(asked) == 14
    assert asked.isdisjoint(row["image"] for row in rows(tmp_path / "train"))


def test_two_data_sets_share_one_benchmark_folder(cub, tmp_path):
    grocery, out = make_grocery(tmp_path / "grocery"), tmp_path / "bench"
    build("fgbmk", root=cub, out=out, options={"source": "cub", "dataset": "small"})
    build("fgbmk", root=grocery, out=out, options={"source": "grocery"})
    roots = json.loads((out / "FG-BMK/images.json").read_text())
    assert set(roots) == {"small", "grocery"}
    row = next(read_jsonl(out / TRACK / "grocery/product/product_question_short_answer.jsonl"))
    assert (out / "FG-BMK" / roots["grocery"] / row["image"]).is_file()


def test_published_question_files_are_not_overwritten(cub, tmp_path):
    folder = tmp_path / TRACK / "cub" / "species"
    folder.mkdir(parents=True)
    (folder / "species_question_choice.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match="did not write"):
        build("fgbmk", root=cub, out=tmp_path, options={"source": "cub"})
    assert (folder / "species_question_choice.jsonl").read_text() == "{}\n"


def wording(row: dict, kind: str) -> str:
    """The question without its labels."""
    text = row["text"]
    if kind == "choice":
        return re.sub(r'"[^"]*"(, "[^"]*")*', "OPTIONS", text)
    return text.replace(f" {asked_label(text)}?", " LABEL?") if kind == "true_false" else text


@pytest.mark.parametrize("level", ["class", "genus", "species"])
@pytest.mark.parametrize("kind", ["choice", "true_false", "short_answer"])
def test_files_agree_with_the_published_ones(shared, tmp_path, level, kind):
    published = shared / "data" / TRACK / "cub" / level
    name = f"{level}_question_{kind}.jsonl"
    file = published / ("class_question_true_flase.jsonl" if (level, kind) == ("class", "true_false") else name)
    if not file.exists():
        assert kind == "short_answer"
        assert level != "species"
        return
    root = shared / "data" / "CUB_200_2011"
    build("fgbmk", root=root, out=tmp_path, options={"source": "cub", "levels": level, "kinds": kind})
    ours, theirs = list(read_jsonl(tmp_path / TRACK / "cub" / level / name)), list(read_jsonl(file))
    assert [list(row) for row in ours] == [list(row) for row in theirs]
    assert {row["image"] for row in ours} == {row["image"] for row in theirs}
    assert {wording(row, kind) for row in ours} == {wording(row, kind) for row in theirs}
    if kind == "true_false":
        species = {row.image: row for row in load_source("cub", root).images}
        for row in (*ours, *theirs):
            one = species[row["image"]]
            label = one.category if level == "species" else one.parents[level]
            assert (asked_label(row["text"]) == label) == (row["class"] == "yes")
        shares = [sum(row["class"] == "yes" for row in found) / len(found) for found in (ours, theirs)]
        assert shares == pytest.approx([0.5, 0.5], abs=0.05)
        if level == "species":
            of_genus = []
            for found in (ours, theirs):
                wrong = [row for row in found if row["class"] == "no"]
                same = [asked_label(row["text"]).split()[-1] == species[row["image"]].parents["genus"] for row in wrong]
                of_genus.append(sum(same) / len(same))
            assert of_genus[0] == pytest.approx(of_genus[1], abs=0.08)  # 83 % over all of CUB
    else:
        gold = {row["image"]: row["class"] for row in theirs}
        assert all(gold[row["image"]] == row["class"] for row in ours)
    if kind == "choice":
        for row in (*ours, *theirs):
            options = options_of(row["text"])
            assert len(set(options)) == 4
            assert row["class"] in options
