"""The same answers in the forms that other programs write, and their scores."""

import csv
import io
import json
import zipfile
from pathlib import Path

from evaluation.scoring.predictions import load_questions, read_predictions
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.task_files import task_without_items

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
