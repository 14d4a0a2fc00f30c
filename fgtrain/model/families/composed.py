"""Models that are composed here and that no class of transformers fits."""

from transformers import PreTrainedConfig

from data_builders.shared.llava_as_published import published_fit
from fgtrain.images import ImageSpec, Square

from ..composed import ComposedLVLM
from ..preprocessing import pixel_values
from .family import Family, Wanted


def images(config: PreTrainedConfig, settings: dict, wanted: Wanted) -> ImageSpec:
    wanted.refuse("max_tiles", "max_pixels")
    wanted.same_size(config.image_size)
    values = pixel_values(settings, wanted.place) | {"fit": wanted.fit or published_fit(settings)}
    return Square(size=config.image_size, tokens=config.image_tokens, **values)


COMPOSED = Family(
    model_class=ComposedLVLM,
    parts={
        "vision_encoder": ("vision_encoder",),
        "projector": ("projector",),
        "language_model": ("language_model",),
    },
    decoder="language_model.base_model",
    encode=lambda model, pixels_NCHW, shapes_IK: model.encode_images(pixels_NCHW),
    image_spec=images,
    feature_size=lambda config: config.feature_size,
)
