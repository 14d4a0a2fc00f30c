"""Samples a plain-text training set from the language model that a recipe starts from."""

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_builders.records import Manifest
from data_builders.shared.files import read_json
from data_builders.shared.locks import locked
from data_builders.shared.terminal import say
from fgtrain.errors import UserError
from fgtrain.model import build_language_model
from fgtrain.plan.built_sets import outdated
from fgtrain.processes import Group
from fgtrain.recipe import Recipe
from fgtrain.training.self_text import build_self_text


class SampleTextOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    rows: int = Field(400, ge=1)
    heldout: int = Field(100, ge=1)
    max_tokens: int = Field(64, ge=8)
    seed: int = 0


def sample_text(recipe: Recipe, group: Group, name: str) -> None:
    """Write the recipe's text set `name`, unless this code has done so. UserError when it was sampled otherwise."""
    place, folder = f"data.{name}", recipe.data_folder(name)
    try:
        options = SampleTextOptions(**recipe.data[name].options).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        known = ", ".join(SampleTextOptions.model_fields)
        raise UserError(f"{place}.options.{key}: {first['msg']}. Options: {known}") from None
    with locked(folder.parent / f".{folder.name}.lock", waiting=f"{place}: somebody else is sampling it; waiting"):
        voice = build_language_model(recipe.model_with_paths(), network=recipe.network, seed=recipe.seed)
        model_hash = voice.hash
        if (folder / "manifest.json").exists():
            was = read_json(folder / "manifest.json").get("options")
            if was != options | {"language_model": model_hash}:
                raise UserError(
                    f"{place}: {folder} was sampled from another language model or with other options. "
                    f"Delete the folder, or choose another built_root"
                )
            why = outdated(recipe, name, folder, Manifest.load(folder))
            if not why:
                return
            say(f"{place}: {folder}: {why} it was sampled; sampled anew")
        build_self_text(voice.model, voice.tokenizer, folder, language_model_hash=model_hash, **options)
