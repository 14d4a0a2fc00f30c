"""A data set of a user's own: the page on sources as it stands."""

import json

import pytest
from extending_pages import commands, installed, write_example
from small_sources import picture

from data_builders.__main__ import main
from data_builders.build import find_builder
from data_builders.command_help import described
from data_builders.shared.code_imports import source_file
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_jsonl
from data_builders.sources import load_source
from fgtrain.recipe import load_recipe

SHELLS = {
    "Conus marmoreus": "Conidae",
    "Conus textile": "Conidae",
    "Nassa serta": "Muricidae",
    "Murex pecten": "Muricidae",
}


RECIPE = """
name: plain
model: {vision_encoder: a, projector: linear, language_model: b}
data: {some: {path: here, rows: 8}}
stages:
  sft: {train: {projector: 1.0e-3}, mix: {some: 1}, global_batch_size: 8}
"""


def collect(folder):
    lines = ["file,species,family,drawer"]
    for place, (species, family) in enumerate(SHELLS.items()):
        for drawer in (3, 12, 90):
            picture(folder / f"collection/photos/{place}_{drawer}.jpg", 10 * place + drawer)
            picture(folder / f"photos/{'test' if drawer == 90 else 'train'}/{species}/{drawer}.jpg", place + drawer)
            lines.append(f"{place}_{drawer}.jpg,{species},{family},{drawer}")
    (folder / "collection/export.csv").write_text("\n".join(lines) + "\n")


def test_the_page_on_sources_runs_as_written(tmp_path, monkeypatch, capsys):
    points = write_example("sources", tmp_path / "package")
    collect(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="'shells' is no source; there are: cub, "):
        main([*["short_answer", "--source", "shells", "--root", "collection", "--out", "nothing"]])
    (tmp_path / "package/recipe.yaml").write_text(RECIPE)
    with pytest.raises(UserError, match=r"evaluation\.features\.sources\.0\.source is shells\. Known are: cub, "):
        load_recipe(tmp_path / "package/with_shells.yaml")
    with installed(tmp_path / "package", points):
        recipe = load_recipe(tmp_path / "package/with_shells.yaml")
        assert [one.source for one in recipe.evaluation.features.sources] == ["shells"]
        assert "shells" in recipe.mixed_data
        for words in commands("sources"):
            main(words[3:])
        assert "shells         of package theirs 1.0" in described(find_builder("short_answer"))
        said = {row["category"] for row in read_jsonl(tmp_path / "data/shells/rows.jsonl")}
        assert said == set(SHELLS)
        assert sum(1 for _ in read_jsonl(tmp_path / "data/photos/rows.jsonl")) == 2 * len(SHELLS)
        asked = tmp_path / "data/FG-BMK/human-oriented/hierarchical_granularity_recognition/shells"
        assert {path.name for path in asked.iterdir()} >= {"family", "species"}
        # What another state of the reader built is built anew, and says why.
        manifest = (tmp_path / "data/shells/manifest.json").stat().st_ino
        build = commands("sources")[1][3:]
        main(build)
        assert (tmp_path / "data/shells/manifest.json").stat().st_ino == manifest
        reader = tmp_path / "package/shells.py"
        reader.write_text(reader.read_text().replace('meta="shell"', 'meta="snail"'))
        source_file.cache_clear()
        capsys.readouterr()
        main(build)
        assert "(source shells: code of shells.py changed) since it was built; built anew" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    (tmp_path / "other/shells.py").write_text("ABOUT = 'shells'\n")
    with installed(tmp_path / "other", points, "other"):
        with pytest.raises(UserError, match=r"other 1\.0: entry point shells = .* is a module; expected is a module"):
            load_source("shells", tmp_path / "collection")
    assert json.loads((tmp_path / "data/shells/manifest.json").read_text())["sources"] == ["shells"]
