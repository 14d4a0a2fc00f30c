"""Answers scored as names: every answer comes to exactly one outcome, by a taxonomy that some file says."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.shared.csv_tables import csv_rows
from data_builders.shared.files import read_json, write_jsonl
from evaluation import __main__ as command
from evaluation.judging.agreement import agreement_of
from evaluation.judging.mentions import NameIndex, Text
from evaluation.judging.recognition import GRADES, OUTCOMES, Known
from evaluation.judging.taxonomy import NO_TAXONOMY, read_taxonomy, taxonomy_of
from evaluation.scoring.name_outcomes import with_names
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.load import load_tasks
from evaluation.tasks.task_files import task_without_items
from evaluation.tasks.taxonomies import NoTaxonomy, of_question_files, taxonomy_for

GOLDEN = Path(__file__).parents[1] / "golden"
BIRDS = """species,genus,family,aliases
black footed albatross,albatross,diomedeidae,Phoebastria nigripes|goony
laysan albatross,albatross,diomedeidae,gooney
sooty tern,tern,laridae,wideawake
ivory gull,gull,laridae,
"""
GOLD = "black footed albatross"
QUESTION = "Which species does the bird in the photo belong to?"
NAMES = ("black footed albatross", "laysan albatross", "sooty tern", "ivory gull")
ANSWERS = {  # answer -> (outcome, what it names, at which level)
    "Black-footed Albatross": ("name_exact", GOLD, ""),
    "black footed albatrosses": ("name_exact", GOLD, ""),
    "a goony": ("name_exact", GOLD, ""),
    "Phoebastria nigripes.": ("name_exact", GOLD, ""),
    "It is a black footed albatross, not a laysan albatross": ("name_exact", GOLD, ""),
    "Unlike the laysan albatross, this black footed albatross is dark": ("name_exact", GOLD, ""),
    "an albatross": ("name_level", "albatross", "genus"),
    "one of the Diomedeidae": ("name_level", "diomedeidae", "family"),
    "Laysan albatross": ("sibling", "laysan albatross", ""),
    "a gooney": ("sibling", "laysan albatross", ""),
    "sooty tern": ("other", "sooty tern", ""),
    "wideawake": ("other", "sooty tern", ""),
    "a gull": ("other", "gull", "genus"),
    "a bird": ("unnamed", "", ""),
    "": ("unnamed", "", ""),
    "I cannot tell": ("unnamed", "", ""),
}


@pytest.fixture
def birds(tmp_path):
    path = tmp_path / "birds.csv"
    path.write_text(BIRDS)
    return read_taxonomy(str(path))


def test_what_an_answer_comes_to(birds):
    known = Known(NAMES, birds)
    for answer, wanted in ANSWERS.items():
        found = known.named(GOLD, QUESTION, "", Text(answer))
        assert (found.outcome, found.named, found.level) == wanted, answer


def test_what_the_question_gives_away_is_not_named(birds):
    known = Known(NAMES, birds)
    for question, outcome in {"Which albatross is it?": "unnamed", QUESTION: "name_level"}.items():
        assert known.named(GOLD, question, "", Text("an albatross")).outcome == outcome
    assert known.named(GOLD, "A gull or not?", "", Text("a gull")).outcome == "unnamed"


def test_at_a_coarser_level_whoever_names_a_member_has_named_it(birds):
    genus = birds.at("genus")
    known = Known(genus.names, genus)
    for answer, outcome in {
        "albatross": "name_exact",
        "laysan albatross": "name_exact",
        "diomedeidae": "name_level",
        "sooty tern": "other",
        "tern": "other",
    }.items():
        assert known.named("albatross", "Which genus?", "", Text(answer)).outcome == outcome, answer
    assert known.named("tern", "Which genus?", "", Text("ivory gull")).outcome == "sibling"


SAID = ("black", "footed", "albatross", "laysan", "gull", "sooty", "tern", "a", "not", "the", "bird")
WORDS = st.lists(st.sampled_from(SAID), max_size=8)


@given(WORDS)
def test_many_names_are_found_as_each_of_them_is(said):
    text = Text(" ".join(said))
    one_by_one = sorted(mention for name in NAMES for mention in text.mentions(name))
    assert NameIndex(NAMES).mentions(text) == one_by_one


def rows_of(answers, kind="short_answer"):
    gold = {"gold": GOLD, "category": "generic"} if kind == "short_answer" else {"gold": "A bird.", "category": GOLD}
    about = {"question": QUESTION, "finished": True, **gold}
    return [
        {"question_id": number, "image": f"{number // 2}.jpg", "answer": answer, **about}
        for number, answer in enumerate(answers)
    ]


@pytest.mark.parametrize(("name", "kind"), [("fgbmk/cub/species/short_answer", "short_answer"), ("frow/cub", "open")])
def test_outcomes_partition(birds, name, kind):
    task, rows = task_without_items(name), rows_of(ANSWERS, kind)
    score, named = with_names(score_answers(task, rows), task, rows, birds)
    shares = {one.rule: one for one in score.scores if one.metric == "share"}
    assert tuple(shares) == OUTCOMES
    assert sum(one.value for one in shares.values()) == pytest.approx(100)
    counted = Counter(outcome for outcome, *_ in ANSWERS.values())
    for outcome, one in shares.items():
        assert one.value == pytest.approx(100 * counted[outcome] / len(ANSWERS))
        assert 0 <= one.low <= one.value <= one.high <= 100
    levels = {one.metric: one.value for one in score.scores if one.rule == "name_level" and one.metric != "share"}
    assert sum(levels.values()) == pytest.approx(shares["name_level"].value)
    assert levels["genus"] == levels["family"] > 0 == levels["own_word"]
    assert Counter(one["outcome"] for one in named) == counted
    assert score.main.rule == task.primary
    turned, _ = with_names(score_answers(task, rows[::-1]), task, rows[::-1], birds)
    assert turned == score


def test_names_grade_as_recognition_by_rules_does(birds):
    from evaluation.judging.deterministic import judge

    known = Known(NAMES, birds)
    for answer, (outcome, *_) in ANSWERS.items():
        assert judge(GOLD, QUESTION, "A bird.", answer, NAMES, birds).item == GRADES[outcome], answer
        assert known.named(GOLD, QUESTION, "A bird.", Text(answer)).outcome == outcome


CUB = "FG-BMK/human-oriented/hierarchical_granularity_recognition/cub"


def questions(folder, level, kind, golds, options=()):
    listed = ", ".join(f'"{one}"' for one in options)
    text = f"{QUESTION} Choose one answer from the following list: {listed}" if options else QUESTION
    rows = [
        {"question_id": number, "image": f"images/{number}.jpg", "text": text, "class": gold}
        for number, gold in enumerate(golds)
    ]
    write_jsonl(folder / CUB / level / f"{level}_question_{kind}.jsonl", rows)
    return folder / CUB


def test_the_questions_at_several_levels_are_a_taxonomy(tmp_path, birds):
    place = questions(tmp_path, "species", "short_answer", NAMES)
    with pytest.raises(NoTaxonomy, match="one level only"):
        of_question_files(place)
    questions(tmp_path, "genus", "choice", ["albatross", "albatross", "tern", "gull"], ["albatross", "tern", "owl"])
    questions(tmp_path, "family", "choice", ["diomedeidae", "diomedeidae", "laridae", "laridae"])
    found = of_question_files(place)
    assert found.levels == ("species", "genus", "family") == birds.levels
    assert {name: found.of(name).ancestors for name in NAMES} == {name: birds.of(name).ancestors for name in NAMES}
    questions(tmp_path, "family", "choice", ["diomedeidae", "laridae", "laridae", "laridae"])
    with pytest.raises(NoTaxonomy, match="'albatross' lies under 'diomedeidae' and 'laridae'"):
        of_question_files(place)


def test_what_is_not_at_hand_is_not_measured_and_says_what_would_give_it(tmp_path, birds):
    questions(tmp_path, "species", "short_answer", NAMES)
    (tmp_path / "CUB_200_2011").mkdir()
    [task] = load_tasks(["fgbmk/cub/species/short_answer"], [tmp_path])
    rows = [{**one, "gold": task.items[n].gold} for n, one in enumerate(rows_of(NAMES))]
    score, named = with_names(score_answers(task, rows), task, rows)
    assert (named, {one.rule for one in score.scores}) == ([], set(task.rules))
    assert "names are not measured" in score.notes[-1]
    assert f"write {tmp_path}/taxonomy/cub.csv" in score.notes[-1]
    (tmp_path / "taxonomy").mkdir()
    (tmp_path / "taxonomy/cub.csv").write_text(BIRDS)
    other = replace(task, source=task.source.parent / "again.jsonl")  # a file is read once a process
    assert taxonomy_for(other).of(GOLD).ancestors == birds.of(GOLD).ancestors
    score, named = with_names(score_answers(other, rows), other, rows)
    assert {one["outcome"] for one in named} == {"name_exact"}
    assert score.notes[-1] == "names by taxonomy/cub.csv"


def test_of_the_coarsest_level_siblings_are_not_measured(birds):
    task = task_without_items("fgbmk/cub/family/short_answer")
    rows = [{**one, "gold": "laridae"} for one in rows_of(["laridae", "diomedeidae", "ivory gull"])]
    score, named = with_names(score_answers(task, rows), task, rows, birds)
    assert [one["outcome"] for one in named] == ["name_exact", "other", "name_exact"]
    assert "sibling" not in {one.rule for one in score.scores}
    assert score.notes[-1] == "siblings are not measured: no level above family is known"


def test_score_takes_a_taxonomy(tmp_path, birds, capsys):
    write_jsonl(
        tmp_path / "answers.jsonl",
        [
            {"question_id": n, "image": f"{n}.jpg", "prompt": QUESTION, "text": answer, "class": GOLD}
            for n, answer in enumerate(ANSWERS)
        ],
    )
    words = ["score", "fgbmk/cub/species/short_answer", "--predictions", str(tmp_path / "answers.jsonl")]
    assert command.main([*words, "--taxonomy", birds.source, "--out", str(tmp_path / "o.json")]) == 0
    shares = {one["rule"]: one["value"] for one in read_json(tmp_path / "o.json")["scores"] if one["metric"] == "share"}
    assert shares["sibling"] == pytest.approx(100 * 2 / len(ANSWERS))
    assert command.main(words) == 0
    assert "names are not measured: give --taxonomy FILE or SOURCE=FOLDER" in " ".join(capsys.readouterr().out.split())
    for wrong, said in {
        ("fgbmk/cub/species/choice", birds.source): "no question lists its options",
        (words[1], str(tmp_path / "none.csv")): "no such file",
        ("fgbmk/cub/order/short_answer", birds.source): "has no level order; its levels are family, genus, species",
    }.items():
        assert command.main([words[0], wrong[0], *words[2:], "--taxonomy", wrong[1]]) == 2
        assert said in " ".join(capsys.readouterr().err.split()), json.dumps(wrong)


@pytest.mark.parametrize(("with_taxonomy", "kappa"), [(False, 0.69), (True, 0.73)])
def test_names_agree_with_the_published_recognition_grades(with_taxonomy, kappa):
    """Quadratically weighted, on what FROW's judge says that GPT-4o's answers name. Where they differ it is mostly the
    judge's leniency; without a taxonomy fewer answers are known to be coarse."""
    rows = [row for _, row in csv_rows(GOLDEN / "frow_aircraft_named.csv")]
    grades = np.asarray([int(row["grade"]) for row in rows], float)
    assert (len(rows), 100 * grades.sum() / (2 * len(rows))) == (100, 74.5)
    families = {row["name"]: (row["family"],) for row in rows}
    assert len(set(families.values())) == 70
    known = Known(families, taxonomy_of(("variant", "family"), families, "aircraft") if with_taxonomy else NO_TAXONOMY)
    found = [known.named(row["name"], "", f"It is a {row['name']}.", Text(row["named"])) for row in rows]
    ours = np.asarray([GRADES[one.outcome] for one in found], float)
    measured = agreement_of(ours, grades, list(families), "published")["kappa"]
    assert measured["value"] == pytest.approx(kappa, abs=0.005)
    assert 0.55 < measured["low"] < measured["value"] < measured["high"] < 0.85
    # the judge never calls a right name wrong, and hardly ever coarse
    assert [grade for grade, one in zip(grades, found, strict=True) if one.outcome == "name_exact"].count(2) >= 51
