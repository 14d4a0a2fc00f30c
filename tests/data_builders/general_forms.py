"""The general benchmarks in the parquet forms that people download, written from their original layouts."""

import io
from pathlib import Path

import numpy as np
import pyarrow
from PIL import Image
from pyarrow import parquet

from data_builders.build import build
from data_builders.shared.files import read_jsonl

TEXT, TEXTS = pyarrow.string(), pyarrow.list_(pyarrow.string())
IMAGE = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])


def general(benchmark, root, out, **options):
    """The manifest of a partial build, unless the options say otherwise."""
    return build("general", root=root, out=out, options={"benchmark": benchmark, "allow_partial": True, **options})


def rows_of(out, benchmark):
    return list(read_jsonl(out / "general" / benchmark / "questions.jsonl"))


def image_bytes(out, benchmark, row):
    return (out / "general" / benchmark / row["image"]).read_bytes()


def write_shards(folder, head, schema, rows, shards=2):
    """Parquet files named and cut as the hub has them."""
    folder.mkdir(parents=True, exist_ok=True)
    cuts = np.array_split(np.arange(len(rows)), shards)
    for number, cut in enumerate(cuts):
        table = pyarrow.Table.from_pylist([rows[i] for i in cut], pyarrow.schema(schema))
        parquet.write_table(table, folder / f"{head}-{number:05}-of-{shards:05}.parquet", row_group_size=7)


def embed(data, path=None):
    return {"bytes": data, "path": path}


# Each writes the parquet form of the questions that `general` read from the original layout.
def ai2d_form(root, rows, data):
    schema = {"question": TEXT, "options": TEXTS, "answer": TEXT, "image": IMAGE}
    table = [
        {
            "question": row["parts"]["question"],
            "options": row["options"],
            "answer": str("ABCD".index(row["answer"])),
            "image": embed(image),
        }
        for row, image in zip(rows, data, strict=True)
    ]
    write_shards(root / "data", "test", schema, table)


def chartqa_list_form(root, rows, data):
    schema = {"image": IMAGE, "query": TEXT, "label": TEXTS, "human_or_machine": pyarrow.int64()}
    table = [
        {
            "query": row["question"],
            "label": [row["answer"]],
            "human_or_machine": int(row["category"] == "augmented"),
            "image": embed(image),
        }
        for row, image in zip(rows, data, strict=True)
    ]
    write_shards(root / "data", "test", schema, table, shards=1)


def chartqa_type_form(root, rows, data):
    schema = {"type": TEXT, "question": TEXT, "answer": TEXT, "image": IMAGE}
    table = [
        {
            "question": row["question"],
            "answer": row["answer"],
            "type": row["category"] + "_test",
            "image": embed(image, "chart.png"),
        }
        for row, image in zip(rows, data, strict=True)
    ]
    write_shards(root / "data", "test", schema, table)


def chartqa_binary_form(root, rows, data):
    schema = {"imgname": TEXT, "query": TEXT, "label": TEXT, "type": TEXT, "image": pyarrow.binary()}
    table = [
        {
            "imgname": Path(row["image"]).name,
            "query": row["question"],
            "label": row["answer"],
            "type": row["category"],
            "image": image,
        }
        for row, image in zip(rows, data, strict=True)
    ]
    # The order of the two parts may differ between forms.
    write_shards(root / "data", "test", schema, sorted(table, key=lambda row: row["type"]))


def docvqa_form(root, rows, data):
    schema = {"questionId": TEXT, "question": TEXT, "question_types": TEXTS, "image": IMAGE, "docId": pyarrow.int64()}
    schema |= {"ucsf_document_id": TEXT, "ucsf_document_page_no": TEXT, "answers": TEXTS, "data_split": TEXT}
    table = [
        {
            **{key: row[key] for key in ("question", "question_types", "ucsf_document_id", "ucsf_document_page_no")},
            "questionId": str(row["question_id"]),
            "docId": row["doc_id"],
            "answers": row["answer"],
            "image": embed(image),
            "data_split": "val",
        }
        for row, image in zip(rows, data, strict=True)
    ]
    write_shards(root / "DocVQA", "validation", schema, table)
    write_shards(root / "InfographicVQA", "validation", {"other": TEXT}, [{"other": "benchmark"}], shards=1)


