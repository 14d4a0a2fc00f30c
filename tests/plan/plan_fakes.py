"""A recipe and facts to plan with, made in memory."""

from pathlib import Path

from fgtrain.plan import DataFacts, ModelFacts, Plan, make_plan
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
FACTS = {
    "general": DataFacts(rows=1000, questions=3000, images=900, tokens_per_pass=50_000, sha256="a" * 64),
    "fine": DataFacts(rows=450, questions=450, images=450, tokens_per_pass=9_000, sha256="b" * 64),
    "extra": DataFacts(rows=10, questions=10, images=10, tokens_per_pass=200, sha256="c" * 64),
}
PARTS = {"vision_encoder": 400, "projector": 100, "language_model": 600}
MODEL = ModelFacts(parameters=PARTS, image_tokens=16, weights_sha=dict.fromkeys(PARTS, "d" * 64))


def recipe_of(folder: Path, *overrides: str, text: str = BASE) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path, overrides)


def plan_of(folder: Path, *overrides: str, facts=FACTS, model: ModelFacts = MODEL, text: str = BASE) -> Plan:
    return make_plan(recipe_of(folder, *overrides, text=text), facts, model)
