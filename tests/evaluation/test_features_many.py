"""`features --models a,b,c`: equal to each alone, measured once, and one that fails ends nothing but itself."""

import csv
import io
import json
import shutil

import feature_fakes as fakes
import pytest
import transformers as hf

import evaluation.features.probe as probe_module
from evaluation.__main__ import main
from evaluation.features.factors import FACTORS, by_factor
from evaluation.features.models_table import ModelScores, matrices
from evaluation.report.export import style, write

FAILS = "gpt-4o"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two presets' weights, one of them also by its folder alone, and two data sets."""
    top = tmp_path_factory.mktemp("many")
    fakes.save(hf.Dinov2Model(hf.Dinov2Config(**fakes.VISION)), top / "dinov2")
    fakes.save(hf.ViTModel(hf.ViTConfig(**fakes.VISION), add_pooling_layer=False), top / "vit")
    fakes.drawn(top / "birds", classes=2)
    fakes.drawn(top / "cars")
    return top


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(probe_module, "FEWEST_STEPS", 20)


def measure(world, out, *models, measures="probe,knn"):
    sources = ["--source", "folder,folder", "--root", f"{world / 'birds'},{world / 'cars'}"]
    how = ["--measure", measures, "--device", "cpu", "--image-size", str(fakes.SIDE)]
    return main(["features", *models, *sources, "--out", str(out), *how])


def results(folder):
    entry = json.loads((folder / "features.json").read_text())
    return {key: value for key, value in entry.items() if key != "model"}


def test_many_models_equal_each_alone_and_a_failing_one_ends_only_itself(world, tmp_path, capsys, monkeypatch):
    models = f"dinov2-b={world / 'dinov2'},{FAILS},vit-l={world / 'vit'},{world / 'vit'}"
    assert measure(world, tmp_path / "many", "--models", models) == 1
    shown = capsys.readouterr().out
    assert f"not measured: {FAILS}: " in shown
    assert "publishes no weights" in shown.split("not measured:")[1]
    assert measure(world, tmp_path / "dinov2-b", "--model", f"dinov2-b={world / 'dinov2'}") == 0
    assert measure(world, tmp_path / "vit-l", "--model", f"vit-l={world / 'vit'}") == 0
    for name in ("dinov2-b", "vit-l"):
        assert results(tmp_path / "many" / name) == results(tmp_path / name)
    page = (tmp_path / "many" / "features.html").read_text()
    for text in ("Linear probe", "Nearest neighbours", "By loss type", "By data size", "By encoder size", "Friedman p",
                 "Single and multiple", "publishes no weights", "142 million"):  # fmt: skip
        assert text in page, text
    assert page.count('<img src="data:image/svg') == 2  # three models on two data sets are enough to be ranked

    drawn = []
    monkeypatch.setattr(write, "save", lambda draw, path: drawn.append((path.name, style.styled, draw)))
    exported = ["--export", str(tmp_path / "paper"), "--out", str(tmp_path / "again.html")]
    assert main(["report", str(tmp_path / "many"), *exported]) == 0
    assert (tmp_path / "again.html").read_text() == page
    tables = sorted((tmp_path / "paper" / "tables").glob("*.csv"))
    assert len(tables) == page.count("<table")
    probe = next(csv.DictReader(io.StringIO(tables[0].read_text())))
    score = results(tmp_path / "many" / "dinov2-b")["tasks"]["features/birds/probe"]["scores"][0]
    assert [float(probe[f"birds{part} [%]"]) for part in ("", " low")] == [score["value"], score["low"]]
    assert len(drawn) == page.count("<figure") > 6
    for _, styled, draw in (drawn[0], drawn[-1]):
        with styled():
            draw().savefig(io.BytesIO(), format="svg")

    # the same again measures nothing, and what was altered alone is measured anew
    monkeypatch.setattr(probe_module, "train_heads", None)
    monkeypatch.setattr("evaluation.features.measures.run_probe", None)
    assert measure(world, tmp_path / "many", "--models", models) == 1
    assert results(tmp_path / "many" / "vit-l") == results(tmp_path / "vit-l")


