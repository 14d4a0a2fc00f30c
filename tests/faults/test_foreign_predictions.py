"""Answers that other programs have written: read as they are, scored as our own would be, or refused with a way on."""

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest
from table import rows

from data_builders.shared.errors import UserError
from evaluation import __main__ as command
from evaluation.scoring.predictions import load_questions, read_predictions
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.task import task_without_items

SPLITS = ("random", "popular", "adversarial")
SUFFIX = "\nAnswer the question using a single word or phrase."
THINGS = {"yes": ("dog", "dog", "dog"), "no": ("kite", "car", "bus")}  # what each split asks about


def pope_questions() -> list[dict]:
    """Two questions about each of four pictures in every split; the true ones are the same in all three."""
    return [
        {
            "question_id": f"{split}/{2 * picture + (gold == 'no') + 1}",
            "image": f"images/COCO_{picture}.jpg",
            "question": f"Is there a {THINGS[gold][place]} in the image?",
            "answer": gold,
            "category": split,
        }
        for place, split in enumerate(SPLITS)
        for picture in range(4)
        for gold in ("yes", "no")
    ]


POPE = pope_questions()
AI2D = [
    {
        "question_id": f"q{n}",
        "image": f"images/{n}.png",
        "question": f"What is part {n}?\nA. leaf\nB. stem\nC. root\nD. seed",
        "answer": "BCAD"[n],
        "options": ["leaf", "stem", "root", "seed"],
        "category": "diagram",
    }
    for n in range(4)
]
DOCVQA = [
    {
        "question_id": 500 + n,
        "image": f"images/{n}.png",
        "question": f"Which date is {n}?",
        "answer": [f"May {n}", f"{n} May"],
    }
    for n in range(4)
]
MATHVISTA = [
    {
        "question_id": str(n),
        "image": f"images/{n}.jpg",
        "question": "Hint: Please answer the question requiring an integer answer and provide the final value, e.g., "
        f"1, 2, 3, at the end.\nQuestion: What is {n} plus one?",
        "answer": str(n + 1),
        "category": "t",
        "options": [],
        "question_type": "free_form",
        "answer_type": "integer",
        "precision": None,
        "choices": None,
        "metadata": {"task": "t", "skills": ["s"]},
    }
    for n in range(4)
]
FROW = [
    {"image": f"images/{n}.jpg", "name": name, "question": "What does it eat?", "ref_answer": f"The {name} eats seeds."}
    for n, name in enumerate(("fox sparrow", "house wren"))
]
FGBMK = [
    {
        "question_id": n + 1,
        "image": f"images/{n}.png",
        "text": 'Which species is it? Choose one answer from the following list: "lum wug", "lum dax".',
        "class": "lum wug",
        "category": "generic",
    }
    for n in range(4)
]
QUESTIONS = {
    "fgbmk/cub/species/choice": FGBMK,
    "pope": POPE,
    "ai2d": AI2D,
    "docvqa": DOCVQA,
    "mathvista": MATHVISTA,
    "frow/cub": FROW,
}


def lines(values: list[dict], encoding: str = "utf-8", end: str = "\n") -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + end for row in values).encode(encoding)


