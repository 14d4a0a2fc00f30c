"""Every mistake is told with its place, its value and what to type instead; all at once; never a traceback."""

import copy
import random
from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_fakes import BASE, write, write_base

from fgtrain.errors import UserError
from fgtrain.recipe import Recipe, load_recipe


def message(folder, text: str, overrides=()) -> str:
    with pytest.raises(UserError) as caught:
        load_recipe(write(folder, "recipe.yaml", text), overrides)
    return str(caught.value)


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.split("\n"), 1) if part in line)


MISTAKES = [  # (what stands in the base, what is written instead, what the message says)
    ("name: base", "nmae: base", ["nmae is no key here. Did you mean name?"]),
    ("image_tokens: 16", "image_tokns: 16", ["model.image_tokns is no key here. Did you mean image_tokens?"]),
    ("image_tokens: 16", "image_tokens: 15", ["model.image_tokens is 15, not a square", "9, 16"]),
    ("image_tokens: 16", "image_tokens: 900", ["model.max_tokens is 512", "900 image tokens"]),
    ("image_tokens: 16", "max_tiles: 2.5", ["model.max_tiles is 2.5, must be a whole number"]),
    ("mlp2x_gelu", "mlp2_gelu", ["model.projector is mlp2_gelu", "mlp2x_gelu"]),
    ("  language_model: parts/language\n", "", ["model.language_model is missing"]),
    (
        "model:\n",
        "model:\n  checkpoint: some/lvlm\n",
        ["model.checkpoint is some/lvlm", "vision_encoder, projector, language_model are given too"],
    ),
    ("{projector: 1.0e-3}", "{projektor: 1.0e-3}", ["train.projektor is no part of a model. Did you mean projector?"]),
    ("{projector: 1.0e-3}", "{projector: 1e-3}", ["is 1e-3, which YAML reads as text. As a number write 1.0e-3"]),
    ("{projector: 1.0e-3}", '{projector: "1e-3"}', ["is the text '1e-3', must be a number. Without quotes: 0.001"]),
    ("{projector: 1.0e-3}", "{projector: 0}", ["stages.align.train.projector.lr is 0, must be larger than 0"]),
    ("{projector: 1.0e-3}", "{projector: -1.0e-3}", ["is -0.001, must be larger than 0"]),
    ("{projector: 1.0e-3}", "{projector: .inf}", ["must be a finite number"]),
    ("{projector: 1.0e-3}", "{projector: {lora: {rank: 4}}}", ["train.projector.lr is missing"]),
    ("{projector: 1.0e-3}", "{projector: {lr: 1.0e-3, lora: {rnak: 4}}}", ["lora.rnak is no key here", "rank?"]),
    (
        "{projector: 1.0e-3}",
        "{vision_encoder: {lr: 1.0e-3, layers: [20, 24]}}",
        ["stages.align.train.vision_encoder.layers is [20, 24]", "Write last 4, first 2, 20-23"],
    ),
    ("{projector: 1.0e-3}", "{vision_encoder: {lr: 1.0e-3, layers: 4-2}}", ["layers is 4-2", "last 4"]),
    (
        "{projector: 1.0e-3}",
        "{projector: {lr: 1.0e-3, only: atention}}",
        ["only is atention. Did you mean attention?"],
    ),
    *(
        ("{projector: 1.0e-3}", f"{{{part}: {{lr: 1.0e-3, {written}}}}}", [f"stages.align.train.{part}.{told}"])
        for part, written, told in [
            ("projector", "lora: {init: mikado}", "lora.init is mikado. Did you mean mica?"),
            ("projector", "lora: {init: olora}, osf: {}", "osf is given beside lora"),
            (
                "projector",
                "lora: {init: orthogonal, rank: 3}",
                "lora.rank is 3, but init: orthogonal halves it. Write 4",
            ),
            (
                "projector",
                "lora: {init: pissa, dropout: 0.1}",
                "lora.dropout is 0.1, but with init: pissa adapters hold",
            ),
            ("projector", "lora: {init: olora, intruders: 0.5}", "lora.intruders compares with the weights before"),
            ("projector", "lora: {init: corda, init_on: fine}", "lora.init is corda, which is for the language_model"),
            ("language_model", "lora: {init: corda}", "lora.init is corda, which looks at rows of what is to be kept"),
            (
                "language_model",
                "lora: {init: corda, init_on: fin}",
                "lora.init_on.data names fin, which `data` does not",
            ),
            (
                "language_model",
                "lora: {init: mica, init_on: fine}",
                "lora.init_on names fine, but init: mica looks at no",
            ),
            ("language_model", "osf: {keep: 1.0}", "osf.keep is 1.0, must be smaller than 1"),
        ]
    ),
    *(
        ("{projector: 1.0e-3}", "{projector: 1.0e-3}\n    keep: " + keep, [f"stages.align.keep.{text}"])
        for keep, text in (
            ("{to: start}", "kl is missing"),
            ("{kl: -1}", "kl is -1, must be at least 0"),
            ("{kl: 1, to: sft}", "to is sft, which is no checkpoint before align"),
            ("{kl: 1, on: [nothing]}", "on.0 names nothing, which is no data set of this stage's mix"),
            ("{kl: 1, on: []}", "on is empty"),
        )
    ),
    ("{projector: 1.0e-3}", "{projector: 1.0e-3}\n    ema: 1.0", ["align.ema.decay is 1.0, must be", "smaller than 1"]),
    (
        "{projector: 1.0e-3}",
        "{projector: 1.0e-3}\n    ema: {decay: 0.9, parts: [language_model]}",
        ["stages.align.ema.parts.0 is language_model, which the stage does not train. Known are: projector"],
    ),
    (
        "{projector: 1.0e-3}",
        "{vision_encoder: 1.0e-3}\n    ema: 0.9\n    objective: heads",
        ["stages.align.ema averages weights, which objective heads does not do. Leave it out"],
    ),
    *(
        ("{projector: 1.0e-3}", "{projector: 1.0e-3}\n    objective: grpo" + more, [told])
        for more, told in (
            ("\n    grpo: {groop: 8}", "stages.align.grpo.groop is no key here. Did you mean group?"),
            ("\n    grpo: {group: 1}", "stages.align.grpo.group is 1, must be at least 2"),
            (
                "\n    grpo: {reward: level}",
                "stages.align.grpo.reward is level, but general is not built from a source",
            ),
            ("\n    loss_weighting: sample", "loss_weighting is sample, but objective grpo weighs all answers alike"),
            ("\n    chat: plain", "chat plain drops questions. Write chat: qa"),
            ("\n    keep: {kl: 1}", "Write grpo.kl, and leave keep out"),
        )
    ),
    *(
        ("{projector: 1.0e-3}", "{projector: 1.0e-3}\n    objective: self_distillation" + more, [told])
        for more, told in (
            ("\n    self_distillation: {ema: 1}", "stages.align.self_distillation.ema is 1, must be smaller than 1"),
            ("\n    self_distillation: {prompt: ['{question}']}", "Write {answer} where the row's answer goes"),
            ("\n    self_distillation: {prompt: ['{answr}']}", "names {answr}, which is not known of a row. Did you"),
            (
                "\n    self_distillation: {context: general}",
                "has no {context}, where the texts of general go. Write it",
            ),
            (
                "\n    self_distillation: {prompt: ['{context}']}",
                "has {context}, but context names no data set. Name one",
            ),
            (
                "\n    self_distillation: {context: genral, prompt: ['{context}']}",
                "context names genral, which `data` does not declare. Did you mean general?",
            ),
            ("\n    keep: {kl: 1}", "near which keep holds a stage. Leave keep out"),
            ("\n    grpo: {group: 4}", "Write objective: grpo, or leave grpo out"),
        )
    ),
    (
        "{projector: 1.0e-3}",
        "{projector: {lr: 1.0e-3, lora: {rank: 4, alpha: 8}}}\n    objective: self_distillation\n"
        "    self_distillation: {ema: 0.02}",
        ["self_distillation.ema is 0.02, but projector learns by adapters", "Write ema: 0"],
    ),
    (
        "global_batch_size: 32\n",
        "global_batch_size: 32\n    objective: self_distillation\ndevices: {strategy: deepspeed_stage_2}\n",
        ["stages.sft.objective is self_distillation", "Write devices.strategy: ddp"],
    ),
    (
        "{projector: 1.0e-3}",
        "{projector: 1.0e-3}\n    grpo: {group: 4}",
        ["grpo is said of a stage whose objective is"],
    ),
    (
        "global_batch_size: 32\n",
        "global_batch_size: 32\n    objective: grpo\ndevices: {strategy: fsdp}\n",
        ["stages.sft.objective is grpo", "devices.strategy is fsdp", "Write devices.strategy: ddp"],
    ),
    ("{projector: 1.0e-3}", "{}", ["stages.align.train is empty: the stage trains nothing", "enabled: false"]),
    *(
        ("evaluation: {tasks: [fgbmk]}", f"  wise: {written}\nevaluation: {{tasks: [fgbmk]}}", [told])
        for written, told in {
            "{merge: {algn: 0.5}}": "stages.wise.merge.algn names algn, which is no checkpoint before wise. Did you",
            "{merge: {wise: 0.5}}": "stages.wise.merge.wise names wise, which is no checkpoint before wise",
            "{merge: {align: 1.5}}": "stages.wise.merge.align is 1.5, no share. Write a number from 0 to 1",
            "{merge: {align: {projektor: 1}}}": "align.projektor is no part of a model. Did you mean projector?",
            "{merge: {algn: [0.5, 0.25]}}": "stages.wise.merge.algn names algn, which is no checkpoint before wise@0.5",
            "{merge: {align: [0.5, 0.50]}}": "align is [0.5, 0.5], no share. Write a number from 0 to 1, one list of",
            "{merge: {align: [0.5], start: [0.5]}}": "start is [0.5], no share",
            "{merge: {align: [0.5, 1]}}\n  more: {merge: {align: 0.1}}": "stages.more.after is missing, and the stage "
            "before is several: wise@0.5, wise@1. Write after: wise@1",
            "{merge: {}}": "stages.wise.merge is empty. For example merge: {sft: 0.5}",
            "{merge: {start: 0.6, align: 0.6}, after: sft}": "gives more than 1 in all: vision_encoder 1.2, projector",
            "{merge: {align: 0.5}, after: align}": "names align, which the stage starts from",
            "{merge: {align: 0.5}, mix: {fine: 1}}": "stages.wise.mix is no key here. Known are: enabled, after, merge",
            "{merg: {align: 0.5}}": "stages.wise.merg is no key here. Did you mean merge?",
        }.items()
    ),
    ("mix: {general: 1}", "mix: {genral: 1}", ["stages.align.mix.genral", "does not declare. Did you mean general?"]),
    ("mix: {general: 1}", "mix: {zzz: 1}", ["Known are: general, fine."]),
    ("mix: {general: 1}", "mix: {general: 0}", ["stages.align.mix.general is 0, must be larger than 0"]),
    ("mix: {general: 1}", "mix: {general: on}", ["stages.align.mix.general is true, must be a number"]),
    ("mix: {general: 1}", "mix: {}", ["stages.align.mix is empty", "general, fine"]),
    ("mix: {general: 1}", "mix: general", ["stages.align.mix is general, must be a mapping"]),
    ("    mix: {general: 1}\n", "", ["stages.align.mix is missing"]),
    ("global_batch_size: 64", "global_batch_size: 100", ["is 100, not a multiple of 8 (8 per device x 1 device)"]),
    ("global_batch_size: 64", "global_batch_size: 100", ["Nearest that are: 96, 104"]),
    ("global_batch_size: 64", "global_batch_size: 5", ["Nearest that is: 8"]),
    ("global_batch_size: 64", "global_batch_size: 0", ["must be larger than 0"]),
    ("global_batch_size: 64", "global_batch_size: '64'", ["is the text '64'", "Without quotes: 64"]),
    ("global_batch_size: 64", "warmup_fraction: 1.5", ["is 1.5, must be at most 1"]),
    ("global_batch_size: 64", "augment: flipcrop", ["augment is flipcrop. Did you mean flip_crop?"]),
    ("global_batch_size: 64", "augment: {general: jpg}", ["align.augment.general is jpg. Did you mean jpeg?"]),
    ("global_batch_size: 64", "augment: {genral: jpeg}", ["augment.genral", "stage's mix. Did you mean general?"]),
    (
        "global_batch_size: 64",
        "global_batch_size: 64\n    objective: heads",
        ["stages.align.train names projector. Objective heads trains the vision_encoder"],
    ),
    ("tasks: [fgbmk]", "at: [start, stf]", ["evaluation.at.1 is stf", "Did you mean sft?"]),
    ("tasks: [fgbmk]", "tasks: fgbmk", ["evaluation.tasks is fgbmk, must be a list"]),
    ("what: short_answer,", "path: x, what: short_answer,", ["data.fine has both what (short_answer) and path (x)"]),
    ("what: short_answer,", "", ["data.fine says neither what builds it nor where it lies"]),
    ("rows: 450", "rows: 0", ["data.fine.rows is 0, must be larger than 0"]),
    ("{data_root}/general", "{dataroot}/general", ["{dataroot} is no placeholder. Did you mean data_root?"]),
    ("  general: {", "  gen.eral: {", ["Names hold letters, digits, - and _ only"]),
    ("name: base", "name: ../base", ["name is called '../base'"]),
    ("name: base", "name: base\nseed: -1", ["seed is -1, must be at least 0"]),
    ("name: base", "name: base\nname: again", ["name is given twice, on lines 1 and 2"]),
    ("name: base", "name: base\n3: x", ['has the key 3, which YAML does not read as text. Write "3"']),
    ("name: base", "name: base\ndata_root: '{built_root}/x'", ["a root holds no placeholder itself"]),
    ("name: base", "name: base\ndevices: {strategy: dpp}", ["devices.strategy is dpp. Did you mean ddp?"]),
    ("name: base", "name: base\ndevices: {pack_tokens: 100}", ["devices.pack_tokens is 100", "Write 512 or more"]),
    (
        "name: base",
        "name: base\ndevices: {attention: flex, accelerator: cpu}",
        ["devices.attention is flex, which runs on GPUs alone", "Write auto, or sdpa"],
    ),
    (
        "name: base",
        "name: base\ndevices: {attention: varlen, accelerator: gpu}",
        ["devices.attention is varlen, which knows no fp32", "precision: bf16"],
    ),
    (
        "name: base",
        "name: base\ndevices: {layer_kernels: liger, accelerator: cpu}",
        ["devices.layer_kernels is liger, whose kernels run on GPUs alone", "Write compile, or torch"],
    ),
    (
        "name: base",
        "name: base\ndevices: {layer_kernels: compile, strategy: deepspeed_stage_3}",
        ["devices.layer_kernels is compile, but under deepspeed_stage_3", "or strategy: fsdp"],
    ),
    ("name: base", "name: base\nextends: nowhere.yaml", ["extends names nowhere.yaml, which does not exist"]),
    ("name: base", "name: base\nextends: ~/nowhere.yaml", ["extends names ~/nowhere.yaml, which does not exist"]),
    ("name: base", "name: 12", ['name is 12, must be text. In quotes: "12"']),
    ("name: base", "name: yes", ["name is true, must be text. Put the word in quotes"]),
    ("name: base", f"name: {'b' * 201}", ["name has 201 characters, must have at most 200"]),
    ("name: base", "name: base\nseed: 017", ["seed is 017, which YAML reads as 15. Write 17 or 15"]),
    (
        "name: base",
        f"name: base\nseed: {2**63}",
        ["is 9223372036854775808, must be at most 9,223,372,"],
    ),
    (
        "name: base",
        "name: base\nruns_root: $HOME/runs",
        ["variables of the environment are not", "runs_root=$HOME/runs"],
    ),
    ("name: base", "name: base\nstages.sft.steps: 3", ["Write stages: {sft: {steps: ...}}"]),
    (
        "{data_root}/general",
        "${SCRATCH}/general",
        ["variables of the environment", "data_root=${SCRATCH} on the command"],
    ),
    ("global_batch_size: 64", "global_batch_size: 1:04", ["is 1:04, which YAML reads as 64"]),
    ("global_batch_size: 64", "warmup_fraction: 3%", ["is 3%, must be a number. As a fraction: 0.03"]),
    ("mix: {general: 1}", "mix: {general: 1.0e+308}", ["is 1.0e+308, must be at most 1,000,000"]),
    ("mix: {general: 1}", "mix: {general: 0,5}", ["stages.align.mix has the key 5", "write a point: 0.5"]),
    ("  align:", "  start:", ["stages.start is called as the checkpoint before any training is"]),
    ("  align:", "  answers:", ["stages.answers is called as a folder of every run is. Give it another name"]),
    ("  align:", "  Sft:", ["stages.sft and Sft would share a folder"]),
    ("  general: {", "  Fine: {path: x}\n  general: {", ["data.fine and Fine would share a folder"]),
    ("tasks: [fgbmk]", "tasks: 'fgbmk,pope'", ["evaluation.tasks is fgbmk,pope, must be a list. Write [fgbmk, pope]"]),
    ("tasks: [fgbmk]", "tasks: [popee]", ["evaluation.tasks.0 is popee, which no task file means. Did you mean pope?"]),
    ("tasks: [fgbmk]", "groups: {fgbmkk: general}", ["evaluation.groups.fgbmkk is fgbmkk, which no task file means"]),
    ("tasks: [fgbmk]", "perturb: {popee: [blur]}", ["evaluation.perturb.popee is popee, which no task file means"]),
    (
        "name: base",
        "name: base\ndevices: {gpu: {bf16_tflop: 1, fp32_tflops: 1, memory_tb_per_s: 1, memory_gb: 1}}",
        ["line 2: devices.gpu.bf16_tflop is no key here. Did you mean bf16_tflops?"],
    ),
    ("tasks: [fgbmk]", "tasks: ['zz*']", ["evaluation.tasks.0 is zz*, which no task file means"]),
    ("tasks: [fgbmk]", "at: [start, sft, start]", ["evaluation.at.2 is start, as another is"]),
    ("what: short_answer", "what: short_anwser", ["data.fine.what is short_anwser, which is no", "mean short_answer?"]),
]


