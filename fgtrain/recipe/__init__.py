"""What a person chose: the schema of a recipe, and reading, comparing and writing one."""

from .differences import ABSENT, Difference, as_values, differences, dump_resolved
from .load import find_recipe, load_recipe
from .schema import (
    PARTS,
    START,
    DataSet,
    Devices,
    Evaluation,
    Lora,
    Model,
    Prepare,
    Recipe,
    Stage,
    TrainPart,
    Wandb,
)

__all__ = [
    "ABSENT",
    "PARTS",
    "START",
    "DataSet",
    "Devices",
    "Difference",
    "Evaluation",
    "Lora",
    "Model",
    "Prepare",
    "Recipe",
    "Stage",
    "TrainPart",
    "Wandb",
    "as_values",
    "differences",
    "dump_resolved",
    "find_recipe",
    "load_recipe",
]
