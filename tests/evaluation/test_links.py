"""Which link is broken: wrong answers fall into features, knowledge and grounding, each into one."""

from itertools import product

import numpy as np
import pytest
from evaluation_fakes import write_rows

from data_builders.shared.files import read_json, read_jsonl, sha256_file, write_json
from evaluation.features.cache import FeatureCache
from evaluation.features.labelled import labelled
from evaluation.features.measure_sets import Measuring, measure_all
from evaluation.ledger import load_run
from evaluation.links import LINKS, links_of_run, read_links, write_links
from evaluation.links.probes import Prediction
from evaluation.report import write_report
from evaluation.scoring.score_answers import score_answers
from evaluation.scoring.score_files import add_checkpoint
from evaluation.tasks.task_files import task_without_items

NAMES = ("lum wug", "tam wug", "lum dax", "tam dax")
TASK, TEXT = "fgbmk/drawn/species/short_answer", "knowledge/drawn"
CASES = list(product((True, False), repeat=3))  # answered right, probe right, text known


def answer(task, key, gold, said, image=None):
    return {
        "task": task, "question_id": key, "image": image, "category": gold, "question": "?", "prompt": "?",
        "gold": gold, "answer": said, "finished": True, "image_hash": image or "", "model_hash": "m",
    }  # fmt: skip


def put(run, checkpoint, seen, cases):
    """A checkpoint with one question a case; `cases`: (answered right, probe right, text known). A category's text is
    known where 2 of its 3 questions are right, not where it is 1."""
    rows, pictures, texts = [], [], []
    for number, (right, probe, known) in enumerate(cases):
        name, other = f"bird {number}", f"bird {(number + 1) % len(cases)}"
        rows.append(answer(TASK, number, name, name if right else other, f"{number}.png"))
        likely = [number, (number + 1) % len(cases)]
        image = f"{number}.png"
        ranked = likely if probe else likely[::-1]
        pictures.append({"image": image, "image_hash": image, "label": number, "ranked": ranked})
        texts += [answer(TEXT, f"{number}/{i}", name, name if i < 1 + known else other) for i in range(3)]
    rows.append(answer(TASK, "alone", "bird of which nothing is known", "x", "alone.png"))
    classes = [f"bird {number}" for number in range(len(cases))]
    probed = {"data": "drawn", "classes": classes, "levels": {}, "pictures": pictures}
    write_json(run / "features" / checkpoint / "encoder" / "probe" / "drawn.json", probed)
    scores = {}
    for task, some in ((TASK, rows), (TEXT, texts)):
        write_rows(run / "answers" / checkpoint / f"{task.replace('/', '__')}.jsonl", some)
        scores[task] = score_answers(task_without_items(task), some)
    add_checkpoint(run, checkpoint, stage=None, samples_seen=seen, step=0, model_hash=checkpoint, scores=scores)


def test_three_links_partition_the_wrong_answers_and_are_followed(tmp_path):
    run = tmp_path / "run"
    put(run, "start", 0, CASES)
    put(run, "sft", 10, [(True, True, True)] * 2 + [(False, False, True)] * 2 + CASES[4:])
    [entry] = write_links(load_run(run))
    assert (entry["task"], entry["part"]) == (TASK, "encoder")
    start, sft = entry["checkpoints"]
    shares = {name: one["value"] for name, one in start["shares"].items()}
    # wrong: probe wrong (2 cases) -> features, whatever is known; probe right -> grounding or knowledge, one each
    assert shares == {"right": 50.0, "features": 25.0, "knowledge": 12.5, "grounding": 12.5}
    assert (start["n"], start["left_out"]) == (8, 1)
    assert all(one["low"] <= one["value"] <= one["high"] for one in start["shares"].values())
    assert sum(one["value"] for one in sft["shares"].values()) == pytest.approx(100.0)
    [step] = entry["transitions"]
    assert step["counts"]["right"] == {"right": 2, "features": 2, "knowledge": 0, "grounding": 0}
    assert sum(map(sum, (row.values() for row in step["counts"].values()))) == step["n"] == 8
    assert read_links(run) == [entry]
    write_report([run], tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h2>Which link is broken</h2>" in html
    assert "2 from right" in html
    (run / "features" / "sft" / "encoder" / "probe" / "drawn.json").unlink()
    assert [len(one["checkpoints"]) for one in links_of_run(load_run(run))] == [1]


def test_a_probe_is_held_to_the_level_and_the_options_of_the_question():
    levels = (NAMES, ("wug", "wug", "dax", "dax"))
    one = Prediction(label=0, ranked=(2, 1, 0, 3), levels=levels)  # a lum wug that looks like a lum dax
    assert one.right("Lum_wug") is False
    assert one.right("lum wug", ["tam dax", "lum wug"]) is True  # of these it is the likelier one
    assert one.right("lum wug", ["tam wug", "lum wug"]) is False
    assert one.right("wug") is False
    assert Prediction(0, (1, 2, 0, 3), levels).right("wug") is True  # another species, the right genus
    assert one.right("aves") is None
    assert Prediction(0, (1,), levels).right("lum wug", ["lum wug", "tam dax"]) is False  # neither is among the kept


class Colours:
    """A featurizer whose features are a picture's mean colours."""

    name, model_hash, settings, vectors = "colours", "c", {}, ("pooled",)
    mean, std, device = (0.0,) * 3, (1.0,) * 3, "cpu"

    def pixels(self, image):
        import torch

        from data_builders.shared.pictures import open_image

        return torch.from_numpy(np.asarray(open_image(image), np.float32) / 255).permute(2, 0, 1)

    def features(self, pixels_NCHW):
        return pixels_NCHW.mean((2, 3))[:, None]


def test_probes_leave_what_they_say_of_each_picture(tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.features.probe.FEWEST_STEPS", 40)
    import feature_fakes

    from data_builders.sources import load_source

    source = load_source("folder", feature_fakes.drawn(tmp_path / "data", classes=4))
    data = labelled(source)
    cache = FeatureCache(tmp_path / "cache", Colours())
    results = measure_all(cache, [data], Measuring(out=tmp_path / "out", measures=("probe",)))
    kept = read_json(tmp_path / "out" / "probe" / f"{data.name}.json")
    assert kept["classes"] == list(data.classes)
    assert [one["image_hash"] for one in kept["pictures"]] == [sha256_file(path)[:32] for path in data.test]
    assert all(sorted(one["ranked"]) == [0, 1, 2, 3] for one in kept["pictures"])
    rights = [float(one["ranked"][0] == one["label"]) for one in kept["pictures"]]
    [score] = results.values()
    assert rights == [row["value"] for row in read_jsonl(next((tmp_path / "out" / "items").iterdir()))]
    assert 100 * np.mean(rights) == pytest.approx(score.score.main.value)
    assert set(LINKS) == {"right", "features", "knowledge", "grounding"}