@pytest.mark.parametrize(("good", "bad", "told"), MISTAKES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_mistake_is_told_with_its_line(tmp_path, good, bad, told):
    assert good in BASE
    text = BASE.replace(good, bad, 1)
    found = message(tmp_path, text)
    for part in told:
        assert part in found
    assert "recipe.yaml, line " in found


def test_one_mistake_is_told_once(tmp_path):
    """A misspelt required key is not also told as missing, nor as a stage that trains nothing."""
    for good, bad in (("global_batch_size: 64", "global_batchsize: 64"), ("{projector: 1.0e-3}", "{projektor: 0.1}")):
        assert "mistakes" not in message(tmp_path, BASE.replace(good, bad, 1))


WITH_STRATEGIES = BASE.replace(
    "evaluation: {tasks: [fgbmk]}",
    """  last:
    train: {language_model: 2.0e-5}
    mix: {fine: 2, again: 1, own: 1, lost: 1}
    global_batch_size: 64
    keep_best: {}
  wise: {merge: {sft: 0.5}}
  best: {best_of: last}
  draw: {objective: grpo, grpo: {max_new_tokens: 495}, train: {projector: 1.0}, mix: {fine: 1}, global_batch_size: 8}
  pairs: {objective: dpo, train: {projector: 1.0}, mix: {fine: 1}, global_batch_size: 8}
evaluation: {tasks: [fgbmk], every_steps: 10}
""",
).replace(
    "stages:\n",
    """  again: {what: replay, rows: 9, options: {of: [general], by: random}}
  own: {what: replay, rows: 9, options: {of: [fine], by: random, answers: align}}
  lost: {what: replay, rows: 9, options: {of: [general], by: forgotten_rows, between: [start, align]}}
stages:
""",
)
LORA = "stages.last.train.language_model={lr: 1.0e-3, lora: {"
WRONG = {  # key -> values that are wrong there; each is told once, by its own key, in words of recipes
    **{
        f"stages.last.{key}": ("-1", ".nan", "'0.5'", "[1]", "{a: 1}")
        for key in ("auxiliary", "auxiliary.supcon", "keep.kl", "optimizer", "optimizer.name", "optimizer.momentum")
    },
    "stages.last.keep": ("true", "text", "{kl: 1, to: last}", "{kl: 1, to: wise}", "{kl: 1, on: [fine, fine]}"),
    "stages.last.optimizer.betas": ("0.9", "[0.9]", "[0.9, .nan]", "[0.9, 0.9, 0.9]"),
    "stages.last.optimizer": ("{name: adam}", "{momentum: 0.5}", "{name: sgd, betas: [0.9, 0.95]}"),
    "stages.last.ema": ("true", "1", "-0.1", "'0.9'", "[]", "{decay: 0.9, parts: []}", "{decay: 0.9, parts: [x]}"),
    "stages.last.stop_when": ("5", "{forgeting: 5}", "{forgetting: 100}", "{forgetting: '5'}", "{forgetting: null}"),
    "stages.last.keep_best": ("true", "{gain: -1}", "{gain: 0, forgetting: 0}", "{gian: 1}"),
    LORA: ("init: 3}}", "init: corda, init_on: 3}}", "init: corda, init_on: []}}", "targets: []}}", "targets: q}}"),
    "stages.wise.merge": ("0.5", "{sft: '0.5'}", "{sft: .nan}", "{sft: [0.5, text]}", "{sft: {x: 1}}", "[sft]"),
    "stages.best": ("{bestof: last}", "{best_of: 3}", "{best_of: null}", "{best_of: fast}", "{after: sft}"),
    "evaluation.recovery": (
        *("{at: last, on: [general]}", "{at: [], on: [general]}", "{at: [last, last], on: [general]}", "{at: [last]}"),
        *("{at: [wise], on: [general]}", "{at: [last], on: [nothing]}", "{at: [last], on: [general], steps: 0}"),
    ),
    "stages.draw.grpo.max_new_tokens": ("0", "496"),  # image tokens, 16, and no room for the question
    "stages.pairs.mix.own": ("1",),  # single answers, and dpo learns from two
    "data.again.options": ("{of: fine}", "{of: []}", "{of: [fin]}", "{of: [own]}", "{off: [fine]}", "{by: randm}"),
    "data.own.options": ("{answers: best}", "{questions: [' ']}", "{questions: [a, a]}", "{max_new_tokens: 496}"),
    "data.lost.options": ("{between: sft}", "{between: [sft]}", "{parts: folders}", "{among: 8}", "{among: text}"),
}


def test_each_wrong_value_of_a_strategy_is_told_once_by_its_own_key(tmp_path):
    """Nothing is told of what a stand-in took the place of, and nothing in pydantic's words."""
    path = write(tmp_path, "recipe.yaml", WITH_STRATEGIES)
    load_recipe(path)
    for key, values in WRONG.items():
        for value in values:
            override = key + value if key == LORA else f"{key}={value}"
            with pytest.raises(UserError) as caught:
                load_recipe(path, [override])
            told = str(caught.value)
            assert f"command line: {override.split('=')[0]}" in told, override
            for words in ("mistakes", "[takes]", "nput should", "alue should", "Tuple", "permitted", "There are none"):
                assert words not in told, override


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path):
    bad = BASE.replace("name: base", "name: base\nsede: 3\nname: base2").replace("1.0e-3", "1e-3")
    bad = bad.replace("projector: 2.0e-5", "projektor: 2.0e-5").replace(
        "global_batch_size: 32", "global_batch_size: 33"
    )
    bad = bad.replace("fine: 2", "fin: 2").replace("image_tokens: 16", "image_tokens: 17")
    found = message(tmp_path, bad, ["stages.algin.mix.x=1"])
    told = ["sede", "given twice", "1e-3", "projektor", "not a multiple of 8", "mix.fin", "not a square", "algin"]
    assert [part for part in told if part not in found] == []
    assert found.startswith(f"recipe {tmp_path}/recipe.yaml has 8 mistakes:")