def infovqa_form(root, rows, data):
    schema = {"questionId": TEXT, "question": TEXT, "answers": TEXTS, "answer_type": TEXTS, "image": IMAGE}
    schema |= {"image_url": TEXT, "operation/reasoning": TEXTS, "ocr": TEXT, "data_split": TEXT}
    table = [
        {
            **{key: row[key] for key in ("question", "answer_type", "image_url")},
            "questionId": str(row["question_id"]),
            "answers": row["answer"],
            "operation/reasoning": row["operations"],
            "image": embed(image, Path(row["image"]).name),
            "ocr": "words " * 50,
        }
        for row, image in zip(rows, data, strict=True)
    ]
    write_shards(root / "InfographicVQA", "validation", schema, table)


def mathvista_form(root, rows, data):
    metadata = [(key, TEXT) for key in ("category", "context", "grade", "language", "source", "split", "task")]
    metadata += [("img_height", pyarrow.int64()), ("img_width", pyarrow.int64()), ("skills", TEXTS)]
    schema = {"pid": TEXT, "question": TEXT, "image": TEXT, "decoded_image": IMAGE, "choices": TEXTS, "unit": TEXT}
    schema |= {"precision": pyarrow.float64(), "answer": TEXT, "question_type": TEXT, "answer_type": TEXT}
    schema |= {"metadata": pyarrow.struct(metadata), "query": TEXT}
    table = [
        {
            **{key: row[key] for key in schema if key in row},
            "question": row["parts"]["question"],
            "decoded_image": embed(image, "/tmp/elsewhere.jpg"),
            "query": row["question"],
        }
        for row, image in zip(rows, data, strict=True)
    ]
    write_shards(root / "data", "testmini", schema, table, shards=1)
    (root / "data" / "testmini-00000-of-00001.parquet").rename(root / "data" / "testmini-00000-of-00001-72568f.parquet")


POPE_SCHEMA = {"id": TEXT, "question_id": TEXT, "question": TEXT, "answer": TEXT, "image_source": TEXT, "image": IMAGE}


def pope_rows(rows, data):
    return [
        {
            "id": str(number),
            "question_id": str(row["number"]),
            "question": row["question"],
            "answer": row["answer"],
            "image_source": Path(row["image"]).stem,
            "image": embed(image),
            "category": row["category"],
        }
        for number, (row, image) in enumerate(zip(rows, data, strict=True))
    ]


def pope_form(root, rows, data):
    table = sorted(pope_rows(rows, data), key=lambda row: row["category"])  # adversarial first, as on the hub
    write_shards(root / "data", "test", {**POPE_SCHEMA, "category": TEXT}, table, shards=3)


def pope_full_form(root, rows, data):
    for split in ("adversarial", "popular", "random"):
        table = [row for row in pope_rows(rows, data) if row["category"] == split]
        write_shards(root / "Full", split, {**POPE_SCHEMA, "category": TEXT}, table, shards=1)


FORMS = {
    "ai2d": [ai2d_form],
    "chartqa": [chartqa_list_form, chartqa_type_form, chartqa_binary_form],
    "docvqa": [docvqa_form],
    "infovqa": [infovqa_form],
    "mathvista": [mathvista_form],
    "pope": [pope_form, pope_full_form],
}
TWINS = [(name, form) for name, forms in FORMS.items() for form in forms]


def write_twin(originals, name, form, root):
    _, out = originals[name]
    rows = rows_of(out, name)
    form(root, rows, [image_bytes(out, name, row) for row in rows])
    return rows


def noise(seed, side=40, kind="PNG"):
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()
