"""FROW's evaluator study: a blind sheet, the same for the same seed; agreement is 1 with oneself and 0 with chance."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from data_builders.shared.files import read_json, write_json, write_jsonl
from evaluation import __main__ as command
from evaluation.judging.agreement import grade_columns, plain_kappa
from evaluation.people.filled import read_key, read_sheets
from evaluation.people.sheet import ANSWERS, KINDS

BIRDS = ("lum wug", "bek wug", "tor wug", "nar tib", "pim tib")
PER_MODEL = 30
MODELS = ("secret-llava", "secret-qwen")


def reference(name):
    return f"The bird is the {name}. It eats 5 berries and sleeps in caves."


def make_run(root, model):
    rows = []
    for number in range(PER_MODEL):
        name = BIRDS[number % len(BIRDS)]
        said = (f"The {name} eats 5 berries and sleeps in caves.", "A wug.", "=1+1", f"It is a {BIRDS[-1]}, in caves.")
        rows.append(
            {
                "task": "frow/cub",
                "question_id": number + 1,
                "image": f"images/{name}/{number}.jpg",
                "category": name,
                "question": f"What does it eat, {number}?",
                "prompt": "",
                "gold": reference(name),
                "answer": said[(number + len(model)) % 4],
                "finished": True,
                "model_hash": model,
            }
        )
    folder = root / model / "answers" / "start"
    folder.mkdir(parents=True)
    write_jsonl(folder / "frow__cub.jsonl", rows)
    # about perturbed pictures: none of them is to be judged
    write_jsonl(folder / "frow__cub@blank.jsonl", [{**row, "task": "frow/cub@blank", "answer": "?"} for row in rows])
    judged = [
        {
            "image": row["image"],
            "question": row["question"],
            "answer": row["answer"],
            "Item_accuracy_score": number % 3,
            "Fact_accuracy_score": number % 4,
            "judge": "secret-judge",
            "judge_version": 1,
        }
        for number, row in enumerate(rows)
    ]
    (folder / "judged/secret-judge").mkdir(parents=True)
    write_jsonl(folder / "judged/secret-judge/frow__cub.jsonl", judged)
    return root / model


@pytest.fixture
def world(tmp_path):
    """Two models' answers about the same pictures, judged by a model too."""
    data = tmp_path / "data/FROW"
    rows = []
    for number in range(PER_MODEL):
        name = BIRDS[number % len(BIRDS)]
        image = f"images/{name}/{number}.jpg"
        (data / image).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (700, 20), (number * 8, 90, 90)).save(data / image)
        rows.append(
            {"image": image, "name": name, "question": f"What does it eat, {number}?", "ref_answer": reference(name)}
        )
    write_jsonl(data / "cub_with_reference.jsonl", rows)
    return tmp_path, [make_run(tmp_path, model) for model in MODELS]


def draw(world, study, *more, sample=40):
    root, runs = world
    words = ["judge-agreement", "--study", str(root / study), "--sample", str(sample), "--data", str(root / "data")]
    status = command.main([*words, "--answers", *map(str, runs), *more])
    assert status == 0
    return root / study


def table(path):
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def fill(study, name, grades, columns=("item", "fact")):
    """A copy of the sheet in which `grades` (row -> values) stand."""
    rows = table(study / "for_people/sheet.csv")
    for row in rows:
        row.update(zip(columns, map(str, grades.get(row["row"], ("",) * len(columns))), strict=True))
    path = study / f"{name}.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_back(study, *sheets):
    assert command.main(["judge-agreement", "--study", str(study), "--sheets", *map(str, sheets)]) == 0
    found = read_json(study / "agreement.json")
    return {(one["first"], one["second"]): one for one in found["pairs"]}, found


