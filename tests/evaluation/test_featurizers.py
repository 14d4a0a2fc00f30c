"""`python -m evaluation features`: pictures run through an encoder once, numbers with intervals, clear mistakes."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import feature_fakes as fakes
import numpy as np
import pytest
import torch
import transformers as hf

from data_builders.shared.errors import UserError
from data_builders.shared.pictures import open_image
from data_builders.sources import load_source
from evaluation.__main__ import main
from evaluation.features import cache as cache_module
from evaluation.features import probe as probe_module
from evaluation.features.cache import FeatureCache
from evaluation.features.labelled import labelled, union
from evaluation.features.loading import load_featurizer
from evaluation.features.measures import Probed, mean_score, probe_scores
from evaluation.features.probe import PROTOCOLS
from evaluation.features.transform import ImageTransform
from evaluation.scoring.score_files import TaskScore


class Counting:
    """A featurizer that counts; a picture's features are its mean colour and size."""

    name, model_hash, vectors, mean, std = "counting", "abc", ("cls_1", "mean"), (0.5,) * 3, (0.5,) * 3

    def __init__(self, fail_after: int | None = None, **settings) -> None:
        self.settings, self.seen, self.fail_after = settings, 0, fail_after

    def pixels(self, image):
        return ImageTransform(8, 8, False, "bilinear", self.mean, self.std)(image)

    def features(self, pixels_NCHW):
        self.seen += len(pixels_NCHW)
        if self.fail_after is not None and self.seen > self.fail_after:
            raise KeyboardInterrupt
        return torch.stack([pixels_NCHW.mean((2, 3)), pixels_NCHW.amax((2, 3))], 1)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return fakes.drawn(tmp_path_factory.mktemp("here") / "drawn")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    torch.manual_seed(0)
    model = hf.Dinov2Model(hf.Dinov2Config(**fakes.VISION))
    folder = tmp_path_factory.mktemp("encoder")
    model.eval().save_pretrained(folder)
    fakes.write_preprocessor(folder)
    return folder


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(probe_module, "FEWEST_STEPS", 60)


def files(folder):
    return sorted(folder.rglob("*.png"))


def test_a_picture_runs_through_the_encoder_once_whatever_it_is_called(pictures, tmp_path):
    images = files(pictures)
    first = Counting()
    table = FeatureCache(tmp_path / "cache", first).table([*images, images[0]])
    assert first.seen == len(images)
    assert table.shape == (len(images) + 1, 2, 3)
    copied = tmp_path / "other name.png"
    shutil.copy(images[3], copied)
    second = Counting()
    again = FeatureCache(tmp_path / "cache", second).table([copied, *images])
    assert second.seen == 0
    assert (again[0] == table[3]).all()
    assert (again[1:] == table[: len(images)]).all()
    assert (again.vector(1)[2:5] == table[1:4][:, 1]).all()


def test_other_weights_settings_or_content_are_computed_anew(pictures, tmp_path):
    images = files(pictures)[:4]
    FeatureCache(tmp_path, Counting()).table(images)
    other_weights, other_settings, same = Counting(), Counting(view="dinov2"), Counting()
    other_weights.model_hash = "def"
    for featurizer, seen in ((other_weights, 4), (other_settings, 4), (same, 0)):
        FeatureCache(tmp_path, featurizer).table(images)
        assert featurizer.seen == seen
    changed = tmp_path / "changed.png"
    shutil.copy(images[0], changed)
    once = FeatureCache(tmp_path, same).table([changed])[0]
    shutil.copy(images[-1], changed)
    twice = FeatureCache(tmp_path, same).table([changed])[0]
    assert same.seen == 0  # both contents are known
    assert (once != twice).any() or (once == FeatureCache(tmp_path, same).table([images[-1]])[0]).all()


def test_an_interrupted_extraction_goes_on_where_it_was(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "FLUSH", 4)
    images = files(pictures)
    with pytest.raises(KeyboardInterrupt):
        FeatureCache(tmp_path, Counting(fail_after=10), batch=4).table(images)
    resumed, whole = Counting(), Counting()
    table = FeatureCache(tmp_path, resumed, batch=4).table(images)
    assert resumed.seen == len(images) - 8
    expected = FeatureCache(tmp_path / "other", whole).table(images)
    assert np.allclose(table[:], expected[:])


