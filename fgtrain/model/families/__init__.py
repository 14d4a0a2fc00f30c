"""The one table of model families: which module is which part, and how images become features in each.

A new family is one more file here and one more entry of `FAMILIES` (docs/families.md), or a user's own, by an entry
point of an installed package (docs/extending/families.md).
"""

import hashlib

from transformers import PreTrainedConfig

from data_builders.shared.plugins import Plugins
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

OWN = Plugins(  # by the model_type of a config
    "fgtrain.families",
    "a Family of fgtrain.model.families",
    tuple(FAMILIES),
    lambda found: isinstance(found, Family),
)

__all__ = ["FAMILIES", "PARTS", "Family", "family_code", "family_of", "find_parts", "released_images", "submodule"]


def family_of(config: PreTrainedConfig, place: str = "model.checkpoint") -> Family:
    """The family of a config. UserError lists the known ones."""
    kind = config.model_type
    if kind in FAMILIES:
        return FAMILIES[kind]
    if kind in (own := OWN.installed()):
        return OWN.load(kind)
    known = ", ".join(sorted([*FAMILIES, *own]))
    raise UserError(
        f"{place} has model_type {kind!r}, a family that is not known here. Known are: {known}. One of your own: entry "
        f"points {OWN.group}"
    )


def family_code(kind: str) -> str | None:
    """16 hexadecimal digits over the code of a user's own family; None of a built-in one, which counts with ours."""
    if kind in FAMILIES or kind not in OWN.installed():
        return None
    return hashlib.blake2b(repr(sorted(OWN.code(kind).items())).encode(), digest_size=8).hexdigest()


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
