"""A stage that does not fit is refused before it is trained; where it runs out of memory all the same, that is said."""

import torch

from fgtrain.errors import TrainingFailedError, UserError
from fgtrain.jobs.device_memory import device_memory, refuse_too_large
from fgtrain.jobs.inputs import final_plan, stage_data
from fgtrain.jobs.train import train_model
from fgtrain.processes import Group

from .found import Check, Found, NotHereError
from .models import MEDIUM, drawn_model, prepared, write_recipe

ROOM = 128 << 20  # bytes beyond the weights: not enough for a step


def run(check: Check, found: Found) -> None:
    recipe = prepared(write_recipe(check, 2, 2, on_gpu=MEDIUM))
    plan = final_plan(recipe)
    planned = plan.stage("sft")
    try:
        refuse_too_large(recipe, [planned.model_copy(update={"memory_bytes": 2 * device_memory()})])
    except UserError as told:
        found.say(f"refused: {told}")
    else:
        found.require(False, "a stage of twice the device's memory was not refused")
    refuse_too_large(recipe, [planned])
    if check.small:
        raise NotHereError("an allocator that is out of memory: a CPU's takes the machine with it; the refusal is told")
    lvlm = drawn_model(recipe, check)
    torch.cuda.empty_cache()
    limit = torch.cuda.memory_reserved() + ROOM
    torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.get_device_properties(0).total_memory)
    try:
        train_model(recipe, plan, planned, lvlm, stage_data(recipe, "sft", lvlm), Group(), "start")
    except TrainingFailedError as told:
        found.say(f"out of memory: {told}")
        found.require("ran out of memory: the plan predicts" in str(told), f"not told as such: {told}")
    else:
        found.require(False, "a limit below the step's need did not end it")
