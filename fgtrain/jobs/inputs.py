"""What several kinds of jobs start from: a stage's data, the model before it, the frozen encoder's cache."""

import torch
from torch import Tensor

from fgtrain.checksums import verify_checksums
from fgtrain.data import FeatureCache, StageData
from fgtrain.errors import UserError
from fgtrain.model import LVLM, build_model, load_checkpoint, part_hash
from fgtrain.plan import Plan, read_plan
from fgtrain.recipe import START, Recipe
from fgtrain.runs.encoded import features_folder


def final_plan(recipe: Recipe) -> Plan:
    """The run's plan as its prepare job has left it. UserError where there is none."""
    path = recipe.run_folder / "plan.json"
    if not path.is_file():
        raise UserError(f"no plan at {path}: the data of {recipe.name} is not prepared. Start the recipe itself")
    return read_plan(path)


def stage_data(recipe: Recipe, name: str, lvlm: LVLM) -> StageData:
    return StageData(
        name=name,
        stage=recipe.stages[name],
        folders={data_set: recipe.data_folder(data_set) for data_set in recipe.stages[name].mix},
        seed=recipe.seed,
        devices=recipe.devices,
        tokenizer=lvlm.tokenizer,
        image_spec=lvlm.image_spec,
        chat=lvlm.chat,
        max_tokens=lvlm.max_tokens,
        features=None,
        quarantine=recipe.run_folder / "quarantine.jsonl",
        cache=recipe.path(recipe.built_root) / ".cache",
    )


def model_at(recipe: Recipe, plan: Plan, checkpoint: str) -> LVLM:
    """The model at the start, or after stage `checkpoint`. UserError when that stage is not done, or was altered."""
    if checkpoint == START:
        return build_model(recipe.model_with_paths(), network=recipe.network, seed=recipe.seed)
    folder = recipe.stage_store(plan.stage(checkpoint).fingerprint) / "checkpoint"
    if not folder.exists():
        raise UserError(
            f"stage {checkpoint} of {recipe.name} is not done: no checkpoint at {folder}. Start the recipe itself"
        )
    verify_checksums(folder)
    return load_checkpoint(folder, verify=False)


def stage_before(plan: Plan, name: str) -> str:
    """The checkpoint that stage `name` starts from."""
    names = [START, *(stage.name for stage in plan.stages)]
    return names[names.index(name) - 1]


def feature_cache(recipe: Recipe, lvlm: LVLM) -> FeatureCache:
    """Kept outputs of the model's encoder; for pictures that are one square each."""

    def encode(pixels_NCHW: Tensor) -> Tensor:
        device = lvlm.device
        with torch.autocast(device.type, enabled=False):  # what is kept must not depend on who asked first
            return lvlm.encode_images(pixels_NCHW.to(device)).cpu()

    return FeatureCache(features_folder(recipe), encode, part_hash(lvlm, "vision_encoder"), lvlm.image_spec)


def question_cache(recipe: Recipe, plan: Plan, lvlm: LVLM) -> FeatureCache | None:
    """The cache that serves questions too; None where the plan says that their pictures are encoded each time."""
    return feature_cache(recipe, lvlm) if plan.questions_cached else None


def job_device(recipe: Recipe, local_rank: int) -> torch.device:
    """Where this process computes: a GPU of its own, unless the recipe forbids it or there is none."""
    if recipe.devices.accelerator == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", local_rank % torch.cuda.device_count())
