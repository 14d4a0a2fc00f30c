"""`friedman` knows which way its table lies, and refuses one with a gap or a copy."""

import json

import pytest
from table import rows

from data_builders.shared.errors import UserError
from evaluation.__main__ import main
from evaluation.features.friedman import compare_models
from evaluation.features.friedman_tables import read_table

LYING = "model,x,y,z\na,1,2,3\nb,4,5,6\n"


def test_models_in_rows_are_ranked_as_models(tmp_path):
    (tmp_path / "table.csv").write_text(LYING)
    assert main(["friedman", str(tmp_path / "table.csv"), "--out", str(tmp_path / "cd")]) == 0
    written = json.loads((tmp_path / "cd.json").read_text())
    assert (written["models"], written["average_ranks"], written["n"]) == (["a", "b"], [2, 1], 3)


def test_the_way_it_lies_may_be_said(tmp_path):
    (tmp_path / "table.csv").write_text(LYING.replace("model", "name"))
    assert read_table(tmp_path / "table.csv", "rows")[0] == ["a", "b"]
    assert read_table(tmp_path / "table.csv", "columns")[0] == ["x", "y", "z"]


@rows(
    ("a first cell that says neither", "name,a,b\none,1,2\ntwo,3,4\n", "--models rows"),
    ("a doubled data set", "data set,a,b\none,1,2\none,3,4\n", "'one' stands there twice"),
    ("a doubled model", "data set,a,a\none,1,2\ntwo,3,4\n", "'a' stands there twice"),
    ("a model without a name", "data set,a,\none,1,2\ntwo,3,4\n", "number 2 has no name"),
    ("a missing cell", "data set,a,b\none,1,\ntwo,3,4\n", "line 2, column 'b': no number"),
    ("a word for a number", "data set,a,b\none,1,n/a\ntwo,3,4\n", "'n/a' is no number"),
    ("not a number", "data set,a,b\none,1,nan\ntwo,3,4\n", "no number for b on one"),
    ("an endless number", "data set,a,b\none,1,1e999\ntwo,3,4\n", "no number for b on one"),
    ("a short line", "data set,a,b\none,1\ntwo,3,4\n", "line 2: 2 cells"),
)
def test_a_table_is_refused_with_what_is_wrong(tmp_path, capsys, how, out):
    (tmp_path / "table.csv").write_text(how)
    assert main(["friedman", str(tmp_path / "table.csv")]) == 2
    assert out in capsys.readouterr().err


def test_doubles_and_ragged_tables_are_refused_however_they_come():
    with pytest.raises(UserError, match="model 'a' stands in the table twice"):
        compare_models([[1, 2, 3], [3, 4, 5]], ["a", "a", "b"], ["x", "y"])
    with pytest.raises(UserError, match="data set 'x' stands in the table twice"):
        compare_models([[1, 2, 3], [3, 4, 5]], ["a", "b", "c"], ["x", "x"])
    with pytest.raises(UserError, match="shorter than another"):
        compare_models([[1, 2, 3], [3, 4]])
