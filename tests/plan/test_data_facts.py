"""What the disk knows of a training set: its manifest, else the recipe's word, else nothing."""

import pytest
from plan_fakes import recipe_of

from data_builders.records import conversation, write_training_set
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
    assert facts["general"] == DataFacts(rows=4, questions=8, images=0, sha256=manifest.sha256, declared=False)
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


def test_a_built_set_lies_under_built_root(tmp_path):
    build(tmp_path / "built" / "fine", rows=3, turns=1)
    facts = data_facts(recipe_of(tmp_path, f"built_root={tmp_path}/built"))
    assert (facts["fine"].rows, facts["fine"].questions) == (3, 3)
