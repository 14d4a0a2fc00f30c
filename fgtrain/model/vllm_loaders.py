"""What vLLM's loaders read: every tensor and key that they want, so that an export is known to fit before it is served.

Read in the model files of vLLM 0.33.0 (https://github.com/vllm-project/vllm, Apache-2.0; vllm/model_executor/models:
llava, llava_next, llava_onevision, interns1, interns1_vit, clip, siglip, qwen2_vl, qwen2_5_vl, qwen3_vl, gemma3_mm,
idefics3, idefics2_vision_model, llama, qwen2, qwen3, gemma3). A loader stops at a tensor that it has no place for, and
leaves one that is missing as it happens to be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fgtrain.errors import UserError

from .vllm_modules import (
    DEEPSTACK,
    INTERN_VIT,
    LANGUAGE_MODELS,
    QWEN2_VIT,
    QWEN3_VIT,
    QWEN25_VIT,
    SIGLIP_AND_NORM,
    TOWERS,
    TWO_LINEAR,
    Module,
    whole,
)

VERSION = "0.33.0"


@dataclass(frozen=True)
class Loader:
    """One family's: where its parts stand in vLLM, and what of the config it reads without a default."""

    towers: Mapping[str, tuple[Module, ...]]  # model_type of vision_config ("" = any) -> its tensors
    tower: str
    once: tuple[str, ...]
    keys: tuple[str, ...]  # of config.json
    vision_keys: tuple[str, ...] = ()  # of its vision_config
    renamed: tuple[tuple[str, str], ...] = ()  # beginnings of names, as vLLM maps them, in this order
    text: str = "language_model.model."
    head: str = "language_model.lm_head.weight"
    joins_layers: bool = False  # of the vision encoder, several
    only: Mapping[str, Any] = field(default_factory=dict)  # key -> the one value that vLLM computes with


