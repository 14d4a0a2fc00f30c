"""What several kinds of jobs start from: a stage's data, the model before it, the frozen encoder's cache."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from fgtrain.checksums import verify_checksums
from fgtrain.data import FeatureCache
from fgtrain.data.datamodule import StageData
from fgtrain.errors import UserError
from fgtrain.images import ImageSpec
from fgtrain.model import LVLM, Encoder, build_encoder, build_model, load_checkpoint, load_encoder, part_hash
from fgtrain.own_gpu import own_gpu, uses_gpu
from fgtrain.plan import Plan, read_plan
from fgtrain.recipe import START, Recipe
from fgtrain.runs.encoded import encoded_folder


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
        chat=recipe.stages[name].chat or lvlm.chat,
        max_tokens=lvlm.max_tokens,
        features=None,
        quarantine=recipe.run_folder / "quarantine.jsonl",
        cache=recipe.path(recipe.built_root) / ".cache",
        image_places={data_set: recipe.image_places(data_set) for data_set in recipe.stages[name].mix},
        max_cut={data_set: recipe.data[data_set].max_cut_fraction for data_set in recipe.stages[name].mix},
    )


def model_at(recipe: Recipe, plan: Plan, checkpoint: str, device: torch.device) -> LVLM:
    """The model at the start, or after stage `checkpoint`, on a device; on the meta device it has no weights.

    UserError when that stage is not done, or was altered.
    """
    if checkpoint == START:
        return build_model(recipe.model_with_paths(), network=recipe.network, seed=recipe.seed, device=device)
    return load_checkpoint(checkpoint_folder(recipe, plan, checkpoint, device), verify=False, device=device)


def encoder_at(recipe: Recipe, plan: Plan, checkpoint: str, device: torch.device) -> Encoder:
    """The encoder of `model_at`, without the language model. UserError as there."""
    if checkpoint == START:
        return build_encoder(recipe.model_with_paths(), network=recipe.network, seed=recipe.seed, device=device)
    return load_encoder(checkpoint_folder(recipe, plan, checkpoint, device), verify=False, device=device)


def checkpoint_folder(recipe: Recipe, plan: Plan, stage: str, device: torch.device = torch.device("cpu")) -> Path:
    """The folder of a stage's checkpoint, as it was saved; for the meta device the weights are not looked at. UserError
    when the stage is not done, or was altered.
    """
    folder = recipe.stage_store(plan.stage(stage).fingerprint) / "checkpoint"
    if not folder.exists():
        raise UserError(
            f"stage {stage} of {recipe.name} is not done: no checkpoint at {folder}. Start the recipe itself"
        )
    verify_checksums(folder, contents=device.type != "meta")
    return folder


def stage_before(plan: Plan, name: str) -> str:
    """The checkpoint that stage `name` starts from."""
    return plan.stage(name).starts_from


@dataclass
class CachedEncoder:
    """The encoder whose outputs are kept: known by its hash, and loaded when one of them is missing."""

    image_spec: ImageSpec
    find_hash: Callable[[], str]
    load: Callable[[], Encoder]

    @cached_property
    def hash(self) -> str:
        return self.find_hash()

    @cached_property
    def loaded(self) -> Encoder:
        return self.load()

    def encode(self, pixels_NCHW: Tensor) -> Tensor:
        return self.loaded.encode_images(pixels_NCHW).cpu()


def encoder_of(lvlm: LVLM) -> CachedEncoder:
    """The encoder of a model that is loaded."""
    return CachedEncoder(lvlm.image_spec, lambda: part_hash(lvlm, "vision_encoder"), lambda: Encoder(lvlm))


def feature_cache(recipe: Recipe, encoder: CachedEncoder) -> FeatureCache:
    """Kept outputs of an encoder; for pictures that are one square each."""
    return FeatureCache(encoded_folder(recipe), encoder.encode, encoder.hash, encoder.image_spec)


def question_cache(recipe: Recipe, plan: Plan, encoder: CachedEncoder) -> FeatureCache | None:
    """The cache that serves questions too; None where the plan says that their pictures are encoded each time."""
    return feature_cache(recipe, encoder) if plan.questions_cached else None


def job_device(recipe: Recipe, local_rank: int) -> torch.device:
    """Where this process computes: a GPU of its own, unless the recipe forbids it or there is none."""
    return own_gpu(local_rank) if uses_gpu(recipe.devices) else torch.device("cpu")
