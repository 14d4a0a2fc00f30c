"""An encoder that a user's own package loads: the page on featurizers as it stands."""

import json
import re
import sys

import feature_fakes as fakes
import pytest
from extending_pages import commands, installed, write_example

from data_builders.shared.code_imports import source_file
from data_builders.shared.files import read_json
from evaluation import __main__ as command


@pytest.fixture
def points(tmp_path, monkeypatch):
    """The page's package, an encoder's folder and pictures in the folder that we are in."""
    fakes.drawn(tmp_path / "photos")
    (tmp_path / "my_grid").mkdir()
    (tmp_path / "my_grid/grid.json").write_text(json.dumps({"fields": 2}))
    monkeypatch.chdir(tmp_path)
    return write_example("featurizers", tmp_path / "package")


def test_the_page_on_featurizers_runs_as_written(points, tmp_path, capsys):
    (words,) = (words[3:] for words in commands("featurizers"))
    module, seen = tmp_path / "package/grid.py", []
    with installed(tmp_path / "package", points):
        code = module.read_text()
        for text in (code, f"# a comment\n{code}", code.replace("flatten(1)", "flatten(1).square()")):
            module.write_text(text)
            source_file.cache_clear()
            sys.modules.pop("grid", None)
            out = tmp_path / f"out{len(seen)}"
            cached = ["--cache", str(tmp_path / "cache")]
            assert command.main([str(out) if word == "out" else word for word in words] + cached) == 0
            seen.append(read_json(out / "features.json"))
    for one in seen:
        assert one["tasks"]["features/photos/knn"]["scores"][0]["value"] == 100
        assert set(one["tasks"]) == {"features/photos/knn", "features/photos/retrieval"}
    assert seen[0]["settings"] == seen[1]["settings"] != seen[2]["settings"]
    assert len(list((tmp_path / "cache").glob("*/about.json"))) == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 1 / 0", "entry point odd of evaluation.featurizers, --model my_grid: ZeroDivisionError"),
        (
            "return object()",
            "it gave a object without name, model_hash, settings, vectors, mean, std",
        ),
        ("return None", "no config.json|nothing|config"),
    ],
)
def test_what_a_loader_does_wrong_is_said_with_its_entry_point(body, message, points, tmp_path, capsys):
    (tmp_path / "odd.py").write_text(f"def load(model, **options):\n    {body}\n")
    with installed(tmp_path, {"evaluation.featurizers": {"odd": "odd:load"}}):
        assert command.main([word for one in commands("featurizers") for word in one[3:]]) == 2
    assert re.search(message, capsys.readouterr().err)