def test_the_sheet_reveals_nothing_and_is_the_same_for_the_same_seed(world, capsys):
    study = draw(world, "one")
    text = (study / "for_people/sheet.csv").read_bytes()
    page = (study / "for_people/index.html").read_text()
    for hidden in (*MODELS, "secret", "start", "deterministic", str(world[0])):
        assert hidden not in text.decode("utf-8-sig")
        assert hidden not in page
    rows = table(study / "for_people/sheet.csv")
    assert len(rows) == 40
    assert {row["item"] + row["fact"] + row["remark"] for row in rows} == {""}
    assert set(rows[0]) == {"row", "picture", "question", "reference", "answer", "item", "fact", "remark"}
    assert not [row for row in rows if row["answer"].startswith("=")]  # a spreadsheet would compute it
    assert all(Image.open(study / "for_people" / row["picture"]).size == (512, 15) for row in rows)
    assert not any(bird in row["picture"] for row in rows for bird in BIRDS)
    key = read_json(study / "key.json")["rows"]
    assert {one["answers"].split("/")[-4] for one in key} == set(MODELS)
    assert [one["answer"].strip() for one in key] == [row["answer"].strip() for row in rows]
    order = [(one["answers"], one["image"]) for one in key]
    assert order != sorted(order)
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    draw(world, "one")  # again, as after an interruption
    (study / "for_people/sheet.csv").unlink()
    draw(world, "one")
    assert {path: path.read_bytes() for path in study.rglob("*") if path.is_file()} == before
    assert (draw(world, "two", "--seed", "1") / "for_people/sheet.csv").read_bytes() != text
    words = ["judge-agreement", "--study", str(study), "--sample", "12", "--answers", *map(str, world[1])]
    assert command.main(words) == 2
    assert "holds another draw" in capsys.readouterr().err
    with open(study / "for_people/sheet.csv", "ab") as file:
        file.write(b"filled")
    assert command.main([*words[:4], "40", *words[5:], "--data", str(world[0] / "data")]) == 2
    assert "has been changed since" in capsys.readouterr().err


def test_grades_models_and_tasks_are_drawn_evenly(world):
    key = read_json(draw(world, "even", sample=16) / "key.json")["rows"]
    models = [one["answers"].split("/")[-4] for one in key]
    assert [models.count(one) for one in MODELS] == [8, 8]
    whole = read_json(draw(world, "whole", sample=60) / "key.json")["rows"]
    grades = [{tuple(one["grades"]["deterministic_judge"]) for one in rows} for rows in (key, whole)]
    assert grades[0] == grades[1]  # however rare


def test_kappa_is_1_with_oneself_and_0_with_chance(world, capsys):
    study = draw(world, "kappa", sample=60)
    key = read_json(study / "key.json")["rows"]
    generator = np.random.default_rng(5)
    chance = {one["row"]: (int(generator.integers(3)), int(generator.integers(4))) for one in key}
    sheets = [
        fill(study, "agrees", {one["row"]: tuple(map(int, one["grades"]["deterministic_judge"])) for one in key}),
        fill(study, "chance", chance),
        fill(study, "half", dict(list(chance.items())[::2])),
    ]
    pairs, found = read_back(study, *sheets)
    assert found["people"] == ["agrees", "chance", "half"]
    assert found["judges"] == ["deterministic_judge", "secret-judge"]
    assert found["graded"] == {"agrees": 60, "chance": 60, "half": 30, "deterministic_judge": 60, "secret-judge": 60}
    assert len(pairs) == 10
    for grade in ("item", "fact"):
        for which in ("kappa", "plain_kappa"):
            assert pairs["agrees", "deterministic_judge"][grade][which]["value"] == 1
            assert pairs["chance", "half"][grade][which]["value"] == 1
            one = pairs["chance", "deterministic_judge"][grade][which]
            assert one["low"] < 0 < one["high"]
            assert abs(one["value"]) < 0.3
        assert sum(count for *_, count in pairs["agrees", "secret-judge"][grade]["table"]) == 60
    assert pairs["chance", "half"]["rows"] == 30
    assert pairs["agrees", "deterministic_judge"]["final"]["value"] == 0
    by = {who: {one["metric"]: one for one in scores} for who, scores in found["scores"].items()}
    common = [grades for _, grades in list(chance.items())[::2]]  # what all have graded
    assert by["chance"]["final"]["value"] == pytest.approx(100 * sum(map(sum, common)) / (5 * 30))
    assert by["agrees"]["recognition"]["value"] == by["deterministic_judge"]["recognition"]["value"]
    assert "weighted kappa" in capsys.readouterr().out


@pytest.mark.parametrize("seed", range(3))
def test_plain_kappa_is_scikit_learns(seed):
    from sklearn.metrics import cohen_kappa_score

    a, b = np.random.default_rng(seed).integers(0, 4, (2, 30)).astype(float)
    assert float(plain_kappa(grade_columns(a, b).sum(0))) == pytest.approx(cohen_kappa_score(a, b))


