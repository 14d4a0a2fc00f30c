"""On real pictures, where they lie beside the repository: FG-BMK's and FROW's own questions, real weights' features."""

import json
import re

import pytest
from lvlm_fakes import llava

from evaluation.__main__ import main
from evaluation.commands import features

CLASSES, TRAIN, TEST = 5, 3, 2  # of the slice's 30, 15 and 10


@pytest.fixture(scope="module")
def birds(shared, tmp_path_factory):
    """A few classes of the real slice in its own layout."""
    real, place = shared / "data" / "CUB_200_2011", tmp_path_factory.mktemp("birds") / "CUB_200_2011"
    place.mkdir()
    (place / "images").symlink_to(real / "images")
    rows = {
        name: dict(line.split(maxsplit=1) for line in (real / f"{name}.txt").read_text().splitlines())
        for name in ("images", "image_class_labels", "train_test_split")
    }
    kept, counts = [], {}
    for number, label in rows["image_class_labels"].items():
        split = rows["train_test_split"][number]
        counts[label, split] = counts.get((label, split), 0) + 1
        if int(label) <= CLASSES and counts[label, split] <= (TRAIN if split == "1" else TEST):
            kept.append(number)
    for name, values in rows.items():
        (place / f"{name}.txt").write_text("".join(f"{number} {values[number]}\n" for number in kept))
    lines = (real / "classes.txt").read_text().splitlines()[:CLASSES]
    (place / "classes.txt").write_text("".join(f"{line}\n" for line in lines))
    return place


def printed_values(text):
    """(value and interval, n) of every row of the printed tables."""
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]
    return [(row[-2], row[-1]) for row in cells]


def test_a_random_model_is_asked_the_published_questions(shared, tmp_path, capsys):
    model = llava(tmp_path / "model")
    data = ["--data", str(shared / "data"), "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert main(["run", "--model", str(model), "--tasks", "fgbmk,frow", *data, "--subset", "5"]) == 0
    values = printed_values(capsys.readouterr().out)
    named = 2 * 8  # short answers and FROW: five outcomes, and what is too coarse at two levels and by its own words
    assert len(values) == 7 * 4 + 3 + named
    assert all(re.fullmatch(r"\d+\.\d\d \[\d+\.\d, \d+\.\d]", value) and n == "5" for value, n in values), values
    rows = [
        json.loads(line)
        for path in (tmp_path / "run" / "answers" / "start").glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert len(rows) == 40
    named = tmp_path / "run" / "answers" / "start" / "named"
    assert {path.name: len(path.read_text().splitlines()) for path in named.iterdir()} == {
        "fgbmk__cub__species__short_answer.jsonl": 5,
        "frow__cub.jsonl": 5,
    }
    weighed = {row["task"] for row in rows if "options_log_probability" in row}
    assert weighed == {f"fgbmk/cub/{level}/{kind}" for level in ("class", "genus", "species")
                       for kind in ("choice", "true_false")}  # fmt: skip
    assert main(["compare", str(tmp_path / "run"), "--out", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "FG-BMK cub species choice" in page
    assert "FROW cub" in page
    assert "· n = 40</p>" in page  # one checkpoint: its mean with n, and nothing to compare it with
    assert page.count("data:image/jpeg;base64,") >= 3


def test_probe_neighbours_retrieval_and_attack_on_real_weights(shared, birds, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("evaluation.features.probe.FEWEST_STEPS", 40)
    weights = shared / "data" / "weights" / "mobilenet_v2_inat_bird"
    out = ["--out", str(tmp_path), "--device", "cpu", "--attack-images", "2"]
    where = ["--source", "cub", "--root", str(birds)]
    measures = ["--measure", ",".join(features.MEASURES)]
    assert main(["features", "--model", str(weights), *where, *measures, *out]) == 0
    values = printed_values(capsys.readouterr().out)
    assert all(re.fullmatch(r"\d+\.\d\d \[\d+\.\d, \d+\.\d]", value) for value, _ in values), values
    assert {n for _, n in values} == {str(CLASSES * TEST), "2"}
    tasks = json.loads((tmp_path / "features.json").read_text())["tasks"]
    assert set(tasks) == {f"features/cub/{measure}" for measure in features.MEASURES}
    found = {name: {one["metric"]: one["value"] for one in task["scores"]} for name, task in tasks.items()}
    assert found["features/cub/knn"]["top-1, nearest class centroid"] >= 60
    assert found["features/cub/retrieval"]["mAP"] > 50
    attacked = found["features/cub/robustness"]
    assert attacked["top-1 after the attack"] < attacked["top-1 before"]


@pytest.mark.slow
@pytest.mark.parametrize(("weights", "reference"), [("inat_bird", 84.7), ("imagenet", 71.7)])
def test_nearest_centroids_of_the_real_birds_are_the_reference(shared, tmp_path, weights, reference):
    folder = shared / "data" / "weights" / f"mobilenet_v2_{weights}"
    where = ["--source", "cub", "--root", str(shared / "data" / "CUB_200_2011"), "--out", str(tmp_path)]
    assert main(["features", "--model", str(folder), *where, "--measure", "knn"]) == 0
    scores = json.loads((tmp_path / "features.json").read_text())["tasks"]["features/cub/knn"]["scores"]
    found = next(score for score in scores if score["rule"] == "centroid")
    assert (round(found["value"], 1), found["n"]) == (reference, 300)
