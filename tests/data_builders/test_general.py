"""Laws of the general benchmarks' builder: whatever form a benchmark is downloaded in, the questions are the same."""

import json
import shutil

import pytest
from general_forms import TWINS, general, image_bytes, rows_of, write_twin

from data_builders.benchmark_images import ImageFolder
from data_builders.general.benchmark import Official
from data_builders.general.builder import BENCHMARK_NAMES, find_benchmark
from data_builders.general.mathvista import hint_of, query_of
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, sha256_file
from evaluation.tasks.question_files import read_questions


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
    items = list(read_questions(path, ImageFolder(path.parent), ""))
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
    monkeypatch.setattr("data_builders.general.builder.write_jsonl", lambda *_: 1 / 0)
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
