"""A checkpoint of this project for the machine-oriented track: its encoder, or what its projector makes of it."""

from pathlib import Path

import torch

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json
from evaluation.features.backbone import PooledBackbone, backbone_of, tensor_hash
from evaluation.features.loading import EncoderFeaturizer
from evaluation.features.towers import find_tower, is_qwen, patch_of, projector_run, tower_run, vision_config_of
from evaluation.features.transform import ImageTransform
from evaluation.protocols import Featurizer
from fgtrain.model import LVLM, Encoder, load_checkpoint
from fgtrain.model.composed import ComposedConfig
from fgtrain.model.single_parts import ENCODES

NATIVE_SIZE = 448  # pixels of the square that stands for a picture of any size, a multiple of every merged patch
# Where a config says what of its encoder's output the projector reads.
READS = ("vision_layer", "pooled_side", "vision_feature_layer", "vision_feature_select_strategy", "downsample_ratio")


def load_featurizer(
    model: str,
    *,
    part: str = "encoder",
    image_size: int | None = None,
    view: str = "own",
    final_norm: bool = True,
    device: str | None = None,
    name: str | None = None,
) -> Featurizer | None:
    """The features of a composed checkpoint's folder; None for every other model, which evaluation loads itself."""
    config = Path(model).expanduser() / "config.json"
    if not config.is_file() or read_json(config).get("model_type") != ComposedConfig.model_type:
        return None
    lvlm = load_checkpoint(Path(model).expanduser(), parts=ENCODES)
    if view != "own" or image_size not in (None, lvlm.image_spec.size):
        raise UserError(
            f"--model {model} was composed for {lvlm.image_spec.size} px and its own view; leave out --view, "
            "--image-size"
        )
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    Encoder(lvlm).to(device)
    return featurizer_of(lvlm, part, name or model, final_norm=final_norm)


def featurizer_of(lvlm: LVLM, part: str, name: str, *, final_norm: bool = True) -> EncoderFeaturizer:
    """The features of a model of which at least encoder and projector are loaded, where they lie.

    A picture is one square as the model sees it (a tile's size where it cuts pictures, NATIVE_SIZE where it takes them
    in their own). `part`: "encoder", or "projector" for its mean output token.
    """
    spec, hf = lvlm.image_spec, lvlm.hf
    size = getattr(spec, "size", NATIVE_SIZE)
    transform = ImageTransform(size, size, False, spec.resample, spec.mean, spec.std)
    tower = lvlm.parts["vision_encoder"] if lvlm.family.feature_size is not None else find_tower(hf, hf.config)
    vision = vision_config_of(tower, hf.config)
    if part == "projector":
        own = lvlm.family.feature_size is not None
        run = (lambda pixels: lvlm.project(lvlm.encode_images(pixels))) if own else projector_run(hf, tower, vision)
        backbone = PooledBackbone(run)
        modules = {"encoder": tower, "projector": lvlm.parts["projector"]}
        tensors = {
            f"{one}.{key}": value for one, module in modules.items() for key, value in module.state_dict().items()
        }
    else:
        backbone = backbone_of(
            tower_run(tower, vision, size),
            tower,
            image_size=size,
            patch_size=patch_of(vision),
            final_norm=final_norm,
            leading=0 if is_qwen(vision) else None,
        )
        tensors = tower.state_dict()
    # The layer that the projector reads decides its features; the encoder's own are those of its last blocks.
    about = {"part": part, "final_norm": final_norm and part == "encoder", "model_type": hf.config.model_type}
    if part == "projector":
        about |= {key: getattr(hf.config, key) for key in READS if hasattr(hf.config, key)}
    return EncoderFeaturizer(
        name,
        backbone,
        transform,
        model_hash=tensor_hash(tensors),
        device=next(tower.parameters()).device,
        about=about,
        code=[__name__],
    )