def test_a_picture_that_cannot_be_read_is_named(pictures, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(files(pictures)[0].read_bytes()[:60])
    with pytest.raises(UserError, match=r"broken\.png"):
        FeatureCache(tmp_path / "cache", Counting()).table([broken])
    with pytest.raises(UserError, match=r"gone\.png"):
        FeatureCache(tmp_path / "cache", Counting()).table([tmp_path / "gone.png"])


def test_features_that_are_not_finite_stop_the_run(pictures, tmp_path):
    class Broken(Counting):
        def features(self, pixels_NCHW):
            return super().features(pixels_NCHW) / 0.0

    with pytest.raises(UserError, match="not finite"):
        FeatureCache(tmp_path, Broken()).table(files(pictures)[:2])


def test_an_official_validation_split_chooses_the_head(tmp_path):
    root = fakes.drawn(tmp_path / "data")
    shutil.copytree(root / "test", root / "val")
    data = labelled(load_source("folder", root))
    assert data.validation.sum() == 9
    assert len(data.train) == 24
    assert all(("val" in path.parts) == bool(chosen) for path, chosen in zip(data.train, data.validation, strict=True))


def test_a_union_keeps_the_classes_of_its_data_sets_apart(pictures):
    one = labelled(load_source("folder", pictures))
    both = union([one, one])
    assert len(both.classes) == 6
    assert both.test_labels.tolist() == [*one.test_labels, *(one.test_labels + 3)]
    assert both.train_labels.tolist() == [*one.train_labels, *(one.train_labels + 3)]
    assert len(both.train) == len(both.train_labels) == len(both.validation) == 30


def run(encoder, pictures, out, *more):
    where = [
        "--model",
        str(encoder),
        "--source",
        "folder",
        "--root",
        str(pictures),
        "--out",
        str(out),
        "--device",
        "cpu",
    ]
    return main(["features", *where, *more])


def test_the_command_measures_everything_with_intervals(encoder, pictures, tmp_path, capsys):
    measures = "probe,knn,retrieval,robustness"
    assert run(encoder, pictures, tmp_path, "--measure", measures, "--name", "tiny", "--attack-images", "4") == 0
    shown = capsys.readouterr().out
    entry = json.loads((tmp_path / "features.json").read_text())
    assert entry["model"] == "tiny"
    assert list(entry["tasks"]) == [f"features/drawn/{one}" for one in measures.split(",")]
    for name, values in entry["tasks"].items():
        score = TaskScore.from_json(values)
        assert name in shown.replace("\n", "")
        assert all(one.low <= one.value <= one.high for one in score.scores), name
        assert {one.n for one in score.scores} == ({4} if name.endswith("robustness") else {9})
    probe = entry["tasks"]["features/drawn/probe"]["scores"]
    assert [one["metric"] for one in probe] == ["top-1, head chosen on validation", "top-1, head chosen on test"]
    assert probe[1]["value"] >= probe[0]["value"]
    assert len(entry["details"]["features/drawn/probe"]["default"]["heads"]) == 24
    rows = [json.loads(line) for line in (tmp_path / "items" / "features__drawn__probe.jsonl").read_text().splitlines()]
    assert 100 * np.mean([row["value"] for row in rows]) == pytest.approx(probe[0]["value"])


def test_measuring_again_extracts_nothing_and_gives_the_same_numbers(encoder, pictures, tmp_path, capsys):
    assert run(encoder, pictures, tmp_path, "--measure", "knn") == 0
    first = (tmp_path / "features.json").read_bytes()
    assert "30 images" not in capsys.readouterr().err
    assert run(encoder, pictures, tmp_path, "--measure", "knn") == 0
    assert "images in" not in capsys.readouterr().err
    assert (tmp_path / "features.json").read_bytes() == first
    assert run(encoder, pictures, tmp_path, "--measure", "retrieval", "--gallery", "test") == 0
    tasks = json.loads((tmp_path / "features.json").read_text())["tasks"]
    assert list(tasks) == ["features/drawn/knn", "features/drawn/retrieval"]


def test_several_data_sets_give_single_and_multiple(encoder, pictures, tmp_path, capsys):
    other = shutil.copytree(pictures, tmp_path / "more of them")

    def measure(*roots):
        sources = ["--source", *["folder"] * len(roots), "--root", *map(str, roots)]
        out = ["--out", str(tmp_path / "out"), "--measure", "probe"]
        return main(["features", "--model", str(encoder), "--device", "cpu", *sources, *out])

    assert measure(pictures, pictures) == 2
    assert "two data sets have one name: drawn, drawn" in capsys.readouterr().err
    assert measure(pictures, other) == 0
    tasks = json.loads((tmp_path / "out" / "features.json").read_text())["tasks"]
    both = tasks["features/drawn+more of them/meta_class"]["scores"]
    rules = [(score["rule"], score["metric"]) for score in both]
    assert rules == [
        (rule, f"top-1 on {name}") for name in ("drawn", "more of them") for rule in ("multiple", "single")
    ]
    assert all(score["n"] == 9 for score in both)
    single = next(score for score in both if score["rule"] == "single")
    assert single["value"] == tasks["features/drawn/probe"]["scores"][0]["value"]
    # the same pictures under two names of each class: one head over all of them cannot tell the names apart
    assert sum(score["value"] for score in both if score["rule"] == "multiple") <= 100


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--measure", "prob"], "--measure is 'prob'"),
        (["--protocol", "dino"], "--protocol is 'dino'"),
        (["--source", "folder", "cub"], "as many --root"),
        (["--image-size", "0"], "write 1 or more"),
        (["--level", "genus"], "level is 'genus'"),
        (["--model", "gpt-4o"], "publishes no weights"),
        (["--model", "nothing here"], "no such folder, no preset"),
        (["--part", "projector"], "has no projector"),
    ],
)
def test_a_mistake_costs_one_line(encoder, pictures, tmp_path, capsys, more, message):
    assert run(encoder, pictures, tmp_path, *more) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_another_models_scores_are_not_mixed_in(encoder, pictures, tmp_path, capsys):
    assert run(encoder, pictures, tmp_path, "--measure", "knn") == 0
    assert run(encoder, pictures, tmp_path, "--measure", "knn", "--raw-blocks") == 2
    assert "another model's scores" in capsys.readouterr().err


