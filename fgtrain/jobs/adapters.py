"""What a stage's adapters begin with, found once and kept as long as the stage may be stopped and go on."""

import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from data_builders.shared.terminal import say
from fgtrain.data.datamodule import StageData
from fgtrain.model import LVLM, set_trainable, starts
from fgtrain.processes import Group
from fgtrain.recipe import Recipe, Stage
from fgtrain.training.faults import refuse_faults

from .inputs import stage_data

FILE = "adapter_starts.safetensors"  # beside the resume points, and gone with them


def make_learn(recipe: Recipe, name: str, lvlm: LVLM, group: Group, folder: Path) -> list[dict]:
    """`set_trainable` for the stage, whose adapters begin on every process, and at every start, with the same numbers.

    `folder`: of the stage's resume points.
    """
    stage, path, known = recipe.stages[name], folder / FILE, None
    options = {"seed": recipe.seed, "place": f"stages.{name}.train"}
    if not stage.decomposes:
        return set_trainable(lvlm, stage.train, **options)

    def find() -> list[dict] | None:
        if path.is_file():
            return None
        groups = set_trainable(lvlm, stage.train, look=looks(recipe, name, lvlm), **options)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".writing")
        save_file(starts(lvlm), temporary)
        os.replace(temporary, path)
        return groups

    found: list[list[dict] | None] = []
    group.agree(lambda: found.append(find()))
    if found and found[0] is not None:
        return found[0]
    if lvlm.device.type != "meta":
        known = load_file(path)
    return set_trainable(lvlm, stage.train, known=known, **options)


def looks(recipe: Recipe, name: str, lvlm: LVLM) -> dict[str, Callable[[], None]]:
    """Part -> what runs the model over the rows of its lora.init_on, one after the other."""

    def look(part: str) -> Callable[[], None]:
        def run() -> None:
            data = activation_data(recipe, name, part, lvlm)
            say(f"stage {name}: {part}'s adapters look at {data.samples:,} rows of {', '.join(data.stage.mix)}")
            batches, half = data.micro_batches(), recipe.devices.precision == "bf16"
            with torch.no_grad(), torch.autocast(lvlm.device.type, torch.bfloat16, enabled=half):
                for number in range(len(batches)):
                    batch = batches[number].to(lvlm.device)
                    if batch.fault is not None:
                        refuse_faults(batch.fault, 1)
                    lvlm.hidden_BTD(lvlm.embed(batch), batch)

        return run

    return {part: look(part) for part in recipe.stages[name].looks_at}


def activation_data(recipe: Recipe, name: str, part: str, lvlm: LVLM) -> StageData:
    """Rows of lora.init_on as a stage of one step, a row at a time."""
    stage = recipe.stages[name]
    wanted = stage.looks_at[part]
    as_stage: Stage = stage.model_copy(
        update={"mix": {wanted.data: 1.0}, "steps": 1, "global_batch_size": wanted.rows, "augment": "none"}
    )
    one = {"per_device_batch_size": 1, "count": 1, "nodes": 1, "pack_tokens": None, "strategy": "single"}
    devices = recipe.devices.model_copy(update=one)
    changed = {"stages": {**recipe.stages, name: as_stage}, "devices": devices}
    return stage_data(recipe.model_copy(update=changed), name, lvlm)
