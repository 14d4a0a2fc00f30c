"""A Featurizer of a model folder or hub id: any vision backbone of transformers, or an LVLM's own tower."""

import inspect
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from data_builders.shared.code_identity import code_of
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json

from ..shared.pretrained import check_source, find_file, first_line, load_config, load_weights, quiet
from .backbone import PooledBackbone, TokenBackbone, backbone_of, tensor_hash
from .towers import find_tower, is_qwen, patch_of, projector_run, tower_run, vision_config_of, without_language
from .transform import ImageTransform, dinov2_transform, transform_of

PARTS = ("encoder", "projector")
MAKERS = (__name__, "evaluation.features.presets", "evaluation.features.cache")


class EncoderFeaturizer:
    """The `Featurizer` of protocols.py over a backbone and an image transform."""

    def __init__(
        self,
        name: str,
        backbone: TokenBackbone | PooledBackbone,
        transform: ImageTransform,
        *,
        model_hash: str,
        device: torch.device | str = "cpu",
        about: dict | None = None,
        code: Sequence[str] = (),
        parameters: int | None = None,
    ) -> None:
        """`code`: modules beside this package's that decide a feature; `parameters`: how many make one."""
        self.parameters = parameters
        self.name, self.model_hash, self.backbone, self.transform = name, model_hash, backbone, transform
        self.vectors, self.mean, self.std = backbone.vectors, transform.mean, transform.std
        self.device = torch.device(device)
        self.settings = {"code": code_of(*MAKERS, *code).hash, "vectors": list(self.vectors)}
        self.settings |= {"transform": asdict(transform)} | (about or {})
        self._shift = torch.tensor(self.mean, device=self.device).view(1, -1, 1, 1)
        self._scale = torch.tensor(self.std, device=self.device).view(1, -1, 1, 1)

    def pixels(self, image: Path) -> Tensor:
        """float32 [3, H, W] in 0..1, see `Featurizer`."""
        return self.transform(image)

    def features(self, pixels_NCHW: Tensor) -> Tensor:
        """float32 [N, K, F] of un-normalised pixels, see `Featurizer`."""
        return self.backbone((pixels_NCHW.to(self.device) - self._shift) / self._scale)


def load_featurizer(
    model: str,
    *,
    part: str = "encoder",
    image_size: int | None = None,
    view: str = "own",
    final_norm: bool = True,
    device: str | None = None,
    name: str | None = None,
) -> EncoderFeaturizer:
    """`model`: a folder or hub id in transformers' format, safetensors only, never with code of its own.

    `part`: an LVLM's "encoder" (before its projector) or "projector" (its mean output token). `view`: "own" (as its
    preprocessor_config says) or "dinov2" (FG-BMK's released view). UserError when it cannot be loaded so.
    """
    if part not in PARTS:
        raise UserError(f"part is {part!r}; write {' or '.join(PARTS)}")
    source = check_source(model)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    config = load_config(source)
    whole = _load_model(source, config)
    tower = find_tower(whole, config)
    vision = vision_config_of(tower, config)
    size = image_size or (224 if view == "dinov2" else None)
    transform = image_transform(source, vision, size, view)
    place = f"{model} at {transform.size} px"
    tower.requires_grad_(False).eval()
    if part == "projector":
        if tower is whole:
            raise UserError(f"{model} is a bare encoder and has no projector; leave out --part")
        run, kept = projector_run(whole, tower, vision), without_language(whole)
        backbone = PooledBackbone(run)
        module = kept
    else:
        run, module = tower_run(tower, vision, transform.size), tower
        backbone = backbone_of(
            run,
            tower,
            image_size=transform.size,
            patch_size=patch_of(vision),
            final_norm=final_norm,
            leading=0 if is_qwen(vision) else None,
        )
    module.to(device)
    _check(backbone, transform, device, place)
    about = {"part": part, "final_norm": final_norm and part == "encoder", "model_type": config.model_type}
    return EncoderFeaturizer(
        name or model,
        backbone,
        transform,
        model_hash=tensor_hash(module.state_dict()),
        device=device,
        about=about,
        parameters=sum(one.numel() for one in module.parameters()),
    )


def image_transform(source: str, vision: object, size: int | None, view: str) -> ImageTransform:
    if view == "dinov2":
        return dinov2_transform(size or 224)
    own = getattr(vision, "image_size", None)
    own = own[0] if isinstance(own, list | tuple) else own
    settings = read_preprocessor(source)
    if settings is None:
        raise UserError(
            f"--model {source}: no preprocessor_config.json, so how it wants its pixels is unknown. Copy it from the "
            "original model, or add --view dinov2"
        )
    fallback = size or (own if isinstance(own, int) else 448)
    # an override, or a stand-in where the processor names no size of its own
    try:
        transform = transform_of(settings, f"{source}: preprocessor_config.json", size)
    except UserError:
        transform = transform_of(settings, f"{source}: preprocessor_config.json", fallback)
    return transform


def read_preprocessor(source: str) -> dict | None:
    """The image processor's settings as plain JSON, with transformers' defaults filled in; None without a file."""
    for name, key in (("preprocessor_config.json", None), ("processor_config.json", "image_processor")):
        found = find_file(source, name)
        if found is None:
            continue
        settings = read_json(found)
        settings = settings.get(key) if key else settings
        if isinstance(settings, dict):
            return {**_defaults(settings.get("image_processor_type")), **settings}
    return None


def _defaults(processor: str | None) -> dict:
    """What a processor's class says where its file does not (the resample filter, the crop, the rescaling)."""
    import transformers

    if not isinstance(processor, str):
        return {}
    with quiet():
        found = getattr(transformers, processor.removesuffix("Fast").removesuffix("Pil") + "Pil", None)
    keys = ("resample", "do_center_crop", "do_rescale", "do_normalize", "rescale_factor", "size", "crop_size",
            "image_mean", "image_std", "crop_pct")  # fmt: skip
    return {key: getattr(found, key) for key in keys if getattr(found, key, None) is not None} if found else {}


def _load_model(source: str, config) -> nn.Module:
    """The whole model in fp32 where it is an encoder; an LVLM in its own precision, its tower in fp32. UserError."""
    from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, MODEL_MAPPING, AutoModel, AutoModelForImageTextToText

    lvlm = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and hasattr(config, "vision_config")
    if not lvlm and type(config) not in MODEL_MAPPING:
        raise UserError(f"--model {source}: {config.model_type!r} has no vision backbone that is known here")
    own = MODEL_MAPPING.get(type(config), None)
    arguments = {}
    if own is not None and "add_pooling_layer" in inspect.signature(own.__init__).parameters:
        arguments["add_pooling_layer"] = False  # nothing here reads it, and often it has no weights
    loader = AutoModelForImageTextToText if lvlm else AutoModel
    dtype = "auto" if lvlm else torch.float32
    return load_weights(loader, source, dtype=dtype, **({} if lvlm else arguments))


def _check(backbone: nn.Module, transform: ImageTransform, device: str, place: str) -> None:
    """Run one grey picture: an encoder that cannot take this size says so now, not after an hour."""
    with torch.no_grad():
        try:
            features = backbone(torch.zeros(1, 3, transform.size, transform.size, device=device))
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{place}: {first_line(error)}") from None
    if not torch.isfinite(features).all():
        raise UserError(f"{place}: features are not finite; are the weights damaged?")