def test_an_error_of_the_program_is_kept_and_the_next_model_measured(world, tmp_path, capsys, monkeypatch):
    import evaluation.features.resume as resume

    real = resume.measure_what_is_missing

    def breaks(cache, *rest):
        if "dinov2" in cache.featurizer.name:
            raise ZeroDivisionError("planted")
        return real(cache, *rest)

    monkeypatch.setattr("evaluation.features.many.measure_what_is_missing", breaks)
    models = f"dinov2-b={world / 'dinov2'},vit-l={world / 'vit'}"
    assert measure(world, tmp_path, "--models", models, measures="knn") == 1
    assert "not measured: dinov2-b: ZeroDivisionError: planted" in capsys.readouterr().out
    assert "planted" in (tmp_path / "dinov2-b" / "error.txt").read_text()
    assert "features/cars/knn" in results(tmp_path / "vit-l")["tasks"]
    monkeypatch.undo()
    assert measure(world, tmp_path, "--models", models, measures="knn") == 0
    assert not (tmp_path / "dinov2-b" / "error.txt").exists()


def test_a_data_set_that_stops_a_model_leaves_what_was_measured_before(world, tmp_path, capsys):
    broken = shutil.copytree(world / "cars", tmp_path / "broken")
    next(broken.rglob("*.png")).write_bytes(b"no picture")
    sources = ["--source", "folder", "folder", "--root", str(world / "birds"), str(broken)]
    how = ["--measure", "knn", "--device", "cpu", "--models", str(world / "vit"), "--out", str(tmp_path / "out")]
    assert main(["features", *sources, *how]) == 1
    (folder,) = [one.parent for one in (tmp_path / "out").rglob("features.json")]
    assert list(results(folder)["tasks"]) == ["features/birds/knn"]
    page = (tmp_path / "out" / "features.html").read_text()
    assert "Without a number on every data set" in page


def test_two_models_of_one_name_are_refused(world, tmp_path, capsys):
    assert measure(world, tmp_path, "--models", f"vit-l,vit-l={world / 'vit'}") == 2
    assert "names 'vit-l' twice" in capsys.readouterr().err


def test_levels_of_a_factor_are_means_over_models_and_a_model_has_all_its_losses():
    values = {"eva-clip-l": (90, 80), "dinov2-l": (80, 70), "beit3-l": (40, 60), "coca-l": (70, None), "mine": (10, 20)}

    def task(value):
        return {"primary": "knn", "scores": [{"rule": "knn", "metric": "m", "value": value, "low": 0, "high": 99}]}

    sets = ("birds", "cars")
    models = [
        ModelScores(
            name,
            10**8 if name == "mine" else 3 * 10**8,
            {f"features/{data}/knn": task(float(one)) for data, one in zip(sets, some, strict=True) if one is not None},
        )
        for name, some in values.items()
    ]
    (matrix,) = matrices(models, sets)
    assert matrix.missing() == ["coca-l"]
    found = {
        factor.title: {level.level: (level.mean, len(level.models)) for level in by_factor(matrix, factor)}
        for factor in FACTORS
    }
    assert found["by loss type"] == {
        "Con": (80.0, 2), "Rec": (50.0, 1), "Dis": (75.0, 1), "no Con": (50.0, 1), "not given": (15.0, 1),
    }  # fmt: skip
    assert found["by data size"] == {
        "< 0.1B": (50.0, 1), "0.1B to 1B": (75.0, 1), "> 1B": (85.0, 1), "not given": (15.0, 1),
    }  # fmt: skip
    assert found["by encoder size"] == {"< 150M": (15.0, 1), "150M to 450M": (70.0, 3)}
    assert matrix.ranked().models == ("eva-clip-l", "dinov2-l", "beit3-l", "mine")