def test_friedman_reads_what_features_wrote(encoder, pictures, tmp_path, capsys):
    score = {"rule": "default", "metric": "m", "low": 0.0, "high": 100.0, "n": 9, "unit": "percent"}
    for model, values in {"a": [90, 80, 70], "b": [70, 60, 65], "c": [80, 70, 60]}.items():
        tasks = {
            f"features/set{number}/probe": {"primary": "default", "scores": [{**score, "value": float(value)}]}
            for number, value in enumerate(values)
        }
        (tmp_path / model).mkdir()
        (tmp_path / model / "features.json").write_text(json.dumps({"model": model, "tasks": tasks}))
    folders = [str(tmp_path / model) for model in "abc"]
    assert main(["friedman", *folders, "--out", str(tmp_path / "cd.svg")]) == 0
    assert "1.00  a" in capsys.readouterr().out
    assert "<svg" in (tmp_path / "cd.svg").read_text()
    tasks = json.loads((tmp_path / "c" / "features.json").read_text())
    del tasks["tasks"]["features/set1/probe"]
    (tmp_path / "c" / "features.json").write_text(json.dumps(tasks))
    assert main(["friedman", *folders]) == 2
    assert "c has no probe score on set1" in capsys.readouterr().err


def test_the_validation_selected_number_stands_beside_the_test_selected_one(pictures):
    heads = PROTOCOLS["fgbmk"].heads(("pooled",))[:3]
    right = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]], bool)
    trained = SimpleNamespace(bank=SimpleNamespace(heads=heads), losses=[])
    probed = Probed(np.array([0.2, 0.9, 0.9]), right, trained, steps=1)
    data = replace(labelled(load_source("folder", pictures)), test=(None,) * 4)
    found = probe_scores(data, {"fgbmk": probed})
    assert [score.value for score in found.score.scores] == [50.0, 75.0]  # of equal heads the first
    assert found.details["fgbmk"]["chosen_on_validation"] == str(heads[1])
    assert found.values.tolist() == [1, 1, 0, 0]


def test_an_interval_is_never_narrower_than_what_few_pictures_can_tell():
    score = mean_score("rule", "metric", [1.0] * 10, ("x",))
    assert (score.value, score.high) == (100.0, 100.0)
    assert score.low == pytest.approx(100 * 0.025**0.1)
    assert mean_score("rule", "metric", [], ("x",)).value is None


def test_pixels_of_the_real_weights_are_their_image_processors(shared):
    from transformers import AutoImageProcessor

    featurizer = load_featurizer(str(shared / "data" / "weights" / "mobilenet_v2_inat_bird"), device="cpu")
    source = load_source("cub", shared / "data" / "CUB_200_2011")
    picture = source.root / source.split("test")[0].image
    processor = AutoImageProcessor.from_pretrained(featurizer.name, backend="pil")
    expected = processor(images=open_image(picture), return_tensors="pt")["pixel_values"][0]
    assert ((featurizer.pixels(picture) - 0.5) / 0.5 - expected).abs().max() < 1e-5
    assert featurizer.vectors == ("pooled",)
