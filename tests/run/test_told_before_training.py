"""What no training can mend is told when data is prepared, and not behind hours of it."""

from pathlib import Path

import pytest
from run_fakes import one_kind, recipe_values, write_recipe

from fgtrain.errors import UserError
from fgtrain.recipe import load_recipe

NEVER_ENOUGH = {"what": "replay", "rows": 999}
FORGOTTEN = {"of": ["count"], "by": "forgotten_rows", "between": ["start", "align"]}
OWN = {"of": ["count", "short"], "by": "random", "answers": "align", "questions": ["What is it?"]}
TOLD = [  # (overrides, what the message says)
    (
        ["evaluation.tasks=[fgbmk]", "stages.sft.stop_when={forgetting: 5}"],
        "stages.sft.stop_when is decided by general",
    ),
    (["evaluation.tasks=[fgbmk]", "stages.sft.keep_best={}"], "write stages.sft.keep_best.forgetting=0"),
    (["evaluation.tasks=[drawn_count]", "stages.sft.keep_best={}"], "keep_best.gain is decided by fine-grained tasks"),
    (
        ["evaluation.tasks=[fgbmk]", "evaluation.recovery={at: [sft], on: [count]}"],
        "evaluation.recovery is decided by general tasks",
    ),
    ([f"data.more={NEVER_ENOUGH | {'options': FORGOTTEN}}"], "data.more.rows is 999, but there are 24 usable rows in"),
    ([f"data.more={NEVER_ENOUGH | {'options': OWN}}"], "Write data.more.rows=56, or name more sets in options.of"),
    (["stages.sft.objective=grpo", "stages.sft.mix.pairs=1"], "is a pair of a chosen and a rejected answer"),
    (
        ["stages.sft.objective=self_distillation", "stages.sft.mix.pairs=1"],
        "objective self_distillation draws answers to single questions. Leave the data set out, or write",
    ),
]


def test_what_no_training_can_mend_is_told_before_it(place: Path) -> None:
    values = recipe_values(place)
    values["data"]["pairs"] = values["data"]["short"] | {"what": "preferences"}
    values["stages"]["sft"]["mix"]["pairs"] = 1
    values["evaluation"]["every_steps"] = 1
    path = write_recipe(place, values)
    one_kind(load_recipe(path), "build")
    values["stages"]["sft"]["mix"] = {"count": 1}
    path = write_recipe(place, values)
    for number, (overrides, told) in enumerate(TOLD):
        more = ["stages.sft.mix.more=1"] if "data.more" in overrides[0] else []
        recipe = load_recipe(path, [f"name=run{number}", *overrides, *more])
        with pytest.raises(UserError) as caught:
            one_kind(recipe, "prepare")
        assert told in str(caught.value), overrides
        assert not (recipe.run_folder / "plan.json").exists()
