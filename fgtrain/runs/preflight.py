"""What a recipe may say and a plan can count, but this version cannot run: said before hours of data are built."""

import importlib.util

from evaluation.serving.vllm import HOW as INSTALL_VLLM
from evaluation.serving.vllm import place_of_vllm
from fgtrain.errors import UserError
from fgtrain.plan.attention_way import compiler_missing
from fgtrain.recipe import Recipe
from fgtrain.recipe.devices_schema import Devices

INSTALL = "pip install 'deepspeed>=0.19.8,<0.20'"


def refuse_what_cannot_run(recipe: Recipe) -> None:
    """UserError naming every such key at once."""
    refuse_missing_deepspeed(recipe.devices)
    refuse_missing_vllm(recipe)
    refuse_missing_liger(recipe.devices)
    refuse_missing_triton(recipe.devices)
    model = recipe.model
    if model.checkpoint is None and model.max_tiles > 1 and model.projector != "pixel_shuffle_mlp2x_gelu":
        raise UserError(
            f"{recipe.name} plans, but cannot be run as it is: model.max_tiles is {model.max_tiles}, "
            "but only InternVL's architecture cuts images. Write max_tiles: 1, or projector: pixel_shuffle_mlp2x_gelu "
            "behind an InternViT"
        )


def refuse_missing_vllm(recipe: Recipe) -> None:
    """UserError where vLLM is asked for and not installed. Nothing is run, and nothing in the recipe says what is."""
    if recipe.evaluation.engine == "vllm" and recipe.evaluation.tasks and place_of_vllm() is None:
        raise UserError(f"evaluation.engine is vllm, but vLLM is not installed. {INSTALL_VLLM}, or write engine: own")


def refuse_missing_deepspeed(devices: Devices) -> None:
    """UserError where DeepSpeed is asked for and not installed."""
    if devices.strategy.startswith("deepspeed") and importlib.util.find_spec("deepspeed") is None:
        raise UserError(f"devices.strategy is {devices.strategy}, but DeepSpeed is not installed. Type: {INSTALL}")


def refuse_missing_triton(devices: Devices) -> None:
    """UserError where flex attention is asked for and cannot be compiled here, whatever is missing on other hosts."""
    if devices.attention == "flex" and (missing := compiler_missing()):
        raise UserError(f"devices.attention is flex, but {missing}. Write attention: auto, or sdpa")


def refuse_missing_liger(devices: Devices) -> None:
    """UserError where Liger's kernels are asked for and not installed."""
    if devices.layer_kernels == "liger" and importlib.util.find_spec("liger_kernel") is None:
        raise UserError("devices.layer_kernels is liger, but it is not installed. Type: pip install 'fgtrain[liger]'")
