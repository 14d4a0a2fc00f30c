"""A recipe and facts to plan with, made in memory."""

from dataclasses import replace
from pathlib import Path

from data_builders.shared.code_identity import CodeIdentity
from fgtrain.counts import Counts
from fgtrain.images import Square, Tiles
from fgtrain.plan import DataFacts, ModelFacts, Plan, make_plan
from fgtrain.plan.cost import ModelShape
from fgtrain.plan.peak import Peak
from fgtrain.plan.versions import Program
from fgtrain.recipe import Recipe, load_recipe

BASE = """\
name: base
model: {vision_encoder: parts/vision, projector: mlp2x_gelu, language_model: parts/language}
data:
  general: {path: general}
  fine: {what: short_answer, root: "{data_root}/CUB_200_2011", options: {source: cub}}
  extra: {path: extra}
stages:
  align: {train: {projector: 1.0e-3}, mix: {general: 1}, global_batch_size: 64}
  sft: {train: {projector: 2.0e-5, language_model: 2.0e-5}, mix: {general: 1, fine: 2}, global_batch_size: 32}
evaluation: {tasks: [fgbmk]}
"""


def data_of(rows: int, questions: int, images: int, tokens: int, letter: str) -> DataFacts:
    counts = Counts(tokens, 16 * images, 2 * questions, 20 * tokens)
    return DataFacts(rows, questions, images, tokens, counts, sha256=letter * 64)


FACTS = {
    "general": data_of(1000, 3000, 900, 50_000, "a"),
    "fine": data_of(450, 450, 450, 9_000, "b"),
    "extra": data_of(10, 10, 10, 200, "c"),
}
PARTS = {"vision_encoder": 400, "projector": 100, "language_model": 600}
SHAPE = ModelShape(8, 2, 2, 1, 4, 16, 10, 500, 2000, 300, 40, 48)
PIXELS = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "resample": "bicubic"}
MODEL = ModelFacts(
    parameters=PARTS,
    image_tokens=16,
    shape=SHAPE,
    images=Square(size=64, tokens=16, **PIXELS),
    features=16 * 32,
    weights_sha=dict.fromkeys(PARTS, "d" * 64),
)
CUT = replace(MODEL, images=Tiles(size=64, tokens=16, max_tiles=4, **PIXELS), features=None)
PEAK = Peak(train=1e9, fp32=5e8)
PROGRAM = Program(
    {name: CodeIdentity(name[0] * 16, {f"fgtrain/{name}.py": "1"}) for name in ("answers", "heads", "merge")}
)


def recipe_of(folder: Path, *overrides: str, text: str = BASE) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path, overrides)


def plan_of(
    folder: Path,
    *overrides: str,
    facts=FACTS,
    model: ModelFacts = MODEL,
    text: str = BASE,
    program: Program = PROGRAM,
) -> Plan:
    return make_plan(recipe_of(folder, *overrides, text=text), facts, model, program, peak=PEAK)
