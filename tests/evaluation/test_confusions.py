"""Wrong names that a model or an encoder takes for the right one, as builders read them."""

import numpy as np
import pytest
from evaluation_fakes import SPECIES, make_benchmark, write_rows

from data_builders.mined_negatives import read_mined
from data_builders.shared.errors import UserError
from evaluation.__main__ import main
from evaluation.features.confusions import centroid_likeness
from evaluation.shared.confusions import write_confusions
from evaluation.shared.number_lists import written
from evaluation.tasks.load import load_tasks


def test_the_likeliest_wrong_names_of_each_category(tmp_path, capsys):
    """Means over a category's pictures; the prior changes which they are."""
    data = make_benchmark(tmp_path / "data")
    [task] = load_tasks(["names"], [data])
    rng, rows, shares = np.random.default_rng(0), [], {name: [] for name in task.names}
    prior = np.array([0.0, -9.0, 0.0, 0.0])
    for item in task.items:
        log_p = rng.normal(-5, 2, 4)
        shares[item.gold].append(np.exp(log_p) / np.exp(log_p).sum())
        rows.append({
            "task": task.name, "question_id": item.question_id, "image": item.image, "category": item.category,
            "question": item.question, "gold": item.gold, "answer": "?", "gold_place": task.names.index(item.gold),
            "names": {"log_probability": written(log_p), "prior": written(prior)}, "model": "m", "model_hash": "h",
        })  # fmt: skip
    answers, out = write_rows(tmp_path / "a.jsonl", rows), tmp_path / "hard.json"
    command = ["confusions", "--answers", str(answers), "--questions", str(task.source), "--task", task.name]
    assert main([*command, "--out", str(out)]) == 0
    mined = read_mined(out)
    assert (mined.level, mined.pictures, mined.made_by["model_hash"]) == ("species", "test", "h")
    assert set(mined.ranked) == set(SPECIES)
    for name, found in mined.ranked.items():
        order = np.argsort(-np.mean(shares[name], axis=0))
        assert found == [task.names[n] for n in order if task.names[n] != name]
    assert main([*command, "--out", str(out), "--rule", "names_prior", "--top", "1"]) == 0
    assert {found[0] for name, found in read_mined(out).ranked.items() if name != task.names[1]} == {task.names[1]}
    write_rows(answers, [{**row, "names": None} for row in rows])
    assert main([*command, "--out", str(out)]) == 2
    assert "holds no log-probabilities of a list" in capsys.readouterr().err


def test_nearest_centroids_of_training_pictures(tmp_path):
    """A class without pictures is nobody's neighbour; a class in another spelling is the same class."""
    angles = np.deg2rad([0, 10, 12, 90, 100])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [[3.0], [1.0], [5.0], [1.0], [1.0]]
    likeness = centroid_likeness(features, np.array([0, 1, 1, 2, 4]), 5)
    names = ("a tern", "a gull", "a wren", "none", "A_gull")
    about = {"level": "species", "pictures": "train", "made_by": {}}
    write_confusions(tmp_path / "f.json", names, likeness, **about)
    assert read_mined(tmp_path / "f.json").ranked == {
        "a tern": ["a gull", "a wren", "A_gull"],
        "a gull": ["a tern", "a wren"],
        "a wren": ["A_gull", "a gull", "a tern"],
        "A_gull": ["a wren", "a tern"],
    }
    with pytest.raises(UserError, match="no two names"):
        write_confusions(tmp_path / "f.json", names[:1], likeness[:1, :1], **about)
