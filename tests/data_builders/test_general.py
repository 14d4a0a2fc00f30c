"""Laws of the general benchmarks' builder: whatever form a benchmark is downloaded in, the questions are the same."""

import io
import json
import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from data_builders.build import build
from data_builders.errors import UserError
from data_builders.files import read_json, read_jsonl, sha256_file
from data_builders.general import images as image_module
from data_builders.general.benchmark import Official
from data_builders.general.command import BENCHMARK_NAMES, find_benchmark
from data_builders.general.images import ImageStore, Picture, picture_suffix
from data_builders.general.mathvista import hint_of, query_of
from data_builders.general.parquet import read_rows
from evaluation.readers import read_questions

TEXT, TEXTS = pyarrow.string(), pyarrow.list_(pyarrow.string())
IMAGE = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])


def general(benchmark, root, out, **options):
    """The manifest of a partial build, unless the options say otherwise."""
    return build("general", root=root, out=out, options={"benchmark": benchmark, "allow_partial": True, **options})


def rows_of(out, benchmark):
    return list(read_jsonl(out / "general" / benchmark / "questions.jsonl"))


def image_bytes(out, benchmark, row):
    return (out / "general" / benchmark / row["image"]).read_bytes()


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """name -> (the drawn miniature in its original layout, what `general` made of it)."""
    folder, found = tmp_path_factory.mktemp("originals"), {}
    for name in BENCHMARK_NAMES:
        options = {"source": name, "test_images_per_species": 5, "pixels": 64}
        build("drawn", root=None, out=folder / name, options=options)
        general(name, folder / name, folder / "out")
        found[name] = (folder / name, folder / "out")
    return found


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


@pytest.mark.parametrize(("name", "form"), TWINS)
def test_a_parquet_form_gives_the_questions_and_image_bytes_of_the_original_layout(originals, name, form, tmp_path):
    expected = write_twin(originals, name, form, tmp_path / "hub")
    manifest = general(name, tmp_path / "hub", tmp_path / "out")
    assert manifest["layout"] == "parquet"
    found = rows_of(tmp_path / "out", name)
    assert len(found) == len(expected) == manifest["rows"]
    without_ids = {"question_id"} if name == "ai2d" else set()  # its parquet form has none
    more = {"abc_label", "diagram"}  # what only the original files say
    for one, other in zip(found, expected, strict=True):
        for key in set(other) - {"image"} - without_ids - more:
            assert one[key] == other[key], key
        assert image_bytes(tmp_path / "out", name, one) == image_bytes(originals[name][1], name, other)
    # Each picture once, however many rows embed it.
    kept = [path for path in (tmp_path / "out").rglob("images/*") if path.is_file()]
    assert len(kept) == manifest["images"] == len({path.read_bytes() for path in kept})


@pytest.mark.parametrize("name", BENCHMARK_NAMES)
def test_evaluation_reads_the_questions_and_finds_their_pictures(originals, name):
    _, out = originals[name]
    path = out / "general" / name / "questions.jsonl"
    items = list(read_questions(path, path.parent, ""))
    assert items
    for item in items:
        assert item.image_path.is_file()
        golds = [item.gold] if isinstance(item.gold, str) else item.gold
        assert all(golds)
        if name == "ai2d":
            assert item.question.endswith("\n".join(f"{'ABCD'[i]}. {one}" for i, one in enumerate(item.options)))
            assert item.gold in "ABCD"
        if name == "mathvista" and item.options:
            assert item.gold in item.options
            assert "\nChoices:\n(A) " in item.question


def test_the_query_of_mathvista_is_hint_question_unit_and_choices():
    hint = hint_of("free_form", "float", 2, "here")
    assert hint == (
        "Hint: Please answer the question requiring a floating-point number with two decimal places and provide the "
        "final value, e.g., 1.23, 1.34, 1.45, at the end."
    )
    assert query_of("Hint: h", "How long?", "cm", []) == "Hint: h\nQuestion: How long? (Unit: cm)"
    assert query_of("Hint: h", "Which?", None, ["x", "y"]) == "Hint: h\nQuestion: Which?\nChoices:\n(A) x\n(B) y"
    with pytest.raises(UserError, match="here: question_type 'free_form', answer_type 'float', precision 3"):
        hint_of("free_form", "float", 3, "here")


