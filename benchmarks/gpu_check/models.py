"""What the parts train and ask: InternVL-2.5-8B's shape with fewer layers, and nearly nothing of it on a CPU. Weights
are drawn on the device, words and pictures on the spot; all else is what a recipe makes of it.
"""

import gc
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from data_builders.records import write_training_set
from data_builders.shared.code_identity import CodeIdentity
from data_builders.shared.files import write_json
from fgtrain.jobs.inputs import final_plan, stage_data
from fgtrain.jobs.prepare import prepare
from fgtrain.jobs.train import train_model
from fgtrain.model import LVLM, build_model
from fgtrain.model.tensors import Tensors
from fgtrain.plan import StagePlan
from fgtrain.processes import Group
from fgtrain.recipe import Recipe, load_recipe

from .found import Check

SPECIAL = ["<unk>", "<s>", "</s>", "<img>", "</img>", "<IMG_CONTEXT>", "<video>"]
TILES = (3, 2)  # of a picture, wide and high; with the thumbnail seven


@dataclass(frozen=True)
class Sizes:
    hidden: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    vision_hidden: int
    vision_layers: int
    vision_heads: int
    pixels: int  # of a tile's side
    text_tokens: int  # of a sample
    learnt_tokens: int


# InternVL-2.5-8B's, the same layer with few words to know, one that is written to disk in a second, and no size at all.
FULL = Sizes(4096, 32, 8, 14336, 92_553, 1024, 24, 16, 448, text_tokens=256, learnt_tokens=200)
FEW_WORDS = replace(FULL, vocabulary=8192)
MEDIUM = replace(FEW_WORDS, hidden=1024, heads=8, kv_heads=2, intermediate=3584, vision_layers=4)
SMALL = Sizes(64, 4, 2, 128, 400, 32, 2, 2, 56, text_tokens=40, learnt_tokens=16)


def sizes_of(check: Check, on_gpu: Sizes = FULL) -> Sizes:
    return SMALL if check.small else on_gpu


def write_parts(folder: Path, sizes: Sizes, layers: int) -> None:
    """`folder`/vision and `folder`/language: configs and a tokenizer of whole words, no weights."""
    vision = {"model_type": "internvl_vision", "architectures": ["InternVLVisionModel"]}
    vision |= {"hidden_size": sizes.vision_hidden, "intermediate_size": 4 * sizes.vision_hidden}
    vision |= {"num_hidden_layers": sizes.vision_layers, "num_attention_heads": sizes.vision_heads}
    vision |= {"image_size": [sizes.pixels] * 2, "patch_size": [14, 14], "use_mean_pooling": True}
    text = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "rms_norm_eps": 1e-5, "rope_theta": 1e6}
    text |= {"hidden_size": sizes.hidden, "intermediate_size": sizes.intermediate, "num_hidden_layers": layers}
    text |= {"num_attention_heads": sizes.heads, "num_key_value_heads": sizes.kv_heads, "tie_word_embeddings": False}
    text |= {"vocab_size": sizes.vocabulary, "max_position_embeddings": 32768, "bos_token_id": 1, "eos_token_id": 2}
    for name in ("vision", "language"):
        (folder / name).mkdir(parents=True)
    write_json(folder / "vision" / "config.json", vision)
    pixels = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3}
    size = {"height": sizes.pixels, "width": sizes.pixels}
    write_json(folder / "vision" / "preprocessor_config.json", pixels | {"size": size})
    write_json(folder / "language" / "config.json", text)
    words = [*SPECIAL, "Q:", "A:", *(f"w{number}" for number in range(sizes.vocabulary - len(SPECIAL) - 2))]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(SPECIAL)
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder / "language")


