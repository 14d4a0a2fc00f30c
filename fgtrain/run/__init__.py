"""Carries out a recipe: data, stages in order, evaluation, report; as a whole or one part of it."""

from .parts import evaluate_checkpoint, prepare, report, train_stage
from .planned import planned
from .story import run_recipe

__all__ = ["evaluate_checkpoint", "planned", "prepare", "report", "run_recipe", "train_stage"]