def test_the_line_is_that_of_the_file_which_says_it(tmp_path):
    base = BASE.replace("global_batch_size: 64", "global_batch_size: 60")
    write(tmp_path, "base.yaml", base)
    found = message(tmp_path, "extends: base.yaml\nname: leaf\nseed: x\n")
    assert f"base.yaml, line {line_of(base, 'global_batch_size: 60')}: stages.align.global_batch_size is 60" in found
    assert "recipe.yaml, line 3: seed is x, must be a whole number" in found


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("sede=4", "sede is no key of a recipe. Did you mean seed?"),
        ("stages.algin.mix.general=1", "stages.algin does not exist. Did you mean align?"),
        ("stages.align.mixx.general=1", "command line: stages.align.mixx is no key here. Did you mean mix?"),
        ("stages.align.mix.genral=1", "Did you mean general?"),
        ("stages.align.train.projectr=1", "Did you mean projector?"),
        ("devices.cuont=2", "devices.cuont is no key here. Did you mean count?"),
        ("devices.count=2.5", "command line: devices.count is 2.5, must be a whole number"),
        ("devices.count=6", "not a multiple of 48 (8 per device x 6 devices). Nearest that are: 48, 96"),
        ("devices.nodes=3", "not a multiple of 24 (8 per device x 1 device x 3 nodes). Nearest that are: 48, 72"),
        ("seed", "'seed' is not of the form key=value"),
        ("=3", "not of the form key=value"),
        ("stages..mix=1", "not of the form key=value"),
        ("evaluation.tasks=[a", "which is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("stages.align.global_batch_size=0100", "is 0100, which YAML reads as 64. Write 100 or 64"),
        ("seed.x=1", "seed is a mapping, must be a whole number"),
        ("evaluation.at=[start, align, stf]", "evaluation.at.2 is stf"),
    ],
)
def test_a_wrong_override_is_told(tmp_path, override, told):
    assert told in message(tmp_path, BASE, [override])


