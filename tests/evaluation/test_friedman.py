"""Friedman and Nemenyi: equal to the reference rows, ranks from the best down, a diagram that lies about nothing."""

import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.shared.errors import UserError
from evaluation.__main__ import main
from evaluation.features.friedman import compare_models, critical_distance
from evaluation.report.friedman_diagram import diagram, draw_diagram

GOLDEN = Path(__file__).parents[1] / "golden"
ROWS = [json.loads(line) for line in (GOLDEN / "friedman_nemenyi.dev.jsonl").read_text().split("\n") if line]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_every_reference_row_agrees(row):
    found, expected = compare_models(row["matrix"]), row["expected"]
    assert found.average_ranks == pytest.approx(expected["average_ranks"], abs=1e-12)
    for ours, key in ((found.chi_square, "friedman_chi2_scipy_tie_corrected"), (found.p_value, "friedman_p_scipy")):
        reference = expected.get(key)
        if reference is None:  # not defined for two models, NaN where all columns are equal
            assert ours is None or math.isnan(ours)
        else:
            assert ours == pytest.approx(reference, rel=1e-9)
    assert found.critical_distance == pytest.approx(expected["critical_distance_0_05"], abs=1e-9)
    assert np.array(found.nemenyi_p) == pytest.approx(np.array(expected["nemenyi_p_scikit_posthocs"]), abs=1e-9)
    ten = compare_models(row["matrix"], alpha=0.1)
    assert ten.critical_distance == pytest.approx(expected["critical_distance_0_10"], abs=1e-9)
    ranks, beyond = found.average_ranks, []
    for one in range(len(ranks)):
        beyond += [
            [one, two] for two in range(one + 1, len(ranks)) if abs(ranks[one] - ranks[two]) > found.critical_distance
        ]
    assert beyond == expected["pairs_beyond_cd_0_05"]
    json.loads(json.dumps(found.to_json(), allow_nan=False))


def test_as_many_rows_are_significant_as_in_the_reference():
    total = json.loads((GOLDEN / "friedman_nemenyi.dev.total.json").read_text())
    p_values = [compare_models(row["matrix"]).p_value for row in ROWS]
    assert len(p_values) == total["rows"]
    assert sum(p is not None and p < 0.05 for p in p_values) == total["significant_at_0_05"]
    for models, quantile in total["q_0_05_by_k"].items():
        k = int(models)
        assert critical_distance(k, 12) == pytest.approx(quantile * (k * (k + 1) / 72) ** 0.5, abs=1e-9)


def test_critical_distances_of_twelve_data_sets_are_demsars():
    distances = [critical_distance(k, 12) for k in (6, 7, 8, 9, 10)]
    assert distances == pytest.approx([2.1765, 2.6002, 3.0309, 3.4678, 3.9104], abs=1e-4)


def test_models_in_one_group_lie_within_the_distance_and_no_group_holds_another():
    for row in ROWS:
        found = compare_models(row["matrix"])
        for group in found.groups:
            ranks = [found.average_ranks[place] for place in group]
            assert max(ranks) - min(ranks) <= found.critical_distance
            assert not any(set(group) < set(other) for other in found.groups)


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_order_of_data_sets_changes_nothing_and_of_models_only_the_order(seed):
    generator = np.random.default_rng(seed)
    values, rows, columns = generator.normal(size=(6, 4)), generator.permutation(6), generator.permutation(4)
    one, two = compare_models(values), compare_models(values[rows][:, columns])
    assert two.p_value == pytest.approx(one.p_value)
    assert two.average_ranks == pytest.approx(np.array(one.average_ranks)[columns])


def test_a_gap_in_the_table_is_named():
    with pytest.raises(UserError, match="no number for b on two"):
        compare_models([[1, 2], [3, math.nan]], ["a", "b"], ["one", "two"])
    with pytest.raises(UserError, match="2 or more"):
        compare_models([[1.0, 2.0]])


def test_the_diagram_is_well_formed_whatever_models_are_called():
    names = ["<b>&", "x" * 200, "‮evil", "$d_"]
    text = diagram(compare_models(ROWS[0]["matrix"], [*names, *"efgh"]))
    ElementTree.fromstring(text)
    assert "‮" not in text
    assert "<b>" not in text
    shown = re.findall(r"<!--\s+(.*?) \(\d\.\d\d\)\s*-->", text)
    assert len(shown) == 8
    assert {"&lt;b&gt;&amp;", "x" * 33 + "…", "⟨U+202E⟩evil", "$d_"} <= set(shown)


def test_bars_join_exactly_the_groups():
    for found in (compare_models(ROWS[0]["matrix"]), compare_models([[3.0, 2, 1]] * 30)):
        ranks = found.average_ranks
        groups = {(min(ranks[one] for one in group), max(ranks[one] for one in group)) for group in found.groups}
        lines = draw_diagram(found).axes[0].get_lines()
        bars = {(min(x), max(x)) for line in lines if len(set(line.get_ydata())) == 1 and line.get_ydata()[0] < 0
                for x in [line.get_xdata()]}  # fmt: skip
        assert bars == groups
    assert groups == set()


def test_the_command_compares_a_table(tmp_path, capsys):
    table = tmp_path / "table.csv"
    lines = ["data set,a,b,c"] + [f"set {number},{number + 3},{number + 1},{number + 2}" for number in range(6)]
    table.write_text("\n".join(lines), encoding="utf-8")
    assert main(["friedman", str(table), "--out", str(tmp_path / "cd")]) == 0
    out = capsys.readouterr().out
    assert re.search(r"1\.00 +a\n +2\.00 +c\n +3\.00 +b", out)
    assert "n = 6 data sets" in out
    assert ElementTree.parse(tmp_path / "cd.svg").getroot().tag.endswith("svg")
    written = json.loads((tmp_path / "cd.json").read_text())
    assert written["models"] == ["a", "b", "c"]
    assert written["average_ranks"] == [1, 3, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("data set,a,b\none,1\n", "line 2: 2 cells"),
        ("data set,a,b\none,1,x\n", "line 2"),
        ("data set,a,b\none,1,2\n", "2 or more"),
        ("data set,a,b\none,1,2\ntwo,1,nan\n", "no number for b on two"),
    ],
)
def test_a_table_that_cannot_be_compared_says_why(tmp_path, capsys, text, message):
    (tmp_path / "table.csv").write_text(text)
    assert main(["friedman", str(tmp_path / "table.csv")]) == 2
    assert message in capsys.readouterr().err
