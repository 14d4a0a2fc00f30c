"""Prediction files from elsewhere: read as published, refused when they are not whole."""

import json
import re

import pytest
from evaluation_fakes import NAME, SPECIES, FakeAnswerer, score, write_rows

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_jsonl
from evaluation import __main__ as command
from evaluation.asking import evaluate
from evaluation.tasks.load import load_tasks


def test_published_predictions_are_scored_with_and_without_the_questions(published, questions, tmp_path):
    path = write_rows(tmp_path / "p.jsonl", published)
    assert score(path, questions).main.value == 75
    without = score(path)
    assert without.main.value == 75
    assert any("missing rows would not be noticed" in note for note in without.notes)


def test_order_and_ids_written_as_text_do_not_matter(published, questions, tmp_path):
    rows = [{**row, "question_id": str(row["question_id"])} for row in published[::-1]]
    assert score(write_rows(tmp_path / "p.jsonl", rows), questions).main.value == 75


def test_an_exact_double_is_noted_and_counted_once(published, questions, tmp_path):
    got = score(write_rows(tmp_path / "p.jsonl", [*published, published[0]]), questions)
    assert (got.n, got.main.value) == (8, 75)
    assert "1 rows were exact doubles, counted once" in got.notes


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda rows: rows[:-2], "2 of 8 questions .* have no answer .*7, 8"),
        (lambda rows: [*rows, {**rows[0], "question_id": 99}], "question 99 not in"),
        (lambda rows: [*rows, {**rows[0], "text": "other"}], "question 1 occurs with different contents"),
        (lambda rows: [{**rows[0], "class": "another"}, *rows[1:]], "has another gold .'another', not 'lum wug'."),
        (lambda rows: [{**rows[0], "prompt": "What?"}, *rows[1:]], "asks something else"),
        (lambda rows: [{**rows[0], "image": "images/7.png"}, *rows[1:]], "is about another image"),
        (lambda rows: [{k: v for k, v in row.items() if k != "text"} for row in rows], "row 1: no answer; it has"),
        (lambda rows: [*rows[:3], {"question_id": 4}, *rows[4:]], "row 4: no 'image'"),
        (lambda rows: [{**rows[0], "text": None}, *rows[1:]], "row 1: answer is None"),
        (lambda rows: [], "holds no predictions"),
    ],
)
def test_damaged_predictions_are_refused(published, questions, tmp_path, damage, message):
    path = write_rows(tmp_path / "p.jsonl", damage(published))
    with pytest.raises(UserError, match=message):
        score(path, questions)


def test_a_broken_line_is_named(published, questions, tmp_path):
    path = write_rows(tmp_path / "p.jsonl", published)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(UserError, match="line 8: not JSON"):
        score(path, questions)


@pytest.mark.parametrize("other", ["fgbmk/cub/species/true_false", "frow/cub", "perplexity/stories"])
def test_another_tasks_file_is_refused_even_without_questions(published, tmp_path, other):
    with pytest.raises(UserError):
        score(write_rows(tmp_path / "p.jsonl", published), name=other)


def test_our_own_answers_score_the_same_from_the_file(data, tmp_path):
    def reply(image, prompt):
        return SPECIES[0]

    tasks = load_tasks(["fgbmk", "frow", "drawn", "perplexity"], [data])
    scores = evaluate(FakeAnswerer(reply), tasks, tmp_path)
    for task in tasks:
        path = tmp_path / task.file_name
        with_questions = score(path, task.source, task.name)
        assert with_questions.scores == scores[task.name].scores
        assert score(path, name=task.name).scores == scores[task.name].scores
        wrong = "drawn/count" if task.name != "drawn/count" else "drawn/document"
        with pytest.raises(UserError):
            score(path, name=wrong)


def test_frow_answers_from_elsewhere_need_no_ids(data, tmp_path):
    source = data / "FROW" / "cub_with_reference.jsonl"
    rows = [{**row, "answer": f"A {row['name']}."} for row in read_jsonl(source)]
    got = score(write_rows(tmp_path / "p.jsonl", rows[::-1]), source, "frow/cub")
    assert {one.metric: one.value for one in got.scores}["recognition"] == 100


ODD_ANSWERS = {
    "empty": "",
    "blanks": " \n\t ",
    "100 KB": "it is a lum wug " * 6_400,
    "controls": "\x1b[2J\x00\x07\x08\x7f lum wug",
    "directions": "\u202elum wug\u202c \u200b\ufeff",
    "line separators": "lum\u2028wug\u2029\x1c\x0b\x85lum wug",
    "half a pair": "\ud800 lum wug",
    "markup": '<script>alert(1)</script> {{ 1 }} "},{"',
}


