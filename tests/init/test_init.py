"""What `fgtrain init` writes loads and plans without a hand-written line, and is never written over."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from photo_fakes import class_folders, photo

from fgtrain.__main__ import command
from fgtrain.init.general import general_of
from fgtrain.init.model import ChosenModel
from fgtrain.init.recipe import Devices, Setting, texts
from fgtrain.recipe.load import load_recipe
from fgtrain.recipe.study_load import load_study

WRITTEN = ("data/photos.csv", "data/taxonomy.csv", "recipe.yaml", "study.yaml")


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *words: object) -> int:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["fgtrain", "init", *map(str, words)])
    return command()


def general_rows(folder: Path, rows: int = 20) -> Path:
    """A file in LLaVA's form beside a folder of its pictures."""
    found = []
    for number in range(rows):
        photo(folder / "pictures" / f"g{number}.png")
        turns = [{"from": "human", "value": "<image>\nHow many?"}, {"from": "gpt", "value": str(number)}]
        found.append({"id": number, "image": f"g{number}.png", "conversations": turns})
    (folder / "talk.json").write_text(json.dumps(found))
    return folder / "talk.json"


def test_photos_become_a_plan_and_edits_are_kept(tmp_path, small_lvlm, monkeypatch, capsys):
    class_folders(tmp_path / "Été 2024", classes=12)
    shutil.move(tmp_path / "Été 2024/kind_3", tmp_path / 'Été 2024/3. kind, "odd" #3')
    talk = general_rows(tmp_path / "other")
    words = (tmp_path / "Été 2024", "--model", small_lvlm, "--general", talk, "--general", "drawn", "--out", "mine")

    assert run(monkeypatch, tmp_path, *words) == 0, capsys.readouterr().err

    said = capsys.readouterr().out
    assert "24 to learn from, 12 to be asked about" in said
    for part in ("3 arms x 3 seeds", "exposures.fg_questions: equal", "CPU hours in all, equal work once: "):
        assert part in said
    assert "unknown" not in said
    recipe, study = load_recipe("mine/recipe.yaml"), load_study(["mine/study.yaml"])
    assert [arm.name for arm in study.arms] == ["mixed", "alone", "lora"]
    shown = sum(recipe.stages["sft"].mix[name] * 24 for name in ("fg_short_answer", "fg_questions"))
    rows = {"general": 18, "text": 400} | dict.fromkeys((name for name in recipe.data if name[:5] == "drawn"), 300)
    beside = sum(recipe.stages["sft"].mix[name] * count for name, count in rows.items())
    assert beside == pytest.approx(shown, rel=1e-3)
    assert "general: 2 pictures are held out and asked about (2 questions). So few" in said
    assert {"drawn_chart", "heldout/general"} <= set(recipe.evaluation.tasks)
    assert "forgetting" in study.measure

    edited = tmp_path / "mine/recipe.yaml"
    edited.write_text(edited.read_text().replace("fg_questions: 30", "fg_questions: 7"))
    (tmp_path / "mine/study.yaml").unlink()
    (tmp_path / "mine/runs").mkdir()
    before = {name: (tmp_path / "mine" / name).read_text() for name in WRITTEN[:3]}
    assert run(monkeypatch, tmp_path, *words) == 0
    said, more = capsys.readouterr()
    assert "built anew" not in more
    assert "written in mine: study.yaml" in said
    assert "kept in mine: recipe.yaml" in said
    assert {name: (tmp_path / "mine" / name).read_text() for name in WRITTEN[:3]} == before

    class_folders(tmp_path / "others")
    assert run(monkeypatch, tmp_path, tmp_path / "others", "--model", small_lvlm, "--out", "mine") == 2
    assert "is of other photos" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["photos", "--model", "llava-hf/lava-1.5-7b-hf"], "Did you mean llava-hf/llava-1.5-7b-hf?"),
        (["photos", "--model", "nowhere"], "--model is 'nowhere': no such folder"),
        (["nothing", "--model", "nowhere"], "no folder nothing"),
    ],
)
def test_faults_are_told_in_one_message_with_exit_status_2(tmp_path, monkeypatch, capsys, words, message):
    class_folders(tmp_path / "photos")
    assert run(monkeypatch, tmp_path, *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("error:") == 1
    assert not (tmp_path / "photos-fgtrain").exists()


@pytest.mark.parametrize("lora_only", [False, True])
@pytest.mark.parametrize("words", [[], ["drawn"]])
@pytest.mark.parametrize("train", [2, 24, 3_000, 100_000])
def test_every_setting_is_a_recipe_and_a_study(tmp_path, train, words, lora_only):
    model = ChosenModel("llava-hf/llava-1.5-7b-hf", "llava", False, 7_000_000_000, 2048, None, 336)
    devices = Devices(count=6, checkpointing=lora_only, strategy="deepspeed_stage_2" if lora_only else None)
    setting = Setting("name", tmp_path, tmp_path, model, general_of(words, 64), train, (640, 480), 2)
    setting = replace(setting, devices=devices, lora_only=lora_only)
    for name, text in texts(setting).items():
        (tmp_path / name).write_text(text)
    study = load_study([str(tmp_path / "study.yaml")])
    mix = study.recipes[0].recipe.stages["sft"].mix
    assert mix["fg_short_answer"] == setting.passes >= 10
    assert bool(words) == ("drawn_chart" in mix)
    assert [arm.name for arm in study.arms] == ["mixed", "alone", "lora"][: 2 if lora_only else 3]


def test_general_data_is_found_in_files_and_folders(tmp_path):
    talk = general_rows(tmp_path / "other")
    assert general_of([str(talk)], 64).sets["general"]["options"] == {
        "file": "talk.json",
        "images": "pictures",
        "heldout": 200,
    }
    (tmp_path / "other/general/pope").mkdir(parents=True)
    (tmp_path / "other/general/pope/questions.jsonl").write_text("{}\n")
    for folder, sets in (("other", ["general"]), ("other/general", []), ("other/general/pope", [])):
        both = general_of([str(tmp_path / folder)], 64)
        assert both.tasks == ["pope"]
        assert both.folders == [str(tmp_path / "other")]
        assert list(both.sets) == sets
    with pytest.raises(Exception, match="nothing to learn from or to ask"):
        general_of([str(tmp_path)], 64)
