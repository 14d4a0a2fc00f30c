"""A Featurizer of a model folder or hub id: any vision backbone of transformers, or an LVLM's own tower."""

import inspect
import os
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from data_builders.errors import UserError
from data_builders.files import read_json

from .backbone import PooledBackbone, TokenBackbone, backbone_of, tensor_hash
from .transform import ImageTransform, dinov2_transform, transform_of

CODE_VERSION = 1  # raised when the same weights and pixels would give other features
PARTS = ("encoder", "projector")
TOWERS = ("vision_tower", "visual", "vision_model", "vision_encoder", "image_encoder")
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")


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
    ) -> None:
        self.name, self.model_hash, self.backbone, self.transform = name, model_hash, backbone, transform
        self.vectors, self.mean, self.std = backbone.vectors, transform.mean, transform.std
        self.device = torch.device(device)
        self.settings = {"code": CODE_VERSION, "vectors": list(self.vectors), "transform": transform.describe()}
        self.settings |= about or {}
        self._shift = torch.tensor(self.mean, device=self.device).view(1, -1, 1, 1)
        self._scale = torch.tensor(self.std, device=self.device).view(1, -1, 1, 1)

    def pixels(self, image: Path) -> Tensor:
        return self.transform(image)

    def features(self, pixels_NCHW: Tensor) -> Tensor:
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
    with quiet():
        whole = _load_model(source, config)
    tower = find_tower(whole, config)
    vision = _vision_config(tower, config)
    size = image_size or (224 if view == "dinov2" else None)
    transform = image_transform(source, vision, size, view)
    place = f"{model} at {transform.size} px"
    tower.requires_grad_(False).eval()
    if part == "projector":
        if tower is whole:
            raise UserError(f"{model} is a bare encoder and has no projector; leave out --part")
        run, kept = projector_run(whole, tower, vision), _without_language(whole)
        backbone = PooledBackbone(run)
        module = kept
    else:
        run, module = tower_run(tower, vision, transform.size), tower
        backbone = backbone_of(
            run,
            tower,
            image_size=transform.size,
            patch_size=_patch(vision),
            final_norm=final_norm,
            leading=0 if _is_qwen(vision) else None,
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
    )


def check_source(model: str) -> str:
    """A folder with config.json and safetensors, or a hub id. UserError."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"--model {model}: no config.json there. Give a folder in transformers' format")
        if not any(folder.glob("*.safetensors")):
            pickled = [path.name for pattern in PICKLED for path in sorted(folder.glob(pattern))]
            if pickled:
                raise UserError(
                    f"--model {model}: its weights are pickled ({pickled[0]}) and could run code. Convert them to "
                    "safetensors on a machine where you trust them"
                )
            raise UserError(f"--model {model}: a config but no weights (*.safetensors)")
        return str(folder)
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise UserError(f"--model {model}: no such folder, no preset, and not a hub id (owner/name)")
    return model


def load_config(source: str):
    """The model's config. UserError when it needs code of its own or is of no known kind."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=offline(source))
    except (OSError, ValueError, KeyError) as error:
        if "trust_remote_code" in str(error):
            raise UserError(
                f"--model {source} runs code from its own folder, which is never trusted here. Give a version in "
                "transformers' own format, or one of the presets"
            ) from None
        raise UserError(f"--model {source}: its config cannot be read ({first_line(error)})") from None


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
    from transformers.utils import cached_file

    for name, key in (("preprocessor_config.json", None), ("processor_config.json", "image_processor")):
        found = cached_file(
            source, name, local_files_only=offline(source), _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False, _raise_exceptions_for_gated_repo=False,
        )  # fmt: skip
        if found is None:
            continue
        settings = read_json(Path(found))
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
    from safetensors import SafetensorError
    from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, MODEL_MAPPING, AutoModel, AutoModelForImageTextToText

    lvlm = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and hasattr(config, "vision_config")
    if not lvlm and type(config) not in MODEL_MAPPING:
        raise UserError(f"--model {source}: {config.model_type!r} has no vision backbone that is known here")
    own = MODEL_MAPPING.get(type(config), None)
    arguments = {}
    if own is not None and "add_pooling_layer" in inspect.signature(own.__init__).parameters:
        arguments["add_pooling_layer"] = False  # nothing here reads it, and often it has no weights
    loader = AutoModelForImageTextToText if lvlm else AutoModel
    try:
        model, report = loader.from_pretrained(
            source,
            dtype="auto" if lvlm else torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=offline(source),
            ignore_mismatched_sizes=True,  # they are refused below, by name
            output_loading_info=True,
            **({} if lvlm else arguments),
        )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise UserError(f"--model {source}: weights cannot be read ({first_line(error)})") from None
    wrong = sorted(report["missing_keys"]) + sorted(str(one[0]) for one in report["mismatched_keys"])
    if wrong:
        raise UserError(
            f"--model {source}: {len(wrong)} tensors are missing or of another shape than its config says, first "
            f"{wrong[0]}"
        )
    return model.eval()


