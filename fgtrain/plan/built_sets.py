"""Training sets that a start will build anew, because their builder's code or their source is not what it was."""

from pathlib import Path

from data_builders.builder_code import MODULES, builder_code, changed_code
from data_builders.built_from import changed_since
from data_builders.records import Manifest
from data_builders.shared.code_identity import CodeIdentity, code_of
from fgtrain.recipe import Recipe
from fgtrain.recipe.name_checks import SAMPLE_TEXT


def sampling_code() -> CodeIdentity:
    return code_of("fgtrain.training.self_text")


def outdated(recipe: Recipe, name: str, folder: Path, manifest: Manifest) -> str:
    """Why the finished data set `name` in `folder` will be built anew; "" where it is taken as it is.

    What the recipe does not build is the user's own and known by its rows, whatever code has built it.
    """
    builds = [recipe.data[name].what, *(item.what for item in recipe.prepare)]
    if manifest.builder not in builds:
        return ""
    if manifest.builder == SAMPLE_TEXT:
        return changed_code({"code": manifest.code}, sampling_code())
    if manifest.builder not in MODULES:
        return ""
    return changed_code({"code": manifest.code}, builder_code(manifest.builder)) or changed_since(folder)