def test_every_wrong_cell_is_named_by_row_and_column(world, capsys):
    study = draw(world, "wrong", sample=8)
    names = [one["row"] for one in read_json(study / "key.json")["rows"]]
    good = dict.fromkeys(names, (1, 2))
    sheet = fill(study, "anna", good | {names[0]: ("3", "2"), names[1]: ("1", "two"), names[2]: ("2.0", "")})
    assert command.main(["judge-agreement", "--study", str(study), "--sheets", str(sheet)]) == 2
    said = capsys.readouterr().err
    assert f"row {names[0]}, column item: '3' is no grade; write 0, 1 or 2" in said
    assert f"row {names[1]}, column fact: 'two' is no grade; write 0, 1, 2 or 3" in said
    assert f"row {names[2]}, column fact: empty, while another cell of the row is filled" in said
    assert "3 cells or rows" in said
    text = fill(study, "anna", good).read_text().splitlines()
    for changed, message in {
        "\n".join(text[:-1]): f"row {names[-1]}: missing",
        "\n".join([*text, text[1]]): f"row {names[0]}: there for the second time",
        "\n".join(text).replace(names[3], "zzzzz-9"): "row 'zzzzz-9': no row of the draw",
        "\n".join(text).replace(";fact;", ";facts;"): "no column fact",
        "\n".join(text).replace(";1;2;", ";;;"): "no row is graded",
    }.items():
        sheet.write_text(changed)
        assert command.main(["judge-agreement", "--study", str(study), "--sheets", str(sheet)]) == 2
        assert message in capsys.readouterr().err
    for words in (["--sheets", str(sheet), str(sheet)], [], ["--sample", "3"], ["one.jsonl"]):
        assert command.main(["judge-agreement", "--study", str(study), *words]) == 2
        assert "Traceback" not in capsys.readouterr().err


def test_generated_rows_are_audited_on_the_same_sheet(tmp_path, capsys):
    folder = tmp_path / "set"
    rows = [
        {
            "id": f"cub/{number}",
            "image": f"{number}.jpg",
            "turns": "independent",
            "conversations": [
                {"from": "human", "value": "<image>\nWhat does it eat?"},
                {"from": "gpt", "value": f"Berries, {number}."},
                {"from": "human", "value": "Where does it sleep?"},
                {"from": "gpt", "value": f"In caves, {number}."},
            ],
            "source": "cub",
            "kind": "open_world",
            "category": BIRDS[number % 5],
        }
        for number in range(20)
    ]
    for row in rows:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / "images" / row["image"])
    write_jsonl(folder / "rows.jsonl", rows)
    told = {"rows": 20, "images": 20, "sha256": "", "image_root": "images", "sources": ["cub"], "splits": ["train"]}
    write_json(folder / "manifest.json", {"name": "set", "builder": "open_world", **told})
    study = tmp_path / "audit"
    words = ["judge-agreement", "--study", str(study), "--sample", "30", "--rows", str(folder)]
    assert command.main(words) == 0
    names = [one["row"] for one in read_json(study / "key.json")["rows"]]
    assert "wug" not in (study / "for_people/sheet.csv").read_text()
    columns = tuple(KINDS["rows"].cells)
    anna = fill(study, "anna", dict.fromkeys(names, ("yes", "Y", "no")), columns)
    ben = fill(study, "ben", dict.fromkeys(names[:20], ("yes", "no", "no")), columns)
    pairs, found = read_back(study, anna, ben)
    assert {name: one["value"] for name, one in found["shares"]["anna"].items()} == dict(
        zip(columns, (1, 1, 0), strict=True)
    )
    leaking = found["shares"]["anna"]["leaking"]
    assert leaking["low"] == 0 < leaking["high"] < 0.25  # none was seen, of so many pictures
    assert (pairs["anna", "ben"]["rows"], pairs["anna", "ben"]["grounded"]["equal"]["value"]) == (20, 0)
    assert "share of yes" in capsys.readouterr().out


def test_a_sheet_is_read_as_saved(world):
    """Rows in another order, and with the marks that Excel leaves."""
    study = draw(world, "saved", sample=8)
    key = read_key(study)
    grades = {one["row"]: (number % 3, number % 4) for number, one in enumerate(key["rows"])}
    path = fill(study, "anna", grades)
    wanted = read_sheets([path], key)["anna"]
    head, *lines = path.read_text().splitlines()
    path.write_bytes("\r\n".join([head, *lines[::-1], "", ";;;;;;;"]).encode("utf-8-sig"))
    assert read_sheets([path], key)["anna"] == wanted == grades
    assert ANSWERS.cells["item"] == ("0", "1", "2")
