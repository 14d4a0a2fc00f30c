"""What a person chose: the schemas of recipe and study, and reading, comparing and writing them."""

from .best_stage import BestStage
from .data_schema import DataSet, ExpectedRow, Prepare
from .devices_schema import Devices
from .differences import ABSENT, Difference, as_values, differences, dump_resolved
from .evaluation_schema import Evaluation
from .keys import START
from .load import find_recipe, load_recipe
from .merge_stage import MergeStage
from .model_schema import PARTS, Lora, Model, TrainPart
from .replay import REPLAY, ReplayOptions
from .schema import EncoderCache, Recipe, Wandb
from .stage_schema import Stage
from .study import Arm, ArmRecipe, Study
from .study_load import load_study
from .study_schema import Contrast, Matched

__all__ = [
    "ABSENT",
    "PARTS",
    "REPLAY",
    "START",
    "Arm",
    "ArmRecipe",
    "BestStage",
    "Contrast",
    "DataSet",
    "Devices",
    "Difference",
    "EncoderCache",
    "Evaluation",
    "ExpectedRow",
    "Lora",
    "Matched",
    "MergeStage",
    "Model",
    "Prepare",
    "Recipe",
    "ReplayOptions",
    "Stage",
    "Study",
    "TrainPart",
    "Wandb",
    "as_values",
    "differences",
    "dump_resolved",
    "find_recipe",
    "load_recipe",
    "load_study",
]
