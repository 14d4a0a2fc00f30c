"""How pictures become an encoder's pixels, from the preprocessor_config.json beside its weights."""

from typing import Any

from fgtrain.errors import UserError
from fgtrain.images import Square

from .sources import Source

RESAMPLE = {1: "lanczos", 2: "bilinear", 3: "bicubic"}  # PIL's numbers


def image_spec(source: Source, size: int | None, tokens: int, fit: str | None, from_scratch: bool = False) -> Square:
    """How pictures become pixels, from preprocessor_config.json; `size` (pixels) overrides its own.

    Without such a file a from-scratch encoder gets mean = std = 0.5 and bicubic; a pretrained one is an error, since
    wrong pixels would only show as bad scores. `fit`: None stretches, whatever the file says of cropping.
    """
    settings = source.preprocessor()
    place = f"{source.place} {source.value}: preprocessor_config.json"
    if settings is None:
        if not from_scratch:
            raise UserError(
                f"{place} is missing, so how it wants its pixels is unknown"
                f"{source.fetching or '. Copy it from the original model'}"
            )
        settings = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    values = pixel_values(settings, place)
    return Square(size=size or own_size(settings, place), tokens=tokens, fit=fit or "stretch", **values)


def pixel_values(settings: dict, place: str) -> dict[str, Any]:
    """mean, std and resample of an ImageSpec. UserError, naming `place`, for what is not known here."""
    if settings.get("do_normalize") is False:
        settings = {**settings, "image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    mean, std = settings.get("image_mean"), settings.get("image_std")
    for key, value in (("image_mean", mean), ("image_std", std)):
        if not (isinstance(value, list) and len(value) == 3 and all(isinstance(v, int | float) for v in value)):
            raise UserError(f"{place} has {key} {value!r}; three numbers are needed")
    factor = settings.get("rescale_factor", 1 / 255)
    if settings.get("do_rescale") is False or abs(factor * 255 - 1) > 1e-3:
        raise UserError(f"{place} rescales by {factor}; only 1/255 is known")
    resample = settings.get("resample", 3)
    if resample not in RESAMPLE:
        raise UserError(f"{place} has resample {resample}; known are 1 (lanczos), 2 (bilinear) and 3 (bicubic)")
    return {"mean": tuple(map(float, mean)), "std": tuple(map(float, std)), "resample": RESAMPLE[resample]}


def own_size(settings: dict, place: str) -> int:
    """The square size a preprocessor works at: of its crop, else of its resizing. UserError when there is none."""
    for key in ("crop_size", "size"):
        value = settings.get(key)
        if isinstance(value, dict):
            value = value.get("height", value.get("shortest_edge"))
        if isinstance(value, int):
            return value
    raise UserError(f"{place} names no size. Write model.image_size")
