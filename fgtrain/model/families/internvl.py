"""InternVL in transformers' own layout: tiles, neighbouring patches put into one token."""

from typing import Any

from torch import Tensor
from transformers import InternVLForConditionalGeneration, PreTrainedConfig

from fgtrain.errors import UserError
from fgtrain.images import ImageSpec, Tiles

from ..preprocessing import pixel_values
from .family import Family, Processor, Wanted
from .llava import LLAVA_PARTS

DEFAULT_TILES = 12  # of transformers' image processor


def shuffled(model: Any, pixels_NCHW: Tensor, shapes_IK: Tensor | None) -> Tensor:
    """The patches of a layer, neighbours put into one token (pixel shuffle)."""
    config, layer = model.config, model.config.vision_feature_layer
    output = model.model.vision_tower(pixel_values=pixels_NCHW, output_hidden_states=layer != -1, return_dict=True)
    state = output.last_hidden_state if layer == -1 else output.hidden_states[layer]
    patches_NPF = state[:, 1:] if config.vision_feature_select_strategy == "default" else state
    side = round(patches_NPF.shape[1] ** 0.5)
    grid = patches_NPF.unflatten(1, (side, side))
    return model.model.pixel_shuffle(grid, scale_factor=config.downsample_ratio).flatten(1, 2)


def shuffled_size(config: PreTrainedConfig) -> int:
    return config.vision_config.hidden_size * int(1 / config.downsample_ratio) ** 2


def images(config: PreTrainedConfig, settings: dict, wanted: Wanted) -> ImageSpec:
    wanted.refuse("max_pixels")
    refuse_experts(config, wanted.place)
    size = side_of(config.vision_config.image_size)
    wanted.same_size(size)
    most = wanted.max_tiles or settings.get("max_patches", DEFAULT_TILES)
    return Tiles(
        size=size,
        tokens=round((size // side_of(config.vision_config.patch_size) * config.downsample_ratio) ** 2),
        max_tiles=most,
        min_tiles=min(most, settings.get("min_patches", 1)),
        before=("<img>",),
        after=("</img>",),
        **pixel_values(settings, wanted.place),
    )


def refuse_experts(config: PreTrainedConfig, place: str) -> None:
    """UserError for a language model of experts (InternVL-3.5 has such sizes beside its dense ones)."""
    for key in ("num_experts", "num_local_experts"):
        if (getattr(config.text_config, key, None) or 1) > 1:
            raise UserError(
                f"{place.partition(':')[0]} has a language model of {getattr(config.text_config, key)} experts "
                f"({config.text_config.model_type}), whose routing is not trained here. Take a dense size; it can be "
                f"asked as it is: python -m evaluation run"
            )


def side_of(value: Any) -> int:
    """A side's length where the config gives one number, or height and width."""
    return value if isinstance(value, int) else value[0]


def processor(config: PreTrainedConfig, spec: ImageSpec) -> dict[str, Any]:
    return {"processor_class": "InternVLProcessor", "image_seq_length": spec.tokens}


def chat(tokenizer: Any) -> str:
    """InternVL-2.5 says a system message of its own; the later ones none."""
    return "internvl2_5" if "书生" in str(tokenizer.chat_template or "") else "internvl3"


INTERNVL = Family(
    model_class=InternVLForConditionalGeneration,
    parts=LLAVA_PARTS,
    decoder="model.language_model",
    encode=shuffled,
    image_spec=images,
    feature_size=shuffled_size,
    processor=Processor(processor, video="InternVLVideoProcessor", picture=lambda spec: spec.token),
    chat=chat,
)
