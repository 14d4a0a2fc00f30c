"""The deterministic judge: ranks answers as FROW's instructions to its judge do."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_jsonl
from evaluation.judging.deterministic import VERSION, judge
from evaluation.judging.quantities import quantities
from evaluation.judging.taxonomy import aliases, read_taxonomy
from evaluation.judging.verdict import filed_scores
from evaluation.tasks.task_files import all_specs

NAME = "sooty albatross"
OTHERS = ("laysan albatross", "song sparrow", NAME)
QUESTION = "What is the wingspan of the bird, and what does it eat?"
REFERENCE = (
    "The bird in the image is the sooty albatross (Phoebetria fusca), also known as the Quaker or blue albert. "
    "It has a wingspan of 2.03 meters and was described in 1822. It eats squid, fish, crustaceans and carrion. "
    "The white crescents, also known as eyelids, are distinctive."
)


def judged(answer):
    return judge(NAME, QUESTION, REFERENCE, answer, OTHERS)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("It is a Sooty Albatross.", 2),
        ("sooty-albatrosses", 2),
        ("Phoebetria fusca", 2),
        ("a Quaker", 2),
        ("the blue albert", 2),
        ("an albatross", 1),
        ("some Phoebetria", 1),
        ("a laysan albatross", 0),  # the sibling is wrong, not coarse
        ("a song sparrow", 0),
        ("a sooty albatross, not a laysan albatross", 2),
        ("a laysan albatross, not a sooty albatross", 0),
        ("a bird", 0),
        ("", 0),
    ],
)
def test_recognition(answer, score):
    assert judged(answer).item == score, judged(answer).item_reason


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        (REFERENCE, 3),
        ("It spans 2.03 meters and eats squid, fish, crustaceans and carrion.", 3),
        ("It eats squid and seeds.", 1),
        ("It eats squid, fish and seeds.", 2),
        ("It eats seeds.", 0),
        ("sooty albatross", 0),  # the name is no fact
        ("2.03 meters", 3),
        ("7 meters", 0),
        ("", 0),
    ],
)
def test_facts(answer, score):
    assert judged(answer).fact == score, judged(answer).fact_reason


def test_years_must_be_equal_and_measures_may_be_rounded():
    assert judged("in 1822").fact == 2
    assert judged("in 1823").fact == 0
    assert judged("2.0 meters").fact == 3


def test_aliases_come_from_sentences_about_the_category():
    assert aliases(NAME, REFERENCE) == ("Phoebetria fusca", "Quaker", "blue albert")


def test_quantities():
    found = quantities("1,200 birds, 3.3 feet, two eggs, 1822")
    assert [one.value for one in found] == [1200, 3.3, 2, 1822]


def test_every_reference_is_its_own_best_answer(shared):
    rows = list(read_jsonl(shared / "data" / "FROW" / "cub_with_reference.jsonl"))
    names = [row["name"] for row in rows]
    for row in rows:
        own = judge(row["name"], row["question"], row["ref_answer"], row["ref_answer"], names)
        assert (own.item, own.fact) == (2, 3), row["name"]
    crossed = [
        judge(a["name"], a["question"], a["ref_answer"], b["ref_answer"], names)
        for a in rows
        for b in rows
        if a is not b
    ]
    assert sum(one.item for one in crossed) == 0
    assert sum(one.fact for one in crossed) / len(crossed) < 0.5


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=20))
def test_no_text_breaks_the_judge(answer, reference, name):
    got = judge(name, "What?", reference, answer, [name, "x y"])
    assert got.item in (0, 1, 2)
    assert got.fact in (0, 1, 2, 3)


@pytest.mark.parametrize(
    "row", [{}, {"Item_accuracy_score": 2}, {"Item_accuracy_score": "2/2", "Fact_accuracy_score": 1}]
)
def test_a_row_without_two_numbers_is_unjudged_not_zero(row):
    with pytest.raises(UserError):
        filed_scores(row)


def test_filed_scores_are_read_as_float_reads_them():
    assert filed_scores({"Item_accuracy_score": " 1 ", "Fact_accuracy_score": "٢"}) == (1.0, 2.0)
    with pytest.raises(UserError):
        filed_scores({"Item_accuracy_score": "nan", "Fact_accuracy_score": 1})


VARIANTS = ["737-600", "737-700", "737-800", "A330-200", "Cessna 172", "DHC-6"]


@pytest.mark.parametrize(
    ("name", "answer", "score"),
    [
        ("737-600", "It is a **Boeing 737-600**.", 2),
        ("737-600", "Boeing 737", 1),
        ("737-600", "a plane by Boeing", 1),
        ("737-600", "Boeing 737-700", 0),
        ("737-600", "Boeing 737-600, unlike the 737-700", 2),
        ("A330-200", "an Airbus A330", 1),
        ("Cessna 172", "a Cessna", 1),
        ("DHC-6", "the DHC-6 Twin Otter", 2),
    ],
)
def test_designations_are_recognised_from_coarse_to_fine(name, answer, score):
    reference = f"The aircraft is a Boeing {name}. It seats 120 passengers."
    got = judge(name, "How many passengers does the aircraft seat?", reference, answer, VARIANTS)
    assert got.item == score, got.item_reason
    assert got.fact == 0  # the numbers of a designation are no facts


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("It is not a laysan albatross but a sooty albatross.", 2),
        ("similar to the laysan albatross", 0),
        ("This resembles a song sparrow. It is a sooty albatross.", 2),
        ("not an albatross", 0),
    ],
)
def test_what_an_answer_denies_it_does_not_name(answer, score):
    assert judged(answer).item == score, judged(answer).item_reason


def test_a_longer_name_is_not_the_shorter_one_in_it():
    for name, answer, score in [
        ("carrot", "carrot cake", 0),
        ("carrot cake", "carrot cake", 2),
        ("cabbage", "Chinese cabbage", 0),
        ("Chinese cabbage", "a Chinese cabbage, not a cabbage", 2),
    ]:
        categories = ["carrot", "carrot cake", "cabbage", "Chinese cabbage"]
        assert judge(name, "What?", f"This is {name}.", answer, categories).item == score


def test_what_the_question_says_is_not_recognised():
    assert judge(NAME, "What does the albatross eat?", REFERENCE, "an albatross", OTHERS).item == 0


@pytest.mark.parametrize(
    ("answer", "agrees"),
    [
        ("203 cm", True),
        ("6.66 feet", True),
        ("80 inches", True),
        ("2.03 feet", False),
        ("two meters", True),
        ("2.03 kg", False),
        ("2.03", True),
        ("about 1822", True),
        ("1,822", True),
        ("1823", False),
    ],
)
def test_measures_agree_in_any_unit(answer, agrees):
    assert ("1 of 1 numbers agree" in judged(answer).fact_reason) == agrees


def test_a_number_that_is_asked_for_is_a_whole_answer():
    assert judge(NAME, "In what year was it described?", REFERENCE, "1822", OTHERS).fact == 3
    assert judge(NAME, "In what year was it described?", REFERENCE, "1922", OTHERS).fact == 0


def test_a_taxonomy_adds_aliases_and_ancestors(tmp_path):
    path = tmp_path / "taxonomy.csv"
    lines = ["species,family,order,aliases", "sooty albatross,Diomedeidae,tubenoses,stinkpot|diver"]
    lines += ["laysan albatross,Diomedeidae,tubenoses,gooney", "song sparrow,Passerellidae,perching birds,"]
    path.write_text("\n".join(lines) + "\n")
    taxonomy = read_taxonomy(str(path))
    wanted = {"a stinkpot": 2, "one of the tubenoses": 1, "Diomedeidae": 1, "a gooney": 0, "some perching bird": 0}
    for answer, score in wanted.items():
        assert judged(answer).item == 0
        got = judge(NAME, QUESTION, REFERENCE, answer, OTHERS, taxonomy)
        assert got.item == score, got.item_reason
    assert "the sibling laysan" in judge(NAME, QUESTION, REFERENCE, "a gooney", OTHERS, taxonomy).item_reason
    with pytest.raises(UserError, match="2 categories"):
        taxonomy.check(["wood duck", NAME, "fish crow"])


@pytest.mark.parametrize("level", ["genus", "class"])
def test_a_data_set_is_a_taxonomy(shared, level):
    taxonomy = read_taxonomy(f"cub={shared / 'data' / 'CUB_200_2011'}")
    rows = list(read_jsonl(shared / "data" / "FROW" / "cub_with_reference.jsonl"))
    taxonomy.check(row["name"] for row in rows)
    place = {"genus": 0, "class": -1}[level]
    for row in rows:
        ancestor = taxonomy.of(row["name"]).ancestors[place]
        assert judge(row["name"], "What?", row["ref_answer"], f"one of the {ancestor}", [], taxonomy).item == (
            1 if ancestor != row["name"] else 2
        )


NAMES = st.sampled_from([*OTHERS, *VARIANTS, "lily", "beet salad"])


@given(NAMES, st.lists(st.sampled_from(["squid", "fish", "1822", "2.5 kg", "caves", "red"]), max_size=6), NAMES)
def test_bounds(name, facts, other):
    categories = [*OTHERS, *VARIANTS, "lily", "beet salad"]
    reference = f"This is the {name}. It knows {', '.join(facts)}."
    own = judge(name, "What?", reference, reference, categories)
    assert (own.item, own.fact) == (2, 3)
    empty = judge(name, "What?", reference, " \n", categories)
    assert (empty.item, empty.fact) == (0, 0)
    if other != name:
        assert judge(name, "What?", reference, f"the {other}", categories).item == 0


def test_an_answer_of_a_hundred_kilobytes_is_judged_in_a_moment():
    start = time.process_time()  # not of the clock: others are at work too
    for answer in (f"{NAME} 2.5 kg. " * 4_000, "(A" * 30_000, " ".join(map(str, range(15_000)))):
        judged(answer)
    assert time.process_time() - start < 10


def test_the_task_files_version_is_the_judges():
    assert all_specs()["frow"].version == VERSION
