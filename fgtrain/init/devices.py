"""Where the recipe is planned to run: the GPUs that are here, else one A100; a CPU for models that it trains soon.

What does not fit is made to fit by the mildest change that does it.
"""

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

import torch
import yaml

from fgtrain.model.plans import whole_plan
from fgtrain.plan.needs import USABLE
from fgtrain.recipe import Recipe
from fgtrain.recipe.validate import validate
from fgtrain.training.throughput import device_peak

from .recipe import Devices, Setting, texts


def devices_here(small: bool) -> Devices:
    """As many GPUs as torch sees; without one a CPU for a small model, else one GPU somewhere."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return Devices(max(1, count), "cpu" if small and not count else "gpu")


def fitting(setting: Setting) -> Setting:
    """The setting with devices that hold it, or as few bytes as can be had."""
    for candidate in candidates(setting):
        if fits(candidate):
            break
    return candidate


def candidates(setting: Setting) -> Iterator[Setting]:
    devices = devices_here(setting.model.small)
    yield replace(setting, devices=devices)
    if devices.accelerator == "cpu":
        return
    again = replace(devices, checkpointing=True)
    yield replace(setting, devices=again)
    if devices.count > 1 and find_spec("deepspeed"):
        yield replace(setting, devices=replace(again, strategy="deepspeed_stage_2"))
    yield replace(setting, devices=again, lora_only=True)


def fits(setting: Setting) -> bool:
    """Does the stage fit the device, as far as is known?"""
    recipe = in_memory(setting)
    stage = whole_plan(recipe, device_peak(recipe.devices)).stages[-1]
    need, holds = stage.memory_bytes, stage.device_holds
    return need is None or holds is None or need <= USABLE * holds


def in_memory(setting: Setting) -> Recipe:
    """The recipe before its data is built: how many rows there will be is known."""
    values = yaml.safe_load(texts(setting)["recipe.yaml"])
    for name in ("fg_short_answer", "fg_questions"):
        values["data"][name]["rows"] = setting.train
    for name, rows in setting.general.rows.items():
        values["data"][name].setdefault("rows", rows)
    recipe, problems = validate(values)
    if recipe is None:
        raise AssertionError(f"the written recipe is none: {problems}")
    return recipe
