"""Every mistake in a study is told with its place and what to type; all at once; never a traceback."""

import copy
import random
from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_fakes import BASE, write, write_base
from study_fakes import STUDY, write_study

from fgtrain.errors import UserError
from fgtrain.recipe import Study, load_study


def message(folder, text: str, *words: str) -> str:
    with pytest.raises(UserError) as caught:
        load_study([str(write_study(folder, text)), *words])
    return str(caught.value)


MISTAKES = [  # (what stands in the study, what is written instead, what the message says)
    ("name: placement", "nmae: placement", ["line 4: nmae is no key here. Did you mean name?"]),
    ("name: placement", "name: a/b", ["line 4: name is called 'a/b'. Names hold letters"]),
    ("base.yaml", "bsae.yaml", ["line 5: base names bsae.yaml, which does not exist. Did you mean", "base.yaml?"]),
    ("base: base.yaml\n", "", ["base is missing. For example base: general.yaml"]),
    ("base.yaml", "placement.yaml", ["base names", "placement.yaml, which is a study itself. Name a recipe"]),
    ("late: {}", "late:", ["line 9: arms.late is null, must be a mapping of changes. For the base as it is, write {}"]),
    ("late: {}", "la.te: {}", ["arms.la.te is called 'la.te'"]),
    ("late: {}", "Early: {seed: 3}", ["arms.Early.seed is no change of an arm. Seeds are the study's"]),
    ("late: {}", "late: {name: x}", ["arms.late.name is no change of an arm. A run's name follows"]),
    ("late: {}", "late: {stagse.sft.mix.fine: 1}", ["arms.late.stagse.sft.mix.fine is no key of a recipe. Did you"]),
    ("late: {}", "late: {stages.stf.mix.fine: 1}", ["arms.late.stages.stf does not exist. Did you mean sft?"]),
    ("late: {}", "late: {stages..mix: 1}", ["arms.late.stages..mix is no dotted key"]),
    ("late: {}", "late: {stages.sft.mix.fin: 1}", ["line 9: arms.late.stages.sft.mix.fin names a data set that"]),
    ("late: {}", "late: {stages: {sft: {mix: {fin: 1}}}}", ["line 9: arms.late.stages.sft.mix.fin names a data set"]),
    ("late: {}", "late: {stages.sft.clip_norm: 1e-1}", ["line 9", "which YAML reads as text. As a number write"]),
    ("late: {}", "late: {devices.count: 8}", ["base.yaml, line 18", "32, not a multiple of 64", "(arm late)"]),
    ("late: {}", "late: {recipe: lief.yaml}", ["arms.late.recipe names lief.yaml, which does not exist"]),
    ("late: {}", "late: {recipe: [a]}", ["arms.late.recipe is ['a'], must be the name of one recipe file"]),
    ("late: {}", "late: {runs_root: elsewhere}", ["arms.late.runs_root differs between arms (none: runs, late: else"]),
    ("late: {}", "late: {}\n  Late: {devices.workers: 1}", ["arms.Late and late would share a folder"]),
    (
        "{stages.sft.mix.fine: null}",
        "{stages.sft.mix.fine: null, stages.sft: {mix: {fine: 3}}}",
        ["arms.none.stages.sft is set by arms.none.stages.sft.mix.fine as well"],
    ),
    (
        "seeds: [17, 18]",
        "grid: {stages.align.mix.fine: [2, 3]}",
        ["line 8: arms.early.stages.align.mix.fine is set by grid.stages.align.mix.fine as well"],
    ),
    ("seeds: [17, 18]", "grid: {stages.sft.mix.fin: [2]}", ["line 10: grid.stages.sft.mix.fin names a data set"]),
    (
        "seeds: [17, 18]",
        "grid: {stages.sft.clip_norm: 2}",
        ["grid.stages.sft.clip_norm is 2, must be a list. Write [2]"],
    ),
    ("seeds: [17, 18]", "grid: {stages.sft.clip_norm: []}", ["grid.stages.sft.clip_norm is empty"]),
    ("seeds: [17, 18]", "seeds: 17", ["seeds is 17, must be a list. Write [17]"]),
    ("seeds: [17, 18]", "seeds: [17, -1]", ["seeds.1 is -1, must be at least 0"]),
    ("seeds: [17, 18]", "seeds: [17, 17]", ["line 10: seeds names 17 twice"]),
    ("exposures.fine", "exposure.fine", ["no such quantity. What can be matched: exposures.DATASET, updates.PART"]),
    ("exposures.fine", "exposures.fin", ["line 11: matched.0 is exposures.fin, but no arm mixes fin. Did you mean"]),
    ("exposures.fine", "updates.vision_encoder", ["matched.0 is updates.vision_encoder, but no arm trains"]),
    ("exposures.fine", "updates.vision", ["vision is no part of a model. Parts: vision_encoder, projector"]),
    ("but: [none]", "but: [nune]", ["matched.1.but.0 is nune, which is no arm. Did you mean none?"]),
    ("but: [none]", "but: [none, late]", ["matched.1.but leaves fewer than two arms to match"]),
    ("fine_grained,", "finegrained,", ["answer.measure.0 is finegrained, neither a measure nor", "fine_grained?"]),
    ("fine_grained,", "fine_grained at stf,", ["no arm is scored at stf (evaluation.at). Did you mean sft?"]),
    ("fine_grained,", "fine_grained in sft,", ["answer.measure.0 is fine_grained in sft, not of the form WHAT"]),
    ("fine_grained,", "steps until fine_grained reaches 60,", ["nothing is asked while none trains"]),
    ("early - late,", "early-late,", ["answer.contrasts.0 is early-late, not of the form ARM - ARM"]),
    ("early - late,", "erly - late,", ["line 14: answer.contrasts.0 names erly, which is no arm. Did you mean early?"]),
    ("early - late,", "late - late,", ["answer.contrasts.0 takes late from itself"]),
    ("early - late,", "late - none,", ["answer.contrasts.1 is late - none, as another is"]),
    ("fine_grained,", "general, general,", ["answer.measure.1 is general, as another is"]),
    (
        "late: {}",
        "late: {stages.sft.mxi.fine: 1}",
        ["line 9: arms.late.stages.sft.mxi is no key here. Did you mean mix"],
    ),
    ("name: placement", f"name: {'p' * 195}", ["name makes a run called pp", "205 characters, at most 200. Shorten"]),
]