SINCE_4_52 = (
    ("model.language_model.", "language_model.model."),
    ("model.vision_tower.", "vision_tower."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("model.image_newline", "image_newline"),
    ("lm_head.", "language_model.lm_head."),
)
QWEN = (
    ("model.language_model.", "language_model.model."),
    ("model.visual.", "visual."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", "language_model.model."),
)
NESTED_TOWERS = {kind: (module,) for kind, module in TOWERS.items()}
SIZES = ("hidden_size", "image_size", "patch_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
LLAVA_KEYS = ("image_token_index", "projector_hidden_act", "vision_feature_layer", "vision_feature_select_strategy")
GRID = ("depth", "hidden_size", "num_heads", "patch_size", "spatial_merge_size", "temporal_patch_size", "in_channels")
QWEN_KEYS = ("image_token_id", "video_token_id", "vision_start_token_id")
NEWLINE = (*TWO_LINEAR, "image_newline")

LOADERS = {  # model_type -> loader
    "llava": Loader(NESTED_TOWERS, "vision_tower.vision_model.", TWO_LINEAR, LLAVA_KEYS, SIZES, SINCE_4_52),
    "llava_next": Loader(
        NESTED_TOWERS,
        "vision_tower.vision_model.",
        NEWLINE,
        (*LLAVA_KEYS, "image_grid_pinpoints"),
        SIZES,
        SINCE_4_52,
        joins_layers=True,
    ),
    "llava_onevision": Loader(
        NESTED_TOWERS,
        "vision_tower.vision_model.",
        NEWLINE,
        (*LLAVA_KEYS, "image_grid_pinpoints", "video_token_index", "vision_aspect_ratio"),
        SIZES,
        SINCE_4_52,
    ),
    "internvl": Loader(
        {"internvl_vision": (INTERN_VIT,)},
        "vision_tower.",
        (*TWO_LINEAR, "multi_modal_projector.layer_norm."),
        ("downsample_ratio", "projector_hidden_act", "image_token_id"),
        (*SIZES, "layer_scale_init_value", "norm_type", "use_mean_pooling", "use_mask_token", "use_qk_norm"),
        SINCE_4_52,
        only={"vision_feature_layer": -1, "vision_feature_select_strategy": "default"},
    ),
    "qwen2_vl": Loader({"": (QWEN2_VIT,)}, "visual.", (), QWEN_KEYS, (*GRID, "embed_dim", "mlp_ratio"), QWEN),
    "qwen2_5_vl": Loader(
        {"": (QWEN25_VIT,)},
        "visual.",
        (),
        QWEN_KEYS,
        (*GRID, "intermediate_size", "out_hidden_size", "window_size", "fullatt_block_indexes"),
        QWEN,
    ),
    "qwen3_vl": Loader(
        {"": (QWEN3_VIT, DEEPSTACK)},
        "visual.",
        (),
        (*QWEN_KEYS, "vision_end_token_id"),
        (*GRID, "intermediate_size", "out_hidden_size", "num_position_embeddings", "deepstack_visual_indexes"),
        QWEN[:3],
    ),
    "gemma3": Loader(
        {"siglip_vision_model": (SIGLIP_AND_NORM,)},
        "vision_tower.vision_model.",
        ("multi_modal_projector.mm_input_projection_weight", "multi_modal_projector.mm_soft_emb_norm.weight"),
        ("mm_tokens_per_image", "image_token_index"),
        SIZES,
        SINCE_4_52,
    ),
    "idefics3": Loader(
        {"": (SIGLIP_AND_NORM,)},
        "model.vision_model.",
        ("model.connector.modality_projection.proj.weight",),
        ("scale_factor", "image_token_id"),
        SIZES,
        text="model.text_model.",
        head="lm_head.weight",
    ),
}
LOADERS["smolvlm"] = LOADERS["idefics3"]


def read_names(config: Mapping[str, Any], names: Any, place: str) -> set[str]:
    """Of the tensors `names` those that vLLM reads or knowingly passes over: all of them. `config`: config.json.

    UserError, naming `place`, for a model that vLLM has no loader for, computes otherwise, or would load in part.
    """
    loader = LOADERS.get(config["model_type"])
    if loader is None:
        raise UserError(f"{place}: vLLM {VERSION} is not known to load {config['model_type']}. Known: {_list(LOADERS)}")
    vision, text = config["vision_config"], config["text_config"]
    towers = loader.towers.get("", loader.towers.get(vision["model_type"]))
    for what, kind, known in (
        ("vision encoder", vision["model_type"], towers or loader.towers),
        ("language model", text["model_type"], LANGUAGE_MODELS),
    ):
        if (towers if what == "vision encoder" else known.get(kind)) is None:
            raise UserError(f"{place}: vLLM's {config['model_type']} takes no {what} {kind}. It takes: {_list(known)}")
    _refuse_values(loader, config, vision, place)
    given = {_renamed(name, loader): name for name in names}
    wanted = _wanted(loader, towers, config, vision, text)
    skipped = tuple(loader.tower + start for module in towers for start in module.skipped)
    missing = sorted(wanted - given.keys())
    unknown = sorted(name for name in given.keys() - wanted if not name.startswith(skipped))
    if missing or unknown:
        told = {"it wants": missing, "it has no place for": unknown}
        told = [f"{what} {_list(found[:4])}" for what, found in told.items() if found]
        raise UserError(f"{place}: vLLM {VERSION} would not load all of it: {'; '.join(told)}")
    return set(names)


def _wanted(
    loader: Loader, towers: tuple[Module, ...], config: Mapping, vision: Mapping, text: Mapping[str, Any]
) -> set[str]:
    """Every tensor of the file that the loader's model is made of."""
    norm = vision.get("norm_type")
    vision = {**vision, "layer_norms": norm == "layer_norm", "rms_norms": norm == "rms_norm"}
    wanted = {name for tower in towers for name in tower.names(loader.tower, vision)}
    wanted |= LANGUAGE_MODELS[text["model_type"]].names(loader.text, text)
    wanted |= set(whole(loader.once)) - (
        {f"{name}bias" for name in TWO_LINEAR} if not config.get("multimodal_projector_bias", True) else set()
    )
    return wanted if text.get("tie_word_embeddings") else wanted | {loader.head}


def _refuse_values(loader: Loader, config: Mapping, vision: Mapping, place: str) -> None:
    missing = [key for key in ("architectures", *loader.keys) if key not in config]
    missing += [f"vision_config.{key}" for key in loader.vision_keys if key not in vision]
    if missing:
        raise UserError(f"{place}: vLLM {VERSION} reads {_list(missing)}, which config.json lacks")
    if isinstance(config.get("vision_feature_layer"), list) and not loader.joins_layers:
        raise UserError(f"{place}: vLLM {VERSION} reads one layer of {config['model_type']}'s encoder, not several")
    for key, value in loader.only.items():
        if config.get(key, value) != value:
            raise UserError(
                f"{place}: {key} is {config[key]!r}, but vLLM {VERSION} computes {config['model_type']} as if it were "
                f"{value!r}: its answers would be others. Serve it through transformers"
            )


def _renamed(name: str, loader: Loader) -> str:
    for before, after in loader.renamed:
        if name.startswith(before):
            name = after + name.removeprefix(before)
    return name


def _list(names: Any) -> str:
    return ", ".join(map(str, names))