def write_pictures(folder: Path, sizes: Sizes, number: int) -> list[Path]:
    """Noise, in small blocks so that they are no larger on disk than photographs."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, paths = np.random.default_rng(0), []
    for place in range(number):
        coarse = rng.integers(0, 256, (TILES[1] * 16, TILES[0] * 16, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((TILES[0] * sizes.pixels, TILES[1] * sizes.pixels), 0)
        paths.append(folder / f"{place}.jpg")
        picture.save(paths[-1], quality=90)
    return paths


def write_mix(folder: Path, sizes: Sizes, rows: int) -> None:
    """A training set: one question on a picture of seven tiles, answered at length."""
    rng, made = np.random.default_rng(1), []
    images = write_pictures(folder / "images", sizes, min(rows, 8))
    most = sizes.vocabulary - len(SPECIAL) - 2
    for place in range(rows):
        asked = " ".join(f"w{word}" for word in rng.integers(0, most, sizes.text_tokens - sizes.learnt_tokens))
        told = " ".join(f"w{word}" for word in rng.integers(0, most, sizes.learnt_tokens))
        turns = [{"from": "human", "value": f"<image>\n{asked}"}, {"from": "gpt", "value": told}]
        made.append({"id": str(place), "image": images[place % len(images)].name, "conversations": turns})
    options = {
        "builder": "benchmark",
        "code": CodeIdentity("0" * 16, {}),
        "image_root": folder / "images",
        "sources": [],
        "splits": [],
    }
    write_training_set(folder, made, name="mix", **options)


def write_recipe(
    check: Check, layers: int, steps: int, name: str = "check", on_gpu: Sizes = FULL, **devices: Any
) -> Recipe:
    """A recipe over parts and data in the check's folder (written where they are not there)."""
    place, sizes = check.place, sizes_of(check, on_gpu)
    if not (place / "vision").exists():
        write_parts(place, sizes, layers)
        write_mix(place / "mix", sizes, 24)
    stage = {"mix": {"mix": 1}, "steps": steps, "global_batch_size": 4, "checkpoint_every_steps": 10**6}
    sft = {"projector": 1e-5, "language_model": 1e-5}
    values = {
        "name": name,
        "runs_root": str(place / "runs" / name),
        "built_root": str(place / "built"),
        "model": {
            "vision_encoder": str(place / "vision"),
            "projector": "pixel_shuffle_mlp2x_gelu",
            "language_model": str(place / "language"),
            "from_scratch": ["vision_encoder", "language_model"],
            "image_size": sizes.pixels,
            "max_tiles": TILES[0] * TILES[1],
            "max_tokens": 4096,
        },
        "data": {"mix": {"path": str(place / "mix")}},
        "stages": {"align": {**stage, "train": {"projector": 1e-3}}, "sft": {**stage, "train": sft}},
        "devices": {
            "accelerator": "cpu" if check.small else "gpu",
            "precision": "bf16",
            "per_device_batch_size": 4,
            "workers": 0 if check.small else loaders(),
            **devices,
        },
        "encoder_cache": {"enabled": False},
        "evaluation": {"tasks": []},
        "wandb": {"enabled": False},
    }
    path = place / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return load_recipe(path, [])


def prepared(recipe: Recipe) -> Recipe:
    """The same, with its data counted and its plan made."""
    prepare(recipe, Group(), show=False)
    return recipe


def loaders() -> int:
    """Loader processes; none in a container whose shared memory does not hold their batches."""
    with suppress(OSError):
        return 4 if shutil.disk_usage("/dev/shm").free > 4 << 30 else 0
    return 0


@contextmanager
def drawn_on(device: str) -> Iterator[None]:
    """Fresh weights come from the device's own generator: two billion numbers take a CPU half a minute."""
    by_cpu = Tensors.draw

    def draw(self: Tensors, part: str, model_class: Any, config: Any, **arguments: Any) -> Any:
        if part not in self.parts:
            return by_cpu(self, part, model_class, config, **arguments)
        torch.manual_seed(len(part))
        with torch.device(device):
            return model_class.from_config(config, dtype=torch.float32, **arguments)

    Tensors.draw = draw
    try:
        yield
    finally:
        Tensors.draw = by_cpu


def drawn_model(recipe: Recipe, check: Check) -> LVLM:
    with drawn_on(check.device):
        return build_model(recipe.model_with_paths(), network=False, seed=recipe.seed, device=check.device)


def free(lvlm: LVLM | None = None) -> None:
    """Let go what earlier stages have left on the device."""
    for parameter in lvlm.parameters() if lvlm is not None else ():
        parameter.grad = None
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def train(recipe: Recipe, stage: str, lvlm: LVLM) -> tuple[StagePlan, list[dict[str, Any]]]:
    """Train as a job does, without keeping the checkpoint. Returns the stage's plan and the rows of its metrics."""
    plan = final_plan(recipe)
    planned = plan.stage(stage)
    train_model(recipe, plan, planned, lvlm, stage_data(recipe, stage, lvlm), Group(), "start")
    return planned, metrics(recipe, planned)


def metrics(recipe: Recipe, planned: StagePlan) -> list[dict[str, Any]]:
    path = recipe.stage_store(planned.fingerprint) / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
