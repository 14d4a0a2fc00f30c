"""What several kinds of jobs start from: a stage's data, the model before it, the frozen encoder's cache."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from data_builders.shared.terminal import say
from fgtrain.checksums import verify_checksums
from fgtrain.data import FeatureCache
from fgtrain.data.datamodule import StageData
from fgtrain.errors import UserError
from fgtrain.images import ImageSpec
from fgtrain.model import LVLM, Encoder, build_encoder, build_model, load_checkpoint, load_encoder, part_hash
from fgtrain.own_gpu import own_gpu, uses_gpu
from fgtrain.plan import Plan, StagePlan, read_plan
from fgtrain.plan.encoding import encoder_origin
from fgtrain.plan.lineage import origin
from fgtrain.plan.replayed import without_replayed
from fgtrain.processes import Group
from fgtrain.recipe import REPLAY, START, Recipe, Stage
from fgtrain.runs.encoded import encoded_folder
from fgtrain.runs.folder import link, stage_done
from fgtrain.training.stop_signals import stop_if_asked


def final_plan(recipe: Recipe) -> Plan:
    """The run's plan as its prepare job has left it. UserError where there is none."""
    path = recipe.run_folder / "plan.json"
    if not path.is_file():
        raise UserError(f"no plan at {path}: the data of {recipe.name} is not prepared. Start the recipe itself")
    return read_plan(path)


def stage_data(recipe: Recipe, name: str, lvlm: LVLM, plan: Plan | None = None) -> StageData:
    """The stage's data. Without the plan, which knows where they lie, it has no replayed rows."""
    stage = recipe.stages[name]
    if plan is None:
        stage = without_replayed(recipe, stage)
    folders = {
        data_set: replayed_folder(recipe, plan, name, data_set)
        if recipe.data[data_set].replay is not None
        else recipe.data_folder(data_set)
        for data_set in stage.mix
    }
    return _data(recipe, name, stage, folders, lvlm, stage.chat or lvlm.chat)


def candidate_data(recipe: Recipe, name: str, lvlm: LVLM) -> StageData:
    """The rows that the set of replayed rows `name` is chosen from, each once, in the model's own chat."""
    of = recipe.data[name].replay.of
    stage = Stage(train={}, mix=dict.fromkeys(of, 1), global_batch_size=1)
    folders = {data_set: recipe.data_folder(data_set) for data_set in of}
    return _data(recipe, f"{REPLAY}-{name}", stage, folders, lvlm, lvlm.chat)


def replayed_folder(recipe: Recipe, plan: Plan, stage: str, name: str) -> Path:
    """Where the set of replayed rows `name` of a stage lies, once its rows are chosen."""
    return recipe.replay_store(next(data.chosen for data in plan.stage(stage).data if data.name == name))


def _data(recipe: Recipe, name: str, stage: Stage, folders: dict[str, Path], lvlm: LVLM, chat: str) -> StageData:
    return StageData(
        name=name,
        stage=stage,
        folders=folders,
        seed=recipe.seed,
        devices=recipe.devices,
        tokenizer=lvlm.tokenizer,
        image_spec=lvlm.image_spec,
        chat=chat,
        max_tokens=lvlm.max_tokens,
        features=None,
        quarantine=recipe.run_folder / "quarantine.jsonl",
        cache=recipe.path(recipe.built_root) / ".cache",
        image_places={data_set: recipe.image_places(data_set) for data_set in stage.mix},
        max_cut={data_set: recipe.data[data_set].max_cut_fraction for data_set in stage.mix},
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


@contextmanager
def made_once(recipe: Recipe, planned: StagePlan, group: Group) -> Iterator[Path | None]:
    """The store of a stage without training, while nobody else makes the same; None where its checkpoint is there."""
    store = recipe.stage_store(planned.fingerprint)
    link(recipe.run_folder / planned.name, store)
    with group.locked(store / ".lock", f"stage {planned.name}: another run is at the same stage; waiting for it"):
        if done := stage_done(recipe, planned.fingerprint):
            say(f"stage {planned.name}: done before, taken from {store}")
        yield None if done else store
    stop_if_asked()


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


def use_kept_features(
    recipe: Recipe, plan: Plan, group: Group, stage: str, checkpoint: str, lvlm: LVLM, data: StageData
) -> None:
    """Where the stage keeps its encoder's outputs, and the checkpoint's encoder is that one: take and add to them."""
    same_encoder = origin(recipe, checkpoint, ("vision_encoder",)) == encoder_origin(recipe, stage)
    if plan.stage(stage).encoder.cached and same_encoder:
        data.features = feature_cache(recipe, encoder_of(lvlm))
        data.encode((group.rank, group.size))  # what no stage has shown the model yet
        group.together(True)


def question_cache(recipe: Recipe, plan: Plan, encoder: CachedEncoder) -> FeatureCache | None:
    """The cache that serves questions too; None where the plan says that their pictures are encoded each time."""
    return feature_cache(recipe, encoder) if plan.questions_cached else None


def job_device(recipe: Recipe, local_rank: int) -> torch.device:
    """Where this process computes: a GPU of its own, unless the recipe forbids it or there is none."""
    return own_gpu(local_rank) if uses_gpu(recipe.devices) else torch.device("cpu")
