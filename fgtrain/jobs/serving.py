"""Asks a checkpoint through vLLM: every process of the job serves it on its own GPU and asks its share there.

What a server cannot give is asked by the model itself, once the servers have ended and the GPUs are free: probabilities
of plain text, and both ends of the curves in between, which are to be comparable with what is asked while a stage
trains.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from data_builders.shared.files import read_json
from data_builders.shared.pictures import open_image
from evaluation.asking import Share, evaluate
from evaluation.asking.answerers.sent import png, upright
from evaluation.scoring.score_files import TaskScore
from evaluation.serving import BATCH_SIZE, VllmModel, find_vllm, served
from evaluation.serving.vllm import gpu_name
from evaluation.shared.texts import text_hash
from evaluation.tasks.task import Task
from fgtrain.checksums import NOTES, weights_sums
from fgtrain.errors import UserError
from fgtrain.images import ImageSpec, spec_from_dict
from fgtrain.model import LVLM
from fgtrain.model.checkpoint import save_checkpoint
from fgtrain.model.composed import ComposedConfig
from fgtrain.model.exported import export_checkpoint
from fgtrain.model.vllm_loaders import LOADERS
from fgtrain.plan import Plan
from fgtrain.processes import Group
from fgtrain.recipe import START, Recipe
from fgtrain.runs.evaluations import answers_folder

from .inputs import checkpoint_folder, job_device, model_at

DTYPES = {"bf16": "bfloat16", "fp32": "float32"}
COMPOSED = ComposedConfig.model_type


def refuse_unserved(recipe: Recipe, lvlm: LVLM) -> None:
    """UserError where vLLM is to serve a model that only this project knows. An outline of it is enough."""
    kind = lvlm.hf.config.model_type
    if recipe.evaluation.engine == "vllm" and kind not in LOADERS:
        what = "this composition of encoder, projector and language model" if kind == COMPOSED else kind
        raise UserError(
            f"evaluation.engine is vllm, but {what} is none that vLLM is known to read: {', '.join(LOADERS)} (of "
            f"compositions: CLIP or SigLIP behind mlp2x_gelu, InternViT behind pixel_shuffle_mlp2x_gelu). Write "
            f"engine: own"
        )


def ask_served(
    recipe: Recipe, plan: Plan, group: Group, checkpoint: str, store: Path, tasks: list[Task]
) -> tuple[dict[str, TaskScore], str]:
    """(scores of the tasks, the weights' identity); the first process alone has scores. No task may be plain text.

    UserError when vLLM is not installed, does not come up, ends, or leaves a question unanswered; what was answered is
    kept.
    """
    vllm = find_vllm()
    with _folder(recipe, plan, group, checkpoint, store) as (folder, weights):
        spec = spec_from_dict(read_json(folder / NOTES)["image_spec"])
        device = job_device(recipe, group.local_rank)
        model = VllmModel(
            f"{recipe.name}/{checkpoint}",
            folder,
            weights,
            dtype=DTYPES[recipe.devices.precision],
            seed=recipe.seed,
            gpu=gpu_name(device.index) if device.type != "cpu" else None,
            picture=sent_by(spec),
            pictures=spec.to_dict(),
        )
        answers, share = answers_folder(recipe, store), Share(group.rank, group.size)
        log = recipe.run_folder / "jobs" / f"evaluate-{checkpoint}" / f"vllm.{group.rank}.log"
        with served(vllm, model, log) as answerer:
            scores = evaluate(answerer, tasks, answers, recipe.evaluation.limit, BATCH_SIZE, share=share)
            answerer.refuse_unanswered()
    return scores, weights


def sent_by(spec: ImageSpec) -> Callable[[Path], bytes]:
    """What is sent for a picture's file: in the model's own size where every picture has one, so that the server's
    program need not resize it and the model sees the pixels of its training.
    """

    def sent(path: Path) -> bytes:
        picture = open_image(path)
        sized = spec.sized(picture)
        return upright(path) if sized is picture else png(sized)

    return sent


@contextmanager
def _folder(recipe: Recipe, plan: Plan, group: Group, checkpoint: str, store: Path) -> Iterator[tuple[Path, str]]:
    """The checkpoint as vLLM reads it, in the type that it computes in, and the identity of the weights that it is
    made from. It is there for the servers alone, and taken away again.
    """
    place = store / "served"
    saved, exported = place / "checkpoint", place / "vllm"

    def find() -> tuple[str, str]:
        shutil.rmtree(place, ignore_errors=True)  # of a start that was killed
        if checkpoint == START:
            folder = saved
            save_checkpoint(model_at(recipe, plan, START, torch.device("cpu")), folder, {})
        else:
            folder = checkpoint_folder(recipe, plan, checkpoint)
        weights = text_hash("\n".join(weights_sums(folder)))
        export_checkpoint(folder, exported, "vllm", DTYPES[recipe.devices.precision])
        shutil.rmtree(saved, ignore_errors=True)
        return str(exported), weights

    try:
        folder, weights = group.agree(find)
        yield Path(folder), weights
    finally:
        if group.first:
            shutil.rmtree(place, ignore_errors=True)