def test_mathvistas_own_query_is_taken_where_there_is_one(originals, tmp_path):
    root = shutil.copytree(originals["mathvista"][0], tmp_path / "mathvista")
    (root / "data" / "query.json").write_text(json.dumps({"2": "Hint: another\nQuestion: as published"}))
    general("mathvista", root, tmp_path / "out")
    expected = [row["question"] for row in rows_of(originals["mathvista"][1], "mathvista")]
    expected[1] = "Hint: another\nQuestion: as published"
    assert [row["question"] for row in rows_of(tmp_path / "out", "mathvista")] == expected


@pytest.mark.parametrize("name", BENCHMARK_NAMES)
def test_the_manifest_is_written_last_and_tells_what_was_found(originals, name, monkeypatch, tmp_path):
    root, out = originals[name]
    folder = out / "general" / name
    manifest, rows = read_json(folder / "manifest.json"), rows_of(out, name)
    assert manifest["sha256"] == sha256_file(folder / "questions.jsonl")
    assert sum(manifest["categories"].values()) == manifest["rows"] == len(rows)
    assert manifest["images"] == len({row["image"] for row in rows})
    assert (folder / manifest["root"]).resolve() == root.resolve()
    # The same again returns at once; another root is noticed.
    assert general(name, root, out) == manifest
    with pytest.raises(UserError, match="root was"):
        general(name, tmp_path, out)
    monkeypatch.setattr("data_builders.general.command.write_jsonl", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        general(name, root, tmp_path / "out")
    assert not (tmp_path / "out" / "general" / name / "manifest.json").exists()


def test_official_counts_are_demanded_unless_a_part_is_wanted(originals, tmp_path, monkeypatch):
    root, _ = originals["chartqa"]
    with pytest.raises(UserError, match=r"ChartQA test has 20 questions, not 2,500.*--allow-partial"):
        general("chartqa", root, tmp_path / "out", allow_partial=False)
    assert not (tmp_path / "out").exists()
    splits = find_benchmark("chartqa").splits
    monkeypatch.setitem(splits, "test", Official(20, categories={"human": 12, "augmented": 8}))
    with pytest.raises(UserError, match="10 human questions, not 12; 10 augmented questions, not 8"):
        general("chartqa", root, tmp_path / "out", allow_partial=False)
    monkeypatch.setitem(splits, "test", Official(20, images=5, categories={"human": 10, "augmented": 10}))
    assert general("chartqa", root, tmp_path / "out", allow_partial=False)["rows"] == 20


def test_the_official_counts_are_those_of_the_benchmarks():
    counts = {name: [one.questions for one in find_benchmark(name).splits.values()] for name in BENCHMARK_NAMES}
    assert counts == {
        "ai2d": [3088],
        "chartqa": [2500],
        "docvqa": [5349],
        "infovqa": [2801],
        "mathvista": [1000],
        "pope": [9000],
    }


@pytest.mark.parametrize("name", ["docvqa", "infovqa", "mathvista"])
def test_a_split_without_public_answers_is_refused(originals, name, tmp_path):
    with pytest.raises(UserError, match="answers of its test split"):
        general(name, originals[name][0], tmp_path, split="test")
    with pytest.raises(UserError, match="split is 'train'; "):
        general(name, originals[name][0], tmp_path, split="train")


@pytest.mark.parametrize("name", BENCHMARK_NAMES)
def test_a_folder_without_the_benchmark_is_told_what_was_looked_for(name, tmp_path):
    (tmp_path / "root").mkdir()
    with pytest.raises(UserError, match=r"looked for .*\.json.*\.parquet.*Get it from http"):
        general(name, tmp_path / "root", tmp_path / "out")
    with pytest.raises(UserError, match="no folder"):
        general(name, tmp_path / "absent", tmp_path / "out")


@pytest.mark.parametrize("name", BENCHMARK_NAMES)
def test_broken_json_names_the_file(originals, name, tmp_path):
    root = shutil.copytree(originals[name][0], tmp_path / name)
    question_files = {
        "ai2d": "ai2d/questions/2.png.json",
        "chartqa": "ChartQA Dataset/test/test_human.json",
        "docvqa": "spdocvqa_qas/val_v1.0_withQT.json",
        "infovqa": "infographicsvqa_qas/infographicsVQA_val_v1.0_withQT.json",
        "mathvista": "data/testmini.json",
        "pope": "output/coco/coco_pope_random.json",
    }
    path = root / question_files[name]
    whole = path.read_text()
    for text, reason in ((whole[: len(whole) // 2 + 7], "not JSON"), ("17", "JSON (list|object)")):
        path.write_text(text)
        with pytest.raises(UserError, match=rf"{path.name}.*{reason}"):
            general(name, root, tmp_path / "out")


BAD_ROWS = [
    ("chartqa", {"label": ""}, "row 2: label is ''"),
    ("chartqa", {"label": None}, "row 2: label is None"),
    ("chartqa", {"query": 5}, "row 2: query is 5"),
    ("chartqa", {"imgname": "../../secret.png"}, "row 2: image path .* must be relative"),
    ("chartqa", {"imgname": "/etc/motd.png"}, "row 2: image path .* must be relative"),
    ("chartqa", {"imgname": "absent.png"}, r"row 2: no image absent\.png in .*png"),
    ("docvqa", {"answers": []}, "row 2: no answer in 'answers'"),
    ("docvqa", {"answers": "one"}, "row 2: answers is 'one'"),
    ("docvqa", {"questionId": 50_000}, r"row 2: question 50000 was already in .*row 1"),
    ("docvqa", {"questionId": "x"}, "row 2: questionId is 'x'; it must be a whole number"),
    ("infovqa", {"image_local_name": None}, "row 2: image_local_name is None"),
    ("pope", {"label": "maybe"}, "row 2: the answer is 'maybe'; it must be yes or no"),
    ("pope", {"question_id": 1}, "question 'random/1' was already in"),
    ("mathvista", {"answer": "perhaps"}, "problem 2: the answer 'perhaps' is none of the choices"),
    ("mathvista", {"question_type": "essay"}, "problem 2: question_type 'essay'"),
    ("mathvista", {"metadata": None}, "problem 2, metadata: expected a JSON object"),
    ("ai2d", {"correctAnswer": 9}, "the answer is option 9, counted from 0, of 4"),
    ("ai2d", {"answerTexts": ["one"]}, "1 options; a question has 2 to 26"),
]


@pytest.mark.parametrize(("name", "change", "message"), BAD_ROWS)
def test_a_bad_row_is_named(originals, name, change, message, tmp_path):
    root = shutil.copytree(originals[name][0], tmp_path / name)
    if name == "pope":
        path = root / "output" / "coco" / "coco_pope_random.json"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        rows[1] |= change
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path = {
            "ai2d": root / "ai2d" / "questions" / "2.png.json",
            "chartqa": root / "ChartQA Dataset" / "test" / "test_human.json",
            "docvqa": root / "spdocvqa_qas" / "val_v1.0_withQT.json",
            "infovqa": root / "infographicsvqa_qas" / "infographicsVQA_val_v1.0_withQT.json",
            "mathvista": root / "data" / "testmini.json",
        }[name]
        whole = read_json(path)
        rows = whole["questions"] if name == "ai2d" else whole.get("data", whole) if isinstance(whole, dict) else whole
        row = rows[1] if isinstance(rows, list) else list(rows.values())[1]
        row |= change
        path.write_text(json.dumps(whole))
    with pytest.raises(UserError, match=message) as caught:
        general(name, root, tmp_path / "out")
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "file"),
    [("chartqa", "ChartQA Dataset/test/test_augmented.json"), ("pope", "output/coco/coco_pope_popular.json")],
)
def test_a_missing_part_is_named(originals, name, file, tmp_path):
    root = shutil.copytree(originals[name][0], tmp_path / name)
    (root / file).unlink()
    with pytest.raises(UserError, match=Path(file).name):
        general(name, root, tmp_path / "out", allow_partial=False)
    assert general(name, root, tmp_path / "out")["rows"] > 0


def test_ai2d_needs_the_list_of_its_test_images_and_leaves_the_others_out(originals, tmp_path):
    root = shutil.copytree(originals["ai2d"][0], tmp_path / "ai2d")
    asked = {row["question_id"].split(".")[0] for row in rows_of(originals["ai2d"][1], "ai2d")}
    assert asked == set((root / "ai2d_test_ids.csv").read_text().split())
    (root / "ai2d_test_ids.csv").write_text("2\nx\n")
    with pytest.raises(UserError, match=r"ai2d_test_ids\.csv, line 2: 'x'"):
        general("ai2d", root, tmp_path / "out")
    (root / "ai2d_test_ids.csv").unlink()
    with pytest.raises(UserError, match=r"no ai2d_test_ids\.csv or .*download"):
        general("ai2d", root, tmp_path / "out")


def test_ai2d_answers_are_the_letters_of_the_right_options(originals):
    root, out = originals["ai2d"]
    letters = set()
    for row in rows_of(out, "ai2d"):
        number = row["question_id"].split(".")[0]
        about = read_json(root / "ai2d" / "questions" / f"{number}.png.json")["questions"][row["parts"]["question"]]
        assert row["options"][ord(row["answer"]) - ord("A")] == about["answerTexts"][about["correctAnswer"]]
        letters.add(row["answer"])
    assert len(letters) > 1


def test_ai2d_letters_stand_in_the_place_of_the_words_and_nowhere_else(originals):
    root, out = originals["ai2d"]
    for row in rows_of(out, "ai2d"):
        number = row["question_id"].split(".")[0]
        plain = root / "ai2d" / "images" / f"{number}.png"
        shown = out / "general" / "ai2d" / row["image"]
        if not row["abc_label"]:
            assert shown.read_bytes() == plain.read_bytes()
            continue
        before, after = (np.asarray(Image.open(path).convert("RGB")).astype(int) for path in (plain, shown))
        inside = np.zeros(before.shape[:2], bool)
        for text in read_json(root / "ai2d" / "annotations" / f"{number}.png.json")["text"].values():
            (left, top), (right, bottom) = text["rectangle"]
            box = slice(top, bottom + 1), slice(left, right + 1)
            inside[box] = True
            assert (after[box] == 255).all(axis=2).mean() > 0.4  # white
            assert (after[box] < 90).all(axis=2).any()  # with a letter
        assert (before == after).all(axis=2)[~inside].mean() > 0.98  # a letter may be larger than a flat word


def test_original_images_are_linked_unless_copies_are_asked_for(originals, tmp_path):
    root, out = originals["docvqa"]
    row = rows_of(out, "docvqa")[0]
    page = root / "spdocvqa_images" / row["image"].removeprefix("images/")
    assert os.path.samefile(page, out / "general" / "docvqa" / row["image"])
    general("docvqa", root, tmp_path / "copied", copy_images=True)
    copy = tmp_path / "copied" / "general" / "docvqa" / row["image"]
    assert copy.read_bytes() == page.read_bytes()
    assert not os.path.samefile(page, copy)
    # The same without hard links: another file system.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_module.os, "link", lambda *_: (_ for _ in ()).throw(OSError(18, "cross-device link")))
        general("docvqa", root, tmp_path / "far")
    assert (tmp_path / "far" / "general" / "docvqa" / row["image"]).read_bytes() == page.read_bytes()


def test_a_tree_of_symbolic_links_gives_files(originals, tmp_path):
    root = shutil.copytree(originals["chartqa"][0], tmp_path / "blobs")
    for path in [path for path in root.rglob("*.png") if path.is_file()]:
        link = tmp_path / "tree" / path.relative_to(root)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    for path in root.rglob("test_*.json"):
        shutil.copy(path, tmp_path / "tree" / path.relative_to(root))
    general("chartqa", tmp_path / "tree", tmp_path / "out")
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


def test_images_may_lie_elsewhere(originals, tmp_path):
    root = shutil.copytree(originals["pope"][0], tmp_path / "pope")
    (root / "val2014").rename(tmp_path / "coco images")
    with pytest.raises(UserError, match=r"no image COCO_val2014_000000000001\.jpg in .*--images DIR"):
        general("pope", root, tmp_path / "out")
    with pytest.raises(UserError, match="is no folder"):
        general("pope", root, tmp_path / "out", images=str(tmp_path / "nowhere"))
    manifest = general("pope", root, tmp_path / "out", images=str(tmp_path / "coco images"))
    assert manifest["images"] == 5


def noise(seed, side=40, kind="PNG"):
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def bomb(side):
    """A small png whose header says that it is large."""
    data = bytearray(noise(0))
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


BROKEN = [
    (noise(0)[:-300], "the image cannot be read"),
    (noise(0, kind="JPEG")[:-300], "the image cannot be read"),
    (b"", "the image is empty"),
    (b"<html>not found</html>", "not an image"),
    (bomb(30_000), "more than 144,000,000 pixels"),
    (bomb(12_001), "more than 144,000,000 pixels"),
    (None, "does not hold it"),
]


@pytest.mark.parametrize(("data", "message"), BROKEN)
def test_a_broken_embedded_image_is_named_and_the_next_run_goes_on(data, message, tmp_path):
    good = [noise(number) for number in range(6)]

    def write(last):
        rows = [
            {"question": "Which?", "options": ["a", "b"], "answer": "0", "image": embed(one, "a.png")}
            for one in [*good, last]
        ]
        schema = {"question": TEXT, "options": TEXTS, "answer": TEXT, "image": IMAGE}
        write_shards(tmp_path / "hub" / "data", "test", schema, rows, shards=1)

    write(data)
    with pytest.raises(UserError, match=message) as caught:
        general("ai2d", tmp_path / "hub", tmp_path / "out")
    assert "test-00000-of-00001.parquet, row 7" in str(caught.value)
    folder = tmp_path / "out" / "general" / "ai2d"
    assert not (folder / "questions.jsonl").exists()
    before = {path: path.stat().st_mtime_ns for path in (folder / "images").iterdir()}
    assert len(before) == 6
    write(noise(99))
    assert general("ai2d", tmp_path / "hub", tmp_path / "out")["images"] == 7
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list(folder.glob(".building*"))


@pytest.mark.parametrize(("data", "message"), [one for one in BROKEN if one[0] is not None])
def test_a_broken_image_file_is_named(originals, data, message, tmp_path):
    root = shutil.copytree(originals["mathvista"][0], tmp_path / "mathvista")
    (root / "data" / "images" / "3.jpg").write_bytes(data)
    with pytest.raises(UserError, match=rf"problem 3: .*3\.jpg.*{message}"):
        general("mathvista", root, tmp_path / "out")


def test_suffixes_come_from_the_content():
    for kind, suffix in (("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("GIF", ".gif"), ("TIFF", ".tif")):
        assert picture_suffix(noise(1, kind=kind), "here") == suffix
    modes = io.BytesIO()
    Image.new("CMYK", (9, 9)).save(modes, "JPEG")
    assert picture_suffix(modes.getvalue(), "here") == ".jpg"
    modes = io.BytesIO()
    Image.new("I;16", (9, 9)).save(modes, "PNG")
    assert picture_suffix(modes.getvalue(), "here") == ".png"


def test_embedded_images_get_their_names_from_the_row_or_from_their_content(tmp_path):
    store = ImageStore(tmp_path)

    def put(data, name=None):
        return store.put(Picture("row 1", name, data=data))

    assert put(noise(1), "chart.jpg") == "images/chart.png"  # a png named jpg
    assert put(noise(1), "other.png") == "images/chart.png"  # the same picture once
    second = put(noise(2), "chart.jpg")  # another picture of the same name
    assert second.startswith("images/chart-")
    assert put(noise(3), "a b, ü.png") == "images/a b, ü.png"
    assert put(noise(4), "v1.5") == "images/v1.5.png"
    assert put(noise(5)) == put(noise(5), "late.png")
    assert len(put(noise(6), "x" * 300 + ".png")) < 40
    for unsafe in ("../x.png", "/etc/x.png", "a/../../x.png"):
        with pytest.raises(UserError, match="row 1: image path"):
            put(noise(7), unsafe)
    assert len(store) == len([path for path in tmp_path.rglob("*") if path.is_file()]) == 6
    for name, data in (("images/chart.png", noise(1)), (second, noise(2))):
        assert (tmp_path / name).read_bytes() == data  # never encoded anew


def test_parquet_files_that_are_none_or_lack_something_are_named(originals, tmp_path):
    hub = tmp_path / "hub"
    write_twin(originals, "pope", pope_form, hub)
    shard = hub / "data" / "test-00001-of-00003.parquet"
    whole = shard.read_bytes()
    shard.unlink()
    with pytest.raises(UserError, match=r"1 of 3 shards are missing, the first: test-00001-of-00003\.parquet"):
        general("pope", hub, tmp_path / "out", allow_partial=False)
    for data, message in (
        (whole[: len(whole) // 2], "not a parquet file"),
        (b"", "not a parquet file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    ):
        shard.write_bytes(data)
        with pytest.raises(UserError, match=rf"test-00001-of-00003\.parquet is .*{message}"):
            general("pope", hub, tmp_path / "out")
    broken = bytearray(whole)
    broken[4 : len(whole) // 2] = bytes(len(whole) // 2 - 4)  # the pages, not the footer
    shard.write_bytes(broken)
    with pytest.raises(UserError, match=r"test-00001-of-00003\.parquet"):
        general("pope", hub, tmp_path / "out")
    table = pyarrow.table({"question_id": ["1"], "question": ["?"], "image": [embed(noise(1))]})
    parquet.write_table(table, shard)
    with pytest.raises(UserError, match=r"no column answer, category; it has question_id, question, image"):
        general("pope", hub, tmp_path / "out")


def test_columns_that_are_no_chartqa_are_named(tmp_path):
    folder = tmp_path / "hub" / "data"
    folder.mkdir(parents=True)
    parquet.write_table(pyarrow.table({"a": [1], "image": [embed(noise(1))]}), folder / "test-00000-of-00001.parquet")
    with pytest.raises(UserError, match=r"columns of ChartQA are query, label, human_or_machine, image or .*it has a"):
        general("chartqa", tmp_path / "hub", tmp_path / "out")


def test_reading_parquet_holds_a_few_rows_at_a_time(tmp_path):
    picture = noise(0, side=200)
    rows = [{"number": i, "image": embed(picture + bytes([i]) * 200_000)} for i in range(200)]
    path = tmp_path / "test.parquet"
    schema = pyarrow.schema({"number": pyarrow.int64(), "image": IMAGE})
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), path, row_group_size=10)
    most = 0
    read = 0
    for _, row in read_rows([path], ["number", "image"]):
        most = max(most, pyarrow.total_allocated_bytes())
        read += row["number"]
    assert read == sum(range(200))
    total = 200 * (len(picture) + 200_000)
    assert most < total / 4


def test_a_folder_that_holds_something_else_is_left_alone(originals, tmp_path):
    folder = tmp_path / "out" / "general" / "pope"
    folder.mkdir(parents=True)
    (folder / "questions.jsonl").write_text("mine\n")
    with pytest.raises(UserError, match="is not empty"):
        general("pope", originals["pope"][0], tmp_path / "out")
    assert (folder / "questions.jsonl").read_text() == "mine\n"


def test_a_half_built_folder_is_not_filled_up_from_another_root(originals, tmp_path):
    first = shutil.copytree(originals["pope"][0], tmp_path / "first")
    (first / "val2014" / "COCO_val2014_000000000003.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="empty"):
        general("pope", first, tmp_path / "out")
    with pytest.raises(UserError, match="unfinished build: root was "):
        general("pope", originals["pope"][0], tmp_path / "out")
    shutil.copy(originals["pope"][0] / "val2014" / "COCO_val2014_000000000003.jpg", first / "val2014")
    assert general("pope", first, tmp_path / "out")["images"] == 5


def shades(folder, names):
    """A small picture for every name."""
    folder.mkdir(parents=True)
    for number, name in enumerate(sorted(names)):
        Image.new("RGB", (12, 9), (number % 256, number // 256, 50)).save(folder / name)


def test_real_pope_rows(shared, tmp_path):
    samples = shared / "data" / "format_samples"
    coco, rows = tmp_path / "pope" / "output" / "coco", {}
    coco.mkdir(parents=True)
    for split in ("random", "popular", "adversarial"):
        shutil.copy(samples / f"pope_coco_pope_{split}.json", coco / f"coco_pope_{split}.json")
        rows[split] = list(read_jsonl(coco / f"coco_pope_{split}.json"))
    shades(tmp_path / "pope" / "val2014", {row["image"] for split in rows.values() for row in split})
    general("pope", tmp_path / "pope", tmp_path / "out")
    expected = [
        (f"{split}/{row['question_id']}", f"images/{row['image']}", row["text"], row["label"], split)
        for split, listed in rows.items()
        for row in listed
    ]
    keys = ("question_id", "image", "question", "answer", "category")
    assert [tuple(row[key] for key in keys) for row in rows_of(tmp_path / "out", "pope")] == expected


def test_real_mathvista_rows(shared, tmp_path):
    data = tmp_path / "mathvista" / "data"
    data.mkdir(parents=True)
    shutil.copy(shared / "data" / "format_samples" / "mathvista_testmini_first100.json", data / "testmini.json")
    problems = read_json(data / "testmini.json")
    shades(data / "images", {Path(one["image"]).name for one in problems.values()})
    manifest = general("mathvista", tmp_path / "mathvista", tmp_path / "out")
    assert (manifest["rows"], len(manifest["categories"])) == (100, 5)
    for row, (pid, one) in zip(rows_of(tmp_path / "out", "mathvista"), problems.items(), strict=True):
        assert (row["pid"], row["answer"], row["image"]) == (pid, one["answer"], one["image"])
        for key in ("question_type", "answer_type", "precision", "unit", "choices", "metadata"):
            assert row[key] == one[key]
        lines = row["question"].split("\nQuestion: ", 1)
        assert lines[0].startswith("Hint: Please answer the question ")
        assert lines[1].startswith(one["question"])
        assert (f"(Unit: {one['unit']})" in lines[1]) == bool(one["unit"])
        assert [line[4:] for line in lines[1].split("\nChoices:\n", 1)[1:] for line in line.split("\n")] == (
            one["choices"] or []
        )


def test_real_chartqa_rows(shared, tmp_path):
    folder = tmp_path / "ChartQA Dataset" / "test"
    folder.mkdir(parents=True)
    shutil.copy(shared / "data" / "format_samples" / "chartqa_test_human_first_rows.json", folder / "test_human.json")
    rows = read_json(folder / "test_human.json")
    shades(folder / "png", {row["imgname"] for row in rows})
    general("chartqa", tmp_path, tmp_path / "out")
    found = rows_of(tmp_path / "out", "chartqa")
    assert [(row["question"], row["answer"]) for row in found] == [(row["query"], row["label"]) for row in rows]
    assert {row["category"] for row in found} == {"human"}