def test_a_stage_switched_off_must_not_be_evaluated(tmp_path):
    text = BASE.replace("tasks: [fgbmk]", "at: [start, align, sft]")
    assert "Write evaluation.at: [start, align]" in message(tmp_path, text, ["stages.sft.enabled=false"])


def test_a_switched_off_stage_may_be_impossible(tmp_path):
    text = BASE.replace("global_batch_size: 32", "global_batch_size: 33\n    enabled: false")
    assert list(load_recipe(write(tmp_path, "r.yaml", text)).enabled_stages) == ["align"]


def test_what_is_no_recipe_is_refused_with_those_nearby(tmp_path):
    write_base(tmp_path)
    (tmp_path / "folder").mkdir()
    cases = {
        "bsae.yaml": r"no recipe .*bsae\.yaml\. Did you mean .*base\.yaml\? Recipes in .*base\.yaml",
        "folder": r"folder is a folder",
        ".": r"is a folder.*base\.yaml",
    }
    for name, told in cases.items():
        with pytest.raises(UserError, match=told):
            load_recipe(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"# only a comment\n", "is empty"),
        (b"- a\n- b\n", "must be a mapping"),
        (b"just text", "must be a mapping"),
        (b"name: [a\n", "not YAML"),
        (b"name: a\n\tmodel: b\n", "not YAML"),
        (b"\xff\xfe\x00", "is not a text file in UTF-8"),
        (b"name: &a [*a]\n", "contains itself"),
        (b"name: !!python/object/apply:os.system [ls]\n", "name is [ls], must be text"),
        (b"name: {? [a, b] : c}\n", "has the key"),
        (b"a: 1\n---\nb: 2\n", "not YAML"),
        (b"name: 2026-13-45\n", "line 1: name is 2026-13-45, which YAML cannot read"),
        (b"base: &b {x: 1}\nname: {<<: *b}\n", "Write `extends: other.yaml` instead"),
    ],
)
def test_a_file_that_holds_no_recipe_is_refused(tmp_path, content, told):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_recipe(path)
    assert told in str(caught.value)


JUNK = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        2.5,
        "",
        "x",
        "1e-3",
        [],
        [1],
        ["a"],
        {},
        {"a": 1},
        {"lr": []},
        [[]],
        float("inf"),
        10**30,
        "{x}",
    ]
)


@given(data=st.data(), chance=st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_whatever_is_written_is_a_recipe_or_a_told_mistake(tmp_path_factory, data, chance):
    """Replace, remove or add anything anywhere: never anything but a Recipe or a UserError."""
    values = copy.deepcopy(yaml.safe_load(BASE))
    rng = random.Random(chance)
    for _ in range(rng.randint(1, 3)):
        here = values
        while True:
            key = rng.choice([*here, "new"]) if isinstance(here, dict) else None
            if key is None:
                break
            inner = here.get(key)
            if isinstance(inner, dict) and inner and rng.random() < 0.75:
                here = inner
                continue
            junk = data.draw(JUNK)
            if rng.random() < 0.2:
                here.pop(key, None)
            else:
                here[key] = junk
            break
    path = tmp_path_factory.mktemp("junk") / "r.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    with suppress(UserError):
        assert isinstance(load_recipe(path), Recipe)
