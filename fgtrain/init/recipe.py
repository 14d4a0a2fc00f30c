"""The recipe and the study that `fgtrain init` writes (recipe.yaml.j2, study.yaml.j2), and the numbers in them."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from .general import TEXT_HELD_OUT, TEXT_ROWS, General
from .model import ChosenModel

HERE = Path(__file__).parent
DATASET = "photos"  # in the tasks' names: fgbmk/photos/...
PERPLEXITY = "perplexity"  # of the model's own text
PASSES = 10  # over the fine-grained rows: the papers' best
MOST_PASSES, FEWEST_SAMPLES = 30, 1600  # few photos are shown more often
TEXT_SHARE = 0.2  # of the mixed rows that are the model's own text, at most
# Whole weights, adapters. Of models of a few million parameters as in the shipped miniatures; of others between LLaVA's
# published 2e-5 and Qwen's 1e-6, and LLaVA's published rate of LoRA.
SMALL_RATES, RATES = ("1.0e-3", "4.0e-3"), ("1.0e-5", "2.0e-4")


@dataclass(frozen=True)
class Devices:
    """Where the plan reckons that it runs."""

    count: int = 1
    accelerator: str = "gpu"  # or cpu
    checkpointing: bool = False  # of activations
    strategy: str | None = None


@dataclass(frozen=True)
class Setting:
    """All that the texts are made from."""

    name: str
    out: Path  # absolute
    photos: Path  # absolute
    model: ChosenModel
    general: General
    train: int  # photos
    pixels: tuple[int, int]  # of a usual photo
    levels: int
    network: bool = False
    devices: Devices = Devices()
    lora_only: bool = False  # the whole language model does not fit the device

    @property
    def passes(self) -> int:
        return min(MOST_PASSES, max(PASSES, math.ceil(FEWEST_SAMPLES / (2 * self.train))))

    @property
    def fine_samples(self) -> int:
        """Two sets, a row for each photo, in all passes."""
        return 2 * self.train * self.passes

    @property
    def per_device(self) -> int:
        return 16 if self.model.small else 4

    @property
    def global_batch(self) -> int:
        wanted = 16 if self.fine_samples < 6400 else 64 if self.fine_samples < 64000 else 128
        together = self.per_device * self.devices.count
        return -(-wanted // together) * together

    @property
    def general_passes(self) -> dict[str, float]:
        """As many other rows as fine-grained ones, or as ten passes give; at most a fifth are the model's text."""
        text = self.fine_samples * (TEXT_SHARE if self.general.sets else 1.0)
        found = {"text": min(1.0, text / TEXT_ROWS)}
        if not self.general.sets:
            return found
        left = self.fine_samples - found["text"] * TEXT_ROWS
        return found | dict.fromkeys(self.general.sets, min(PASSES, left / sum(self.general.rows.values())))


def quoted(value: object) -> str:
    """As YAML reads it: texts as JSON has them, keys as they are."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {quoted(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(quoted, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def texts(setting: Setting) -> dict[str, str]:
    """File's name -> its text."""
    rate, adapters = SMALL_RATES if setting.model.small else RATES
    seen = ["general", "forgetting"] if setting.general.measures_seeing else []
    values = {
        name: getattr(setting, name)
        for name in ("name", "model", "general", "levels", "network", "devices", "lora_only", "passes", "per_device")
    }
    values |= {
        "out": str(setting.out),
        "photos": str(setting.photos),
        "dataset": DATASET,
        "width": setting.pixels[0],
        "height": setting.pixels[1],
        "text_rows": TEXT_ROWS,
        "text_held_out": TEXT_HELD_OUT,
        "rate": rate,
        "adapters": f"{{lr: {adapters}, lora: {{rank: 16}}}}",
        "general_passes": setting.general_passes,
        "global_batch": setting.global_batch,
        "tasks": [f"fgbmk/{DATASET}", *setting.general.tasks, PERPLEXITY],
        "measures": ["fine_grained", *seen, PERPLEXITY],
    }
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["q"] = quoted
    return {
        name: environment.from_string((HERE / f"{name}.j2").read_text(encoding="utf-8")).render(values)
        for name in ("recipe.yaml", "study.yaml")
    }
