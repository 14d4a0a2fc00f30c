"""Answers that other programs have written: read as they are, scored as our own would be, or refused with a way on."""

import gzip
import json

import pytest
from foreign_forms import (
    FGBMK,
    MATHVISTA,
    POPE,
    fgbmk_with_predictions,
    frow_answers,
    lines,
    llava,
    lmms_docvqa,
    lmms_pope,
    mathvista,
    numbered,
    plain,
    scored,
    table,
    vlmevalkit_ai2d,
    vlmevalkit_docvqa,
    vlmevalkit_pope,
    xlsx,
)
from table import rows

from data_builders.shared.errors import UserError
from evaluation import __main__ as command

# --- who has written it: all answers are right


@rows(
    ("id and answer", ("pope", lines(plain())), 100),
    ("id and prediction", ("pope", lines(plain(key="prediction"))), 100),
    ("id and text", ("pope", lines(plain(key="text"))), 100),
    (
        "pid and response",
        ("mathvista", lines([{"pid": r["question_id"], "response": r["answer"]} for r in MATHVISTA])),
        100,
    ),
    (
        "a mapping from ids to answers",
        ("pope", json.dumps({r["question_id"]: r["answer"] for r in POPE}).encode()),
        100,
    ),
    ("a JSON list", ("pope", json.dumps(plain()).encode()), 100),
    ("a JSON list over lines", ("pope", json.dumps(plain(), indent=1).encode()), 100),
    ("LLaVA", ("pope", lines(llava())), 100),
    ("lmms-eval, question and number told", ("pope", lines(lmms_pope(doc=False))), 100),
    ("lmms-eval, with doc", ("pope", lines(lmms_pope(doc=True))), 100),
    ("lmms-eval, DocVQA", ("docvqa", lines(lmms_docvqa())), 100),
    ("lmms-eval, older: a list in logs", ("docvqa", json.dumps({"args": {}, "logs": lmms_docvqa()}).encode()), 100),
    ("VLMEvalKit, tsv", ("pope", table(vlmevalkit_pope())), 100),
    ("VLMEvalKit, xlsx", ("pope", xlsx(vlmevalkit_pope())), 100),
    ("VLMEvalKit, xlsx with inline texts", ("pope", xlsx(vlmevalkit_pope(), shared=False)), 100),
    ("VLMEvalKit, json", ("pope", json.dumps(vlmevalkit_pope()).encode()), 100),
    ("VLMEvalKit, AI2D with options in columns", ("ai2d", table(vlmevalkit_ai2d())), 100),
    ("VLMEvalKit, DocVQA with golds as a text", ("docvqa", xlsx(vlmevalkit_docvqa())), 100),
    ("MathVista, by pid", ("mathvista", json.dumps(mathvista()).encode()), 100),
    ("MathVista, by pid over lines", ("mathvista", json.dumps(mathvista(), indent=4).encode()), 100),
    ("MathVista, scored already", ("mathvista", json.dumps(mathvista(prediction="0", true_false=False)).encode()), 100),
    ("MathVista's results as a table", ("mathvista", table([*mathvista().values()])), 100),
    ("numbers of a table with gaps", ("docvqa", table(numbered())), 100),
    ("FG-BMK's question rows with predictions", ("fgbmk/cub/species/choice", lines(fgbmk_with_predictions())), 75),
    ("FROW's own answers", ("frow/cub", lines(frow_answers())), 100),
    ("FROW's answers, pictures elsewhere", ("frow/cub", lines(frow_answers(folder="/data/cub/"))), 100),
    ("FROW's question rows with answers", ("frow/cub", lines(frow_answers("ref_answer"))), 100),
)
def test_answers_of_every_writer_are_scored(how, out, tmp_path):
    assert scored(*how, tmp_path).main.value == out


@rows(
    ("VLMEvalKit, AI2D", ("ai2d", table(vlmevalkit_ai2d())), 100),
    ("MathVista", ("mathvista", json.dumps(mathvista()).encode()), 100),
    ("lmms-eval, DocVQA", ("docvqa", lines(lmms_docvqa())), 100),
    ("FROW's own answers", ("frow/cub", lines(frow_answers())), 100),
)
def test_rows_that_tell_question_and_gold_need_no_question_file(how, out, tmp_path):
    found = scored(*how, tmp_path, questions=False)
    assert found.main.value == out
    assert any("missing rows would not be noticed" in note for note in found.notes)


def test_wrong_answers_stay_wrong_under_their_own_question(tmp_path):
    """Order and numbering of another suite move no answer to another question."""
    wrong = {"random/2", "popular/3", "adversarial/8"}
    given = plain(other={one: "no" if "3" in one else "yes" for one in wrong})
    shuffled = [
        {"index": place, "question": row["question"], "answer": row["answer"], "category": row["category"]}
        | {"image_path": row["image"], "prediction": answer["answer"]}
        for place, (row, answer) in enumerate(sorted(zip(POPE, given, strict=True), key=lambda two: two[0]["question"]))
    ]
    first = scored("pope", lines(given), tmp_path)
    for data in (table(shuffled), xlsx(shuffled)):
        assert scored("pope", data, tmp_path).scores == first.scores
    assert first.main.value < 100


# --- how it lies on disk