def table(values: list[dict], separator: str = "\t", encoding: str = "utf-8") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(values[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(values)
    return text.getvalue().encode(encoding)


def xlsx(values: list[dict], shared: bool = True) -> bytes:
    """As openpyxl lays it out: shared strings, numbers as numbers, absolute parts; or as others do: inline strings."""
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    texts: list[str] = []

    def cell(place: int, line: int, value: object) -> str:
        where = f'r="{chr(65 + place)}{line}"'
        if isinstance(value, int):
            return f"<c {where}><v>{value}</v></c>"
        text = str(value).replace("&", "&amp;").replace("<", "&lt;")
        if not shared:
            return f'<c {where} t="inlineStr"><is><t>{text}</t></is></c>'
        texts.append(text)
        return f'<c {where} t="s"><v>{len(texts) - 1}</v></c>'

    grid = [list(values[0]), *(list(row.values()) for row in values)]
    sheet = "".join(
        f'<row r="{line}">{"".join(cell(place, line, value) for place, value in enumerate(row) if value != "")}</row>'
        for line, row in enumerate(grid, 1)
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as book:
        book.writestr("xl/worksheets/sheet1.xml", f"<worksheet {main}><sheetData>{sheet}</sheetData></worksheet>")
        book.writestr(
            "xl/workbook.xml",
            f'<workbook {main} xmlns:r="{relations}"><sheets><sheet name="a" r:id="rId1"/></sheets></workbook>',
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship '
            f'Id="rId1" Type="x" Target="{"/xl/" if shared else ""}worksheets/sheet1.xml"/></Relationships>',
        )
        items = "".join(f"<si><t>{text}</t></si>" for text in texts)
        book.writestr("xl/sharedStrings.xml", f"<sst {main}>{items}</sst>")
    return packed.getvalue()


def plain(asked=POPE, other: dict | None = None, id_key: str = "question_id", key: str = "answer") -> list[dict]:
    """Every question with its gold, or another answer by its id."""
    return [{id_key: row["question_id"], key: (other or {}).get(row["question_id"], row["answer"])} for row in asked]


def by_id(answers: list[dict]) -> dict[str, str]:
    return {row["question_id"]: row["answer"] for row in answers}


def lmms_pope(doc: bool) -> list[dict]:
    """As lmms-eval writes samples: the parts in another order, the benchmark's own number beside the metric."""
    ordered = sorted(POPE, key=lambda row: (row["category"], int(row["question_id"].split("/")[1])))
    found = []
    for place, row in enumerate(ordered):
        number = row["question_id"].split("/")[1]
        sample = {"doc_id": place, "target": row["answer"], "filtered_resps": [row["answer"].capitalize()]}
        sample["pope_accuracy"] = {"question_id": number, "score": 1.0, "prediction": row["answer"]}
        if doc:
            sample["doc"] = {**row, "question_id": number, "image_source": Path(row["image"]).stem}
        else:
            sample["input"] = row["question"] + SUFFIX
        found.append(sample)
    return found


def vlmevalkit_pope() -> list[dict]:
    return [
        {
            "index": place,
            "question": row["question"],
            "answer": row["answer"].capitalize(),
            "category": row["category"],
            "image_path": Path(row["image"]).name,
            "prediction": f'{row["answer"].capitalize()}, there "is".\nSee, left',
        }
        for place, row in enumerate(reversed(POPE))
    ]


def vlmevalkit_ai2d() -> list[dict]:
    return [
        {
            "index": n,
            "question": f"What is part {n}?",
            **dict(zip("ABCD", row["options"], strict=True)),
            "answer": row["answer"],
            "prediction": row["answer"],
        }
        for n, row in enumerate(AI2D)
    ]


def vlmevalkit_docvqa() -> list[dict]:
    return [
        {"index": n, "question": row["question"], "answer": str(row["answer"]), "prediction": row["answer"][0]}
        for n, row in enumerate(DOCVQA)
    ]


def lmms_docvqa() -> list[dict]:
    return [
        {
            "doc_id": n,
            "target": str(row["answer"]),
            "filtered_resps": row["answer"][1],
            "input": row["question"] + SUFFIX,
        }
        for n, row in enumerate(DOCVQA)
    ]


def mathvista(**more) -> dict[str, dict]:
    """As MathVista's scripts write results: by pid, the gold as "answer", what a model read out as "extraction"."""
    return {
        row["question_id"]: {
            "pid": row["question_id"],
            "question": row["question"].split("Question: ")[1],
            "query": row["question"],
            "answer": row["answer"],
            **{key: row[key] for key in ("question_type", "answer_type", "precision", "choices", "metadata")},
            "response": f"Adding one gives {row['answer']} in all of the 7 cases.",
            "extraction": row["answer"],
            **more,
        }
        for row in MATHVISTA
    }


def llava() -> list[dict]:
    return [
        {"question_id": r["question_id"], "prompt": r["question"] + SUFFIX, "text": r["answer"], "answer_id": "x"}
        for r in POPE
    ]


def numbered() -> list[dict]:
    return [{"question_id": f"{row['question_id']}.0", "answer": row["answer"][0]} for row in DOCVQA]


def fgbmk_with_predictions() -> list[dict]:
    return [{**row, "prediction": "lum dax" if n == 3 else row["class"]} for n, row in enumerate(FGBMK)]


def frow_answers(reference: str = "reference", folder: str = "") -> list[dict]:
    rows = [{**row, reference: row["ref_answer"], "answer": f"A {row['name']}. It eats seeds."} for row in FROW]
    rows = [{**row, "image": folder + row["image"]} for row in rows]
    return [{key: row[key] for key in ("image", "name", "question", reference, "answer")} for row in rows]


def scored(task: str, data: bytes, place: Path, *, questions: bool = True, form: str = "auto"):
    """The score of a predictions file's bytes."""
    (place / "q").mkdir(exist_ok=True)
    path, asked = place / "predictions", place / "q" / "questions.jsonl"
    path.write_bytes(data)
    asked.write_bytes(lines(QUESTIONS[task]))
    loaded = load_questions(task, asked) if questions else task_without_items(task)
    answers, notes = read_predictions(loaded, path, **({} if form == "auto" else {"form": form}))
    return score_answers(loaded, answers, notes=notes)


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
