"""What holds of every family: planned at its published size, trained through the program, asked, and read by others.

A new entry of FAMILIES is tested by being there: it needs a tiny checkpoint (family_fakes) and a published size
(fgtrain/plan/known/models.yaml).
"""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from run_fakes import REPOSITORY, command, metrics, recipe_values, run_recipe, write_recipe
from safetensors.torch import load_file

from data_builders.shared.files import write_json
from fgtrain.data.packing import pack
from fgtrain.errors import UserError
from fgtrain.model import LVLM, load_checkpoint, model_facts
from fgtrain.model.families import FAMILIES
from fgtrain.model.plans import whole_plan
from fgtrain.plan.known_facts import kept_models
from fgtrain.recipe import load_recipe
from fgtrain.recipe.model_schema import Model

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "model"))

from family_fakes import FAKES, ROWS, native_ids, pixels_of, samples_of, write_family, write_pictures

RELEASED = FAMILIES.keys() - {"fgtrain_composed"}
# Parameters as the published files of weights count them.
PUBLISHED = {
    "llava-hf/llava-1.5-7b-hf": 7_063_427_072,
    "llava-hf/llava-v1.6-mistral-7b-hf": 7_566_747_648,
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": None,
    "OpenGVLab/InternVL3-8B-hf": 7_944_373_760,
    "OpenGVLab/InternVL3_5-8B-HF": 8_528_318_464,
    "Qwen/Qwen2-VL-7B-Instruct": 8_291_375_616,
    "Qwen/Qwen2.5-VL-7B-Instruct": 8_292_166_656,
    "Qwen/Qwen3-VL-8B-Instruct": 8_767_123_696,
    "google/gemma-3-4b-it": 4_300_079_472,
    "HuggingFaceTB/SmolVLM-Instruct": 2_246_272_880,
    "HuggingFaceTB/SmolVLM2-2.2B-Instruct": 2_246_784_880,
}
LORA = {"lr": 1.0e-2, "lora": {"rank": 4}}
LVLM_OF = {kind: type(fake.make()) for kind, fake in FAKES.items()}
SFT = {"vision_encoder": 1.0e-3, "projector": 1.0e-3, "language_model": LORA}
# Started as its user starts it; of the others, this process calls the same jobs.
STARTED = "internvl"


def test_every_family_has_a_published_size_and_a_tiny_checkpoint():
    assert {kept_models()[name]["config"]["model_type"] for name in PUBLISHED} == RELEASED
    assert {model.config_class.model_type for model in LVLM_OF.values()} == RELEASED


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_family_is_planned_at_its_published_size(name):
    changes = [f"model.checkpoint={name}", "model.max_pixels=null", "model.max_tokens=1024"]
    recipe = load_recipe(
        REPOSITORY / "recipes" / "qwen25vl_general.yaml",
        [
            *changes,
            "stages.sft.train={vision_encoder: 1e-6, projector: 1e-5, language_model: {lr: 1e-4, lora: {rank: 8}}}",
        ],
    )
    plan = whole_plan(recipe)
    for stage in plan.stages:
        assert None not in {part.trainable for part in stage.parts}, stage.name
        assert stage.memory_bytes is not None
        assert stage.flops
    if PUBLISHED[name] is not None:
        assert sum(part.parameters for part in plan.stages[0].parts) == PUBLISHED[name]
    adapted = next(part for part in plan.stage("sft").parts if part.part == "language_model")
    assert 0 < adapted.trainable < 0.01 * adapted.parameters


def test_internvl_with_experts_is_refused(tmp_path: Path):
    kept = kept_models()["OpenGVLab/InternVL3_5-8B-HF"]
    experts = {**kept["config"]["text_config"], "model_type": "qwen3_moe", "num_experts": 128, "num_hidden_layers": 1}
    write_json(tmp_path / "config.json", {**kept["config"], "text_config": experts})
    write_json(tmp_path / "preprocessor_config.json", kept["images"])
    with pytest.raises(UserError, match=r"language model of 128 experts .* Take a dense size"):
        model_facts(Model(checkpoint=str(tmp_path)), network=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_world: Path) -> Path:
    folder = tmp_path_factory.mktemp("families")
    (folder / "world").symlink_to(tiny_world)
    return write_pictures(folder)


