"""How often names stand in training data, against accuracy by category: the correlation, its interval, the figure."""

import numpy as np
import pytest
from report_fakes import SPECIES
from report_rich import make_rich_run
from scipy.stats import spearmanr

from data_builders.shared.files import write_json
from data_builders.shared.seeding import draw
from evaluation.compare import compare_runs
from evaluation.ledger import load_run
from evaluation.report.name_frequency import name_frequency_figures, rank_correlation
from evaluation.report.page import render


def test_the_correlation_is_spearmans_and_its_interval_covers_the_truth():
    coin = draw("rho")
    counts = coin.poisson(3, 200)
    values = 50 + 5 * counts + 10 * coin.normal(size=200)
    one = rank_correlation(counts.tolist(), values.tolist(), ("a",))
    assert one["rho"] == pytest.approx(spearmanr(counts, values).statistic)
    assert 0 < one["low"] < one["rho"] < one["high"] < 1
    noise = [rank_correlation(counts.tolist(), coin.normal(size=200).tolist(), (n,)) for n in range(20)]
    assert np.mean([found["low"] <= 0 <= found["high"] for found in noise]) > 0.8
    assert rank_correlation([0, 0, 0, 0], [1.0, 2.0, 3.0, 4.0], ("b",))["rho"] is None


def counts_file(root, **more):
    names = {
        name: {"names": [name], "general": {"rows": 10**n - 1, "mentions": 10**n}} for n, name in enumerate(SPECIES)
    }
    about = {"general": {"file": "x.json", "rows": 10**6, "rows_naming_any": 5}}
    write_json(root / "name_counts" / "cub.json", {"data": about, "categories": names} | more)


@pytest.fixture
def folder(tmp_path):
    folder = make_rich_run(tmp_path, "run", mixed=True)
    recipe = folder / "recipe.resolved.yaml"
    recipe.write_text(f"built_root: {tmp_path / 'built'}\n" + recipe.read_text())
    return folder


def test_counts_in_the_built_root_are_drawn_against_the_accuracy_of_each_category(folder, tmp_path):
    found = compare_runs([load_run(folder)])
    assert name_frequency_figures(found) == []
    counts_file(tmp_path / "built")
    (one,) = name_frequency_figures(found)
    wide = one["sizes"]["wide"]
    assert [name for _, name in wide.x_ticks] == ["0", "1", "10", "100", "1k", "10k"]
    assert len(wide.points) == 2 * len(SPECIES)
    last = sorted((p for p in wide.points if p["class"] == "dot"), key=lambda p: p["x"])
    assert [p["text"].split(",")[0] for p in last] == list(SPECIES)  # log10(1 + rows) = 0, 1, 2, ...
    assert np.diff([p["x"] for p in last]) == pytest.approx(last[1]["x"] - last[0]["x"])
    # report_rich makes later species easier, and this file names them more often
    assert [c["checkpoint"].name for c in one["correlations"]] == ["start", "sft"]
    assert one["correlations"][1]["rho"] > 0.7
    assert one["said"].startswith("5 of 6 categories are named in general (5 of 1,000,000 rows")
    assert "Names in the training data" in render(found)


@pytest.mark.parametrize("broken", [{"data": []}, {"categories": {"x": {}}}, {"data": {"general": {}}}])
def test_files_of_another_shape_are_passed_over(folder, tmp_path, broken):
    counts_file(tmp_path / "built", **broken)
    assert name_frequency_figures(compare_runs([load_run(folder)])) == []
