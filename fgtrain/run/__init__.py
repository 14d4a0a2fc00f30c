"""Carries out a recipe: data, stages in order, evaluation, report."""

from .story import run_recipe

__all__ = ["run_recipe"]