@pytest.fixture(scope="module")
def runs(place: Path) -> dict[str, Path]:
    """Kind -> its run, of an alignment and of an SFT with LoRA whose checkpoint was asked."""
    return {kind: trained(kind, place) for kind in FAKES}


def trained(kind: str, place: Path) -> Path:
    released = write_family(kind, place / "released" / kind)
    values = recipe_values(place, name=kind, model={"checkpoint": str(released), "max_tokens": 1024})
    values["stages"]["align"] |= {"mix": {"count": 0.7}}
    values["stages"]["sft"] |= {"mix": {"count": 0.7, "document": 0.2}, "train": SFT}
    values["evaluation"] = {"at": ["sft"], "tasks": ["drawn_count"]}
    recipe = write_recipe(place, values)
    if kind == STARTED:
        status, output = command(recipe)
        assert status == 0, output
    else:
        run_recipe(load_recipe(recipe))
    return place / "runs" / kind


@pytest.mark.parametrize("kind", FAKES)
def test_a_family_is_trained_and_asked(runs: dict[str, Path], place: Path, kind: str):
    train = metrics(runs[kind])
    assert {row["stage"] for row in train} == {"align", "sft"}
    assert {row["task"] for row in metrics(runs[kind], "eval")} == {"drawn/count"}
    before = LVLM_OF[kind].from_pretrained(place / "released" / kind, dtype=torch.float32)
    for stage, learnt in (("align", {"projector"}), ("sft", {"vision_encoder", "projector", "language_model"})):
        lvlm = load_checkpoint(runs[kind] / stage / "checkpoint")
        part_of = {name.removeprefix("hf."): part for part in lvlm.parts for name, _ in lvlm.part_parameters(part)}
        was, now = dict(before.named_parameters()), dict(lvlm.hf.named_parameters())
        assert was.keys() == now.keys()
        assert {part_of[name] for name in now if not torch.equal(now[name], was[name])} == learnt, stage
        before = lvlm.hf


@torch.no_grad()
def test_transformers_alone_reads_every_checkpoint_and_says_the_same(runs: dict[str, Path], place: Path):
    cases, expected = [], {}
    for kind in FAKES:
        lvlm = load_checkpoint(runs[kind] / "sft" / "checkpoint")
        [sample] = samples_of(lvlm, place, ROWS[3:])
        batch = pack([sample], None, pixels_NCHW=pixels_of(lvlm, [sample]))
        expected[kind] = lvlm.lm_head(lvlm.hidden_BTD(lvlm.embed(batch), batch))[0]
        case = {"folder": str(runs[kind] / "sft" / "checkpoint"), "picture": str(sample.images[0].path)}
        ids = native_ids(kind, sample, 1)[0].tolist()
        cases.append({**case, "ids": ids, "marks": marks(lvlm), "out": str(place / f"{kind}.safetensors")})
    write_json(place / "cases.json", cases)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    worker = [sys.executable, str(Path(__file__).with_name("reload_families.py")), str(place / "cases.json")]
    done = subprocess.run(worker, cwd=place, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    for kind in FAKES:
        found_TV = load_file(place / f"{kind}.safetensors")["logits"]
        torch.testing.assert_close(
            found_TV, expected[kind], rtol=1e-5, atol=2e-5, msg=lambda text, k=kind: f"{k}: {text}"
        )


def marks(lvlm: LVLM) -> str | None:
    """The input of transformers' forward that says which tokens are a picture's."""
    names = inspect.signature(type(lvlm.hf).forward).parameters
    return next((name for name in ("mm_token_type_ids", "token_type_ids") if name in names), None)
