"""What the disk knows of a training set: its manifest, else the recipe's word, else nothing."""

import json

import pytest
from PIL import Image
from plan_fakes import recipe_of

from data_builders.build import build as build_set
from data_builders.builder_code import builder_code
from data_builders.records import Manifest, conversation, write_training_set
from data_builders.shared.code_identity import CodeIdentity
from fgtrain.errors import UserError
from fgtrain.plan import DataFacts, data_facts


def build(folder, rows=4, turns=2):
    return write_training_set(
        folder,
        (
            {
                "id": str(number),
                "conversations": [
                    *conversation('who says "from": "gpt" here?', 'I say "from": "gpt"', with_image=False),
                    *conversation("again?", "yes", with_image=False) * (turns - 1),
                ],
                "source": "test",
                "kind": "qa",
                "category": "x",
            }
            for number in range(rows)
        ),
        name="general",
        builder="test",
        code=CodeIdentity("0" * 16, {}),
        image_root=folder,
        sources=["test"],
        splits=["train"],
    )


def test_a_manifest_is_believed(tmp_path):
    manifest = build(tmp_path / "general")
    facts = data_facts(recipe_of(tmp_path, f"data.general.path={tmp_path}/general"))
    told = {"sha256": manifest.sha256, "code": "0" * 16}
    assert facts["general"] == DataFacts(rows=4, questions=8, images=0, **told, declared=False)
    assert facts["fine"] == DataFacts()
    assert set(facts) == {"general", "fine"}, "extra is in no mix"


def test_declared_rows_stand_in_until_the_data_is_there(tmp_path):
    facts = data_facts(recipe_of(tmp_path, "data.general.rows=7", "data.general.path='{data_root}/general'"))
    assert facts["general"] == DataFacts(rows=7, declared=True)


def test_declared_rows_that_contradict_the_manifest_are_refused(tmp_path):
    build(tmp_path / "general")
    recipe = recipe_of(tmp_path, f"data.general.path={tmp_path}/general", "data.general.rows=5")
    with pytest.raises(UserError, match=r"data\.general\.rows is 5, but .*manifest\.json has 4\. Write rows: 4"):
        data_facts(recipe)


@pytest.mark.parametrize("by", ["what", "prepare", "nobody"])
def test_a_set_that_will_be_built_anew_has_no_hash_yet(tmp_path, by):
    build(tmp_path / "general")
    path = tmp_path / "general/manifest.json"
    told = json.loads(path.read_text()) | {"builder": "caption"}
    path.write_text(json.dumps(told))
    there = f"data.general.path={tmp_path}/general"
    builds = {
        "what": [f"built_root={tmp_path}", "data.general={what: caption, path: null, options: {source: cub}}"],
        "prepare": [
            f"data.general.path={tmp_path}/general",
            "prepare=[{what: caption, out: x, options: {source: cub}}]",
        ],
        "nobody": [there],  # the user's own: known by its rows
    }
    found = data_facts(recipe_of(tmp_path, *builds[by]))["general"]
    assert (found.rows, found.sha256) == (4, told["sha256"] if by == "nobody" else None)
    path.write_text(json.dumps(told | {"code": builder_code("caption").to_dict()}))
    assert data_facts(recipe_of(tmp_path, *builds[by]))["general"].sha256 == told["sha256"]


def test_a_set_whose_source_has_changed_has_no_hash_yet(tmp_path):
    for name, shade in (("jay", 10), ("wren", 90)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), (shade, 0, 0)).save(tmp_path / "photos" / name / "1.png")
    changes = [f"built_root={tmp_path}", "data.fine={what: caption, root: ROOT, options: {source: folder}}"]
    changes[1] = changes[1].replace("ROOT", str(tmp_path / "photos"))
    build_set("caption", root=tmp_path / "photos", out=tmp_path / "fine", options={"source": "folder"})
    assert data_facts(recipe_of(tmp_path, *changes))["fine"].sha256 == Manifest.load(tmp_path / "fine").content
    (tmp_path / "photos/wren/1.png").rename(tmp_path / "photos/jay/2.png")
    assert data_facts(recipe_of(tmp_path, *changes))["fine"].sha256 is None


def test_a_built_set_lies_under_built_root(tmp_path):
    build(tmp_path / "built" / "fine", rows=3, turns=1)
    facts = data_facts(recipe_of(tmp_path, f"built_root={tmp_path}/built"))
    assert (facts["fine"].rows, facts["fine"].questions) == (3, 3)