@pytest.mark.parametrize(("good", "bad", "told"), MISTAKES, ids=lambda value: str(value)[:40])
def test_a_mistake_says_where_what_and_what_to_type(tmp_path, good, bad, told):
    assert good in STUDY
    found = message(tmp_path, STUDY.replace(good, bad, 1))
    assert [part for part in told if part not in found] == [], found
    assert "mistakes" not in found, "one mistake is told once"


def test_all_mistakes_are_told_at_once(tmp_path):
    bad = STUDY.replace("late: {}", "late: {stages.sft.mix.fin: 1}").replace("[17, 18]", "[17, x]")
    bad = bad.replace("stages.align.mix.fine: 2", "stages.algin.mix.fine: 2")
    bad = bad.replace("exposures.fine", "exposure.fine").replace("early - late", "early-late")
    found = message(tmp_path, bad, "devices.cuont=2")
    told = ["mix.fin ", "seeds.1", "stages.algin", "exposure.fine", "early-late", "command line: devices.cuont"]
    assert [part for part in told if part not in found] == [], found
    assert found.startswith(f"study {tmp_path}/placement.yaml has 6 mistakes:")


def test_a_mistake_of_the_base_is_told_once_and_in_its_file(tmp_path):
    path = write_study(tmp_path)
    write(tmp_path, "base.yaml", BASE.replace("global_batch_size: 32", "global_batch_size: 33"))
    with pytest.raises(UserError) as caught:
        load_study([str(path)])
    assert str(caught.value).count("is 33, not a multiple of 8") == 1
    assert "base.yaml, line 18: stages.sft.global_batch_size" in str(caught.value)
    assert "(arm" not in str(caught.value)


def test_what_is_no_arm_and_no_grid_is_asked_for(tmp_path):
    write_base(tmp_path)
    path = write(tmp_path, "empty.yaml", "name: empty\nbase: base.yaml\n")
    with pytest.raises(UserError, match=r"arms is missing, and there is no grid either. For example arms: \{none"):
        load_study([str(path)])


def test_a_study_stands_alone(tmp_path):
    study, base = write_study(tmp_path), tmp_path / "base.yaml"
    for words in ([study, base], [base, study]):
        with pytest.raises(UserError, match=r"placement.yaml is a study, which stands alone. Leave out .*base.yaml"):
            load_study([str(word) for word in words])
    other = write_study(tmp_path, STUDY, "other.yaml")
    with pytest.raises(UserError, match="stands alone"):
        load_study([str(study), str(other)])
    with pytest.raises(UserError, match="no recipe is named"):
        load_study(["seed=3"])
    with pytest.raises(UserError, match=r"ends within a bracket. Put .* in quotes: 'evaluation.tasks=\[pope, frow\]'"):
        load_study([str(base), "evaluation.tasks=[pope,", "frow]"])
    with pytest.raises(UserError, match="seed is 9223372036854775808, must be at most"):
        load_study([str(base), f"seed={2**63}"])


JUNK = [None, True, 0, -1, 1.5, "x", "a.b", "", [], [1], ["early - late"], {}, {"a": 1}, {"stages": None}]


@given(st.integers(0, 10**9))
@settings(max_examples=150, deadline=None)
def test_no_junk_in_a_study_ends_in_a_traceback(tmp_path_factory, seed):
    folder = tmp_path_factory.mktemp("junk")
    chance = random.Random(seed)
    values = copy.deepcopy(yaml.safe_load(STUDY))
    for _ in range(chance.randint(1, 3)):
        here, key = values, chance.choice(list(values))
        while isinstance(here[key], dict | list) and here[key] and chance.random() < 0.7:
            here = here[key]
            key = chance.choice(list(here) if isinstance(here, dict) else list(range(len(here))))
        here[key] = chance.choice(JUNK)
    path = write_study(folder, yaml.safe_dump(values))
    with suppress(UserError):
        assert isinstance(load_study([str(path)]), Study)
