"""A checkpoint of this project for the machine-oriented track: its encoder, or what its projector makes of it."""

from pathlib import Path

import torch

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json
from evaluation.features.backbone import PooledBackbone, backbone_of, tensor_hash
from evaluation.features.loading import EncoderFeaturizer
from evaluation.features.towers import tower_run
from evaluation.features.transform import ImageTransform
from evaluation.protocols import Featurizer
from fgtrain.model import load_checkpoint
from fgtrain.model.composed import ComposedConfig


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
    lvlm = load_checkpoint(Path(model).expanduser(), parts=frozenset({"vision_encoder", "projector"}))
    spec, hf = lvlm.image_spec, lvlm.hf
    if view != "own" or image_size not in (None, spec.size):
        raise UserError(
            f"--model {model} was composed for {spec.size} px and its own view; leave out --view, --image-size"
        )
    transform = ImageTransform(spec.size, spec.size, False, spec.resample, spec.mean, spec.std)
    encoder, projector = lvlm.parts["vision_encoder"], lvlm.parts["projector"]
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    encoder.to(device)
    if part == "projector":
        projector.to(device)
        backbone = PooledBackbone(lambda pixels: projector(hf.encode_images(pixels)))
        tensors = {f"encoder.{key}": value for key, value in encoder.state_dict().items()}
        tensors |= {f"projector.{key}": value for key, value in projector.state_dict().items()}
    else:
        patch = getattr(encoder.config, "patch_size", None)
        backbone = backbone_of(
            tower_run(encoder, encoder.config, spec.size),
            encoder,
            image_size=spec.size,
            patch_size=patch if isinstance(patch, int) else None,
            final_norm=final_norm,
        )
        tensors = encoder.state_dict()
    # The layer that the projector reads decides its features; the encoder's own are those of its last blocks.
    about = {"part": part, "final_norm": final_norm and part == "encoder", "model_type": ComposedConfig.model_type}
    if part == "projector":
        about |= {"vision_layer": hf.config.vision_layer, "pooled_side": hf.config.pooled_side}
    return EncoderFeaturizer(
        name or model,
        backbone,
        transform,
        model_hash=tensor_hash(tensors),
        device=device,
        about=about,
        code=[__name__],
    )
