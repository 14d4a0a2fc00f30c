"""Where the frozen encoder's outputs lie, and where it is noted that all of a run's are there."""

from pathlib import Path

from fgtrain.recipe import Recipe


def features_folder(recipe: Recipe) -> Path:
    return recipe.path(recipe.built_root) / ".features"


def encoded_path(recipe: Recipe, key: str) -> Path:
    """A file that is there once the encode job with this key has encoded everything."""
    return features_folder(recipe) / "whole" / key
