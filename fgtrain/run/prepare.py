"""Finds or builds what a recipe names: benchmark files, training sets, text sampled from the language model."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_builders.build import BUILDERS, build, command_line, same_build
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json
from fgtrain.model import LVLM, part_hash
from fgtrain.recipe import Recipe
from fgtrain.training.self_text import build_self_text

SAMPLE_TEXT = "sample_text"  # needs a model, so it is built here and not by data_builders


class SampleTextOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    rows: int = Field(400, ge=1)
    heldout: int = Field(100, ge=1)
    max_tokens: int = Field(64, ge=8)
    seed: int = 0


def build_data(recipe: Recipe) -> None:
    """Run the recipe's builders, in order. What is there already and whole is left alone.

    Raises UserError with the command that builds what is missing, or for a folder that was built otherwise.
    """
    for index, item in enumerate(recipe.prepare):
        place = f"prepare.{index}"
        root = recipe.path(item.root, f"{place}.root") if item.root is not None else None
        options = recipe.filled(item.options, f"{place}.options")
        _build(place, item.what, root, recipe.path(item.out, f"{place}.out"), options)
    for name in recipe.mixed_data:
        data_set = recipe.data[name]
        place, folder = f"data.{name}", recipe.data_folder(name)
        if data_set.what is None:
            if not (folder / "manifest.json").is_file():
                raise UserError(f"{place}: no manifest at {folder}. {_hint(recipe, folder)}")
        elif data_set.what != SAMPLE_TEXT:
            root = recipe.path(data_set.root, f"{place}.root") if data_set.root is not None else None
            _build(place, data_set.what, root, folder, recipe.filled(data_set.options, f"{place}.options"))


def data_ready(recipe: Recipe) -> bool:
    """Would `build_data` find everything there already? UserError when a set that nobody builds is missing."""
    for index, item in enumerate(recipe.prepare):
        place = f"prepare.{index}"
        root = recipe.path(item.root, f"{place}.root") if item.root is not None else None
        options = recipe.filled(item.options, f"{place}.options")
        if item.what not in BUILDERS or not same_build(recipe.path(item.out), item.what, options, root):
            return False
    for name in recipe.mixed_data:
        data_set = recipe.data[name]
        place, folder = f"data.{name}", recipe.data_folder(name)
        there = (folder / "manifest.json").is_file()
        if not there and data_set.what is None and not recipe.prepare:
            raise UserError(f"{place}: no manifest at {folder}. {_hint(recipe, folder)}")
        if not there:
            return False
        if data_set.what in BUILDERS:
            root = recipe.path(data_set.root, f"{place}.root") if data_set.root is not None else None
            if not same_build(folder, data_set.what, recipe.filled(data_set.options, f"{place}.options"), root):
                return False
    return True


def _build(place: str, what: str, root: Path | None, out: Path, options: dict[str, Any]) -> None:
    if what not in BUILDERS:
        known = ", ".join([*BUILDERS, SAMPLE_TEXT])
        raise UserError(f"{place}.what is {what!r}, which is no builder; there are: {known}")
    if root is not None and not root.exists() and not (out / "manifest.json").exists():
        raise UserError(
            f"{place}: there is no {root}. Put the data set there as it is downloaded, or name its place "
            f"(data_root=DIR). Then this builds it: {command_line(what, root, out, options)}"
        )
    try:
        build(what, root=root, out=out, options=options)
    except UserError as error:
        raise UserError(f"{place}: {error}") from None


def _hint(recipe: Recipe, folder: Path) -> str:
    builders = ", ".join(BUILDERS)
    return f"Build it: python -m data_builders WHAT --root DIR --out {folder} (WHAT: {builders}), or correct the path"


def text_model(lvlm: LVLM) -> Any:
    """The transformers model that can generate plain text: the language model, or a released LVLM as a whole."""
    inner = getattr(lvlm.hf, "language_model", None)
    return inner if inner is not None and inner.can_generate() else lvlm.hf


def build_texts(recipe: Recipe, lvlm: LVLM) -> None:
    """Sample the text sets that the recipe wants from the language model that it starts from."""
    model_hash = part_hash(lvlm, "language_model")
    for name in recipe.mixed_data:
        if recipe.data[name].what != SAMPLE_TEXT:
            continue
        place, folder = f"data.{name}", recipe.data_folder(name)
        try:
            options = SampleTextOptions(**recipe.data[name].options).model_dump()
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            known = ", ".join(SampleTextOptions.model_fields)
            raise UserError(f"{place}.options.{key}: {first['msg']}. Options: {known}") from None
        if (folder / "manifest.json").exists():
            was = read_json(folder / "manifest.json").get("options")
            if was != options | {"language_model": model_hash}:
                raise UserError(
                    f"{place}: {folder} was sampled from another language model or with other options. "
                    f"Delete the folder, or choose another built_root"
                )
            continue
        build_self_text(text_model(lvlm), lvlm.tokenizer, folder, language_model_hash=model_hash, **options)