@pytest.mark.parametrize("odd", ODD_ANSWERS.values(), ids=ODD_ANSWERS)
@pytest.mark.parametrize("escaped", [True, False])
def test_odd_answers_are_scored_not_stumbled_over(published, questions, tmp_path, capsys, odd, escaped):
    rows = [{**published[0], "text": odd}, *published[1:]]
    path = tmp_path / "p.jsonl"
    if escaped or "half" in odd or "\ud800" in odd:
        write_rows(path, rows)
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    got = score(path, questions)
    assert got.n == 8
    assert got.main.value == (75 if "lum wug" in odd else 62.5)
    assert run("score", NAME, "--predictions", path, "--questions", questions, "--export", tmp_path / "e.jsonl") == 0
    shown = capsys.readouterr()
    assert not {"\x1b[2J", "\x00", "\u202e"} & set(shown.out + shown.err)
    # what is read back is what was said
    assert [row["text"] for row in read_jsonl(tmp_path / "e.jsonl")] == [row["text"] for row in rows]


def test_odd_ids_do_no_harm_in_messages(published, questions, tmp_path, capsys):
    rows = [*published, {**published[0], "question_id": "\x1b[2J\u202e" * 100}]
    assert run("score", NAME, "--predictions", write_rows(tmp_path / "p.jsonl", rows), "--questions", questions) == 2
    message = capsys.readouterr().err
    assert "\x1b" not in message
    assert "\u202e" not in message
    assert len(message) < 1000


def test_a_file_that_is_not_text_is_refused(published, questions, tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_bytes(b'{"question_id": "\xff\xfe"}\n')
    with pytest.raises(UserError, match="is not text"):
        score(path, questions)
    path.write_text("[1, 2]\n")
    with pytest.raises(UserError, match="must be a JSON object"):
        score(path, questions)
    path.write_text("\n\n")
    with pytest.raises(UserError, match="holds no predictions"):
        score(path, questions)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("question_id", None, "question_id is None"),
        ("question_id", 1.5, "question_id is 1.5"),
        ("question_id", True, "question_id is True"),
        ("image", 3, "image is 3"),
        ("text", ["a"], "answer is"),
        ("prompt", 7, "question is 7"),
        ("class", [], r"gold is \[\]"),
        ("class", 3, "gold is 3"),
    ],
)
def test_values_of_another_type_are_named(published, questions, tmp_path, key, value, message):
    path = write_rows(tmp_path / "p.jsonl", [published[0], {**published[1], key: value}, *published[2:]])
    with pytest.raises(UserError, match=f"row 2: {message}"):
        score(path, questions)


def released_script(path):
    """FG-BMK's overall accuracy of one file, as its script counts it."""
    images = {}
    for row in read_jsonl(path):
        gold, said = (re.sub(r"[_\-,]+", " ", row[key]).lower().strip() for key in ("class", "text"))
        images.setdefault(row["image"], []).append(gold in said)
    return 100 * sum(map(all, images.values())) / len(images)


def test_our_answers_in_fgbmks_form_get_the_same_from_its_script(data, tmp_path):
    (task,) = load_tasks([NAME], [data])
    got = evaluate(FakeAnswerer(lambda image, prompt: SPECIES[int(image[0]) % 3]), [task], tmp_path)[NAME]
    exported = tmp_path / "exported.jsonl"
    ours = tmp_path / task.file_name
    assert run("score", NAME, "--predictions", ours, "--questions", task.source, "--export", exported) == 0
    first = next(read_jsonl(exported))
    assert list(first) == ["question_id", "image", "prompt", "text", "class", "category"]
    by_image = next(one for one in got.scores if one.metric == "accuracy_by_image" and one.rule == "released")
    assert by_image.value == pytest.approx(released_script(exported))
    assert score(exported, task.source).scores == got.scores


def test_answers_with_several_golds_cannot_be_exported(data, tmp_path, capsys):
    path = write_rows(
        tmp_path / "p.jsonl",
        [{"task": "docvqa", "question_id": 1, "question": "?", "gold": ["a", "b"], "answer": "a", "image": "1.png"}],
    )
    assert run("score", "docvqa", "--predictions", path, "--export", tmp_path / "e.jsonl") == 2
    assert "several golds" in capsys.readouterr().err
    assert not (tmp_path / "e.jsonl").exists()


def run(*arguments):
    return command.main([str(one) for one in arguments])
