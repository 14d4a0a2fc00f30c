"""A model that a user's own program runs: the page on answerers as it stands."""

import json

from evaluation_fakes import NAME, SPECIES, make_benchmark
from extending_pages import commands, installed, write_example

from data_builders.shared.code_imports import source_file
from data_builders.shared.files import read_json, read_jsonl
from evaluation import __main__ as command


def test_the_page_on_answerers_runs_as_written(tmp_path, monkeypatch, capsys):
    package = tmp_path / "package"
    points = write_example("answerers", package)
    make_benchmark(tmp_path / "data")
    model = tmp_path / "my_colours"
    model.mkdir()
    (model / "colours.json").write_text(json.dumps({SPECIES[0]: [0, 0, 0], SPECIES[1]: [255, 255, 255]}))
    monkeypatch.chdir(tmp_path)
    (words,) = (words[3:] for words in commands("answerers"))
    assert command.main(words) == 2
    assert "nothing can load this model" in capsys.readouterr().err
    answers = tmp_path / "out/answers/start" / (NAME.replace("/", "__") + ".jsonl")
    seen = []
    with installed(package, points):
        code = (package / "colours.py").read_text()
        for text in (code, f"# a comment\n{code}", code.replace("np.square", "np.abs")):
            (package / "colours.py").write_text(text)
            source_file.cache_clear()
            assert command.main(words) == 0
            seen.append({row["settings_hash"] for row in read_jsonl(answers)})
    assert {row["answer"] for row in read_jsonl(answers)} <= set(SPECIES[:2])
    assert seen[0] == seen[1] != seen[2]
    assert "fgbmk/cub/species/choice" in read_json(tmp_path / "out/scores.json")["checkpoints"][0]["tasks"]