@rows(
    ("byte order mark", lines(plain(), "utf-8-sig"), 100),
    ("CRLF", lines(plain(), end="\r\n"), 100),
    ("CRLF and empty lines", lines(plain(), end="\r\n\r\n"), 100),
    ("UTF-16 with mark", lines(plain(), "utf-16"), 100),
    ("UTF-16 without mark", lines(plain(), "utf-16-le"), 100),
    ("UTF-16, big end first", lines(plain(), "utf-16-be"), 100),
    ("gzip", gzip.compress(lines(plain())), 100),
    ("gzip of a table", gzip.compress(table(plain())), 100),
    ("csv", table(plain(), ","), 100),
    ("csv of a German Excel", table(plain(), ";", "utf-8-sig"), 100),
    ("csv with Excel's sep=", b"sep=;\r\n" + table(plain(), ";"), 100),
    ("Excel's Unicode text", table(plain(), "\t", "utf-16"), 100),
    ("LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "is a Git LFS pointer"),
    ("pickle", b"\x80\x04\x95", "a pickle, which is never opened"),
    ("old Excel", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"an old Excel file \(.xls\)"),
    ("parquet", b"PAR1\x15\x04", "a Parquet file"),
    ("a zip of something", b"PK\x03\x04" + bytes(30), "cannot be read as an Excel file"),
    ("half a gzip", gzip.compress(lines(plain()))[:60], "cannot be unpacked by gzip"),
    ("prose", b"The model says yes.\n", "is no predictions file"),
    ("Latin-1", '{"question_id": "é"}\n'.encode("latin-1"), "is not text"),
    ("half a JSON list", json.dumps(plain()).encode()[:-9], "is not JSON"),
    ("a table with a torn row", table(plain(), ",") + b"random/1,yes,yes\n", "3 values for 2 columns"),
    ("an empty file", b"", "holds no predictions"),
)
def test_files_of_every_kind(how, out, tmp_path):
    if isinstance(out, str):
        with pytest.raises(UserError, match=out):
            scored("pope", how, tmp_path)
        return
    assert scored("pope", how, tmp_path).main.value == out


# --- what is no file of answers, or not a whole one


def failing() -> list[dict]:
    return [
        row | {"prediction": "Failed to obtain answer via API. "} if n == 3 else row
        for n, row in enumerate(vlmevalkit_pope())
    ]


@rows(
    ("a row too few", ("pope", lines(plain()[:-1])), "1 of 24 questions .* have no answer"),
    ("an unknown id", ("pope", lines([*plain(), {"question_id": "easy/1", "answer": "yes"}])), "'easy/1' not in"),
    (
        "two answers to one",
        ("pope", lines([*plain(), {"question_id": "random/1", "answer": "no"}])),
        "different contents",
    ),
    (
        "ids of another benchmark",
        ("pope", lines([{"question_id": n, "answer": "yes"} for n in range(24)])),
        "none of its 24",
    ),
    (
        "no answer in a row",
        ("pope", lines([{"question_id": r["question_id"], "said": "yes"} for r in POPE])),
        "no answer",
    ),
    ("no text as an answer", ("pope", lines([{"question_id": "random/1", "answer": {"a": 1}}])), "must be text"),
    ("the questions as answers", ("fgbmk/cub/species/choice", lines(FGBMK, end="\n\n")), "and no answers"),
    ("the question file itself", ("pope", lines(POPE)), "is the question file itself"),
    (
        "MathVista's questions",
        (
            "mathvista",
            json.dumps({k: {x: y for x, y in v.items() if x != "response"} for k, v in mathvista().items()}).encode(),
        ),
        "no answer",
    ),
    ("VLMEvalKit's failures", ("pope", table(failing())), "1 questions were never answered"),
    ("two columns of one name", ("pope", b"id\tanswer\tanswer\n1\t2\t3\n"), "two columns have the same name"),
)
def test_what_is_no_whole_file_of_answers_is_refused(how, out, tmp_path):
    with pytest.raises(UserError, match=out):
        scored(*how, tmp_path)


@rows(
    ("ids and answers alone", "auto", "give the question file: --questions"),
    ("said to be FG-BMK's", "fgbmk", "rows of task pope must have"),
    ("said to be lmms-eval's", "lmms_eval", "no filtered_resps in its first row"),
)
def test_without_questions_or_under_a_wrong_name(how, out, tmp_path):
    with pytest.raises(UserError, match=out):
        scored("pope", lines(plain()), tmp_path, questions=False, form=how)


def ours(**other) -> bytes:
    rows = [{"task": "pope", "question_id": r["question_id"], "question": r["question"], "answer": "Yes"} for r in POPE]
    golds = [{**row, "gold": gold["answer"]} for row, gold in zip(rows, POPE, strict=True)]
    return lines([{**golds[0], **other}, *golds[1:]])


@rows(
    ("another case of the gold", {"gold": "Yes"}, None),
    ("another gold", {"gold": "no"}, "has another gold .'no', not 'yes'."),
    ("another question", {"question": "Who?"}, "asks something else"),
    ("another picture", {"image": "images/COCO_9.jpg"}, "is about another image"),
    ("the picture's name alone", {"image": "COCO_0.jpg"}, None),
)
def test_what_differs_from_the_question_file_is_said(how, out, tmp_path):
    if out is None:
        assert scored("pope", ours(**how), tmp_path).n == 24
        return
    with pytest.raises(UserError, match=out):
        scored("pope", ours(**how), tmp_path)


def test_the_command_reads_them(tmp_path, capsys):
    (tmp_path / "p.xlsx").write_bytes(xlsx(vlmevalkit_pope()))
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "questions.jsonl").write_bytes(lines(POPE))
    arguments = [
        "score",
        "pope",
        "--predictions",
        tmp_path / "p.xlsx",
        "--questions",
        tmp_path / "q" / "questions.jsonl",
    ]
    assert command.main([str(one) for one in [*arguments, "--from", "vlmevalkit", "--out", tmp_path / "s.json"]]) == 0
    notes = json.loads((tmp_path / "s.json").read_text())["notes"]
    assert "read as VLMEvalKit's predictions, questions found by picture and question" in notes
    assert command.main([str(one) for one in [*arguments, "--from", "mathvista"]]) == 2
