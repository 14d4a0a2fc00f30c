"""The one table of model families: which module is which part, and how images become features in each.

A new family is one more file here and one more entry of `FAMILIES` (docs/families.md).
"""

from transformers import PreTrainedConfig

from fgtrain.errors import UserError
from fgtrain.images import ImageSpec
from fgtrain.recipe.model_schema import Model

from ..sources import Source
from .composed import COMPOSED
from .family import PARTS, Family, Wanted
from .gemma3 import GEMMA3
from .internvl import INTERNVL
from .llava import LLAVA
from .llava_next import LLAVA_NEXT
from .llava_onevision import LLAVA_ONEVISION
from .parts import find_parts, submodule
from .qwen2_5_vl import QWEN2_5_VL
from .qwen2_vl import QWEN2_VL
from .qwen3_vl import QWEN3_VL
from .smolvlm import IDEFICS3, SMOLVLM

FAMILIES = {  # model_type of a config -> what is known of it
    "fgtrain_composed": COMPOSED,
    "llava": LLAVA,
    "llava_next": LLAVA_NEXT,
    "llava_onevision": LLAVA_ONEVISION,
    "internvl": INTERNVL,
    "qwen2_vl": QWEN2_VL,
    "qwen2_5_vl": QWEN2_5_VL,
    "qwen3_vl": QWEN3_VL,
    "gemma3": GEMMA3,
    "smolvlm": SMOLVLM,
    "idefics3": IDEFICS3,
}

__all__ = ["FAMILIES", "PARTS", "Family", "family_of", "find_parts", "released_images", "submodule"]


def family_of(config: PreTrainedConfig, place: str = "model.checkpoint") -> Family:
    """The family of a config. UserError lists the known ones."""
    family = FAMILIES.get(config.model_type)
    if family is None:
        known = ", ".join(sorted(FAMILIES))
        raise UserError(
            f"{place} has model_type {config.model_type!r}, a family that is not known here. Known are: {known}"
        )
    return family


def released_images(source: Source, config: PreTrainedConfig, model: Model | None = None) -> ImageSpec:
    """How a released checkpoint's pictures become its inputs, with what the recipe changes of it."""
    family = family_of(config, source.place)
    settings = source.preprocessor()
    place = f"{source.place} {source.value}: preprocessor_config.json"
    if settings is None:
        advice = source.fetching or ". Copy it from the original model"
        raise UserError(f"{place} is missing, so how it wants its pixels is unknown{advice}")
    keys = {key: getattr(model, key, None) for key in ("image_size", "max_tiles", "max_pixels", "fit")}
    spec = family.image_spec(config, settings, Wanted(**keys, place=place))
    if keys["fit"] not in (None, getattr(spec, "fit", None)):
        raise UserError(f"model.fit is {keys['fit']}, but the pictures of {place} are no squares. Write fit: null")
    return spec