def find_tower(model: nn.Module, config) -> nn.Module:
    """The vision tower of an LVLM or a CLIP-like pair; the model itself where it is an encoder. UserError."""
    if not hasattr(config, "vision_config") and not hasattr(config, "vision_encoder_config"):
        return model
    for holder in (model, getattr(model, "model", None)):
        for name in TOWERS:
            if isinstance(found := getattr(holder, name, None), nn.Module):
                return found.float()
    raise UserError(f"no vision tower found in {type(model).__name__}; looked for {', '.join(TOWERS)}")


def tower_run(tower: nn.Module, vision: object, size: int) -> Callable[[Tensor], object]:
    """Normalised pixels -> the tower's output, asking for interpolated positions where the size is not its own."""
    if _is_qwen(vision):
        return lambda pixels: tower(*qwen_patches(pixels, vision))
    known = inspect.signature(tower.forward).parameters
    own = getattr(vision, "image_size", None)
    own = own[0] if isinstance(own, list | tuple) else own
    arguments = {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in known and own != size else {}
    return lambda pixels: tower(pixels, **arguments)


def projector_run(model: nn.Module, tower: nn.Module, vision: object) -> Callable[[Tensor], Tensor]:
    """Normalised pixels -> what the projector hands to the language model, [N, tokens, F]."""
    holder = next((one for one in (getattr(model, "model", None), model) if hasattr(one, "get_image_features")), None)
    if holder is None:
        raise UserError(f"{type(model).__name__} has no get_image_features, so its projector cannot be read")

    def run(pixels: Tensor) -> Tensor:
        if _is_qwen(vision):
            flat, grid = qwen_patches(pixels, vision)
            output = holder.get_image_features(flat, image_grid_thw=grid)
        else:
            output = holder.get_image_features(pixel_values=pixels)
        tokens = getattr(output, "pooler_output", output)
        if isinstance(tokens, list | tuple):
            tokens = torch.stack(list(tokens))
        return tokens.reshape(len(pixels), -1, tokens.shape[-1])

    return run


def qwen_patches(pixels_NCHW: Tensor, vision: object) -> tuple[Tensor, Tensor]:
    """Square pictures as Qwen2-VL's rows of patches (each merged square's patches together) and their grid."""
    patch, merge = vision.patch_size, vision.spatial_merge_size
    pictures, channels, height, width = pixels_NCHW.shape
    if height % (patch * merge) or width % (patch * merge):
        raise UserError(f"--image-size {height} must be a multiple of {patch * merge} for this encoder")
    rows, columns = height // patch // merge, width // patch // merge
    tiles = pixels_NCHW.reshape(pictures, channels, rows, merge, patch, columns, merge, patch)
    tiles = tiles.permute(0, 2, 5, 3, 6, 1, 4, 7)  # picture, row, column, within the merged square, channel, pixels
    tiles = tiles.unsqueeze(6).expand(*tiles.shape[:6], vision.temporal_patch_size, *tiles.shape[6:])
    grid = torch.tensor([[1, rows * merge, columns * merge]], device=pixels_NCHW.device).repeat(pictures, 1)
    return tiles.reshape(pictures * rows * columns * merge**2, -1), grid


def offline(source: str) -> bool:
    return Path(source).is_dir() or os.environ.get("HF_HUB_OFFLINE", "0") in ("1", "true", "True")


@contextmanager
def quiet():
    """transformers' own notes (which image processor stands in for which) tell the user nothing here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _vision_config(tower: nn.Module, config) -> object:
    return getattr(tower, "config", None) or getattr(config, "vision_config", config)


def _is_qwen(vision: object) -> bool:
    return hasattr(vision, "temporal_patch_size") and hasattr(vision, "spatial_merge_size")


def _patch(vision: object) -> int | None:
    patch = getattr(vision, "patch_size", None)
    patch = patch[0] if isinstance(patch, list | tuple) else patch
    return patch if isinstance(patch, int) else None


def _without_language(model: nn.Module) -> nn.Module:
    """The model without its language model, which nothing here runs."""
    for holder in (model, getattr(model, "model", None)):
        for name in ("language_model", "lm_head"):
            if holder is not None and hasattr(holder, name):
                setattr(holder, name, None)
    return model.float().requires_grad_(False).eval()


def _check(backbone: nn.Module, transform: ImageTransform, device: str, place: str) -> None:
    """Run one grey picture: an encoder that cannot take this size says so now, not after an hour."""
    with torch.no_grad():
        try:
            features = backbone(torch.zeros(1, 3, transform.size, transform.size, device=device))
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{place}: {first_line(error)}") from None
    if not torch.isfinite(features).all():
        raise UserError(f"{place}: features are not finite; are the weights damaged?")
