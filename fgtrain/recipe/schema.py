"""What a person may write in a recipe: every key, its type, its default, its unit. Each thing is said once.

A recipe holds what was chosen; what follows from it (steps, tokens, memory) is the plan's. Keys that nobody declared
are refused. Paths keep their `{data_root}` and `{built_root}` until they are needed (`Recipe.path`), so a recipe can be
planned on a machine that has no data.
"""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from fgtrain.errors import UserError

from .best_stage import BestStage
from .data_schema import DataSet, Prepare
from .devices_schema import Devices
from .evaluation_schema import Evaluation
from .keys import AS_TUPLE, START, Name, Section, Seed, StageName, Tags
from .merge_stage import MergeStage
from .model_schema import Model
from .stage_schema import AnyStage, Stage

PLACEHOLDERS = ("data_root", "built_root")


class EncoderCache(Section):
    """Outputs of a frozen vision encoder, kept on disk: it runs once per picture instead of in every pass.

    Only for pictures that become one square each; tiles and pictures of their own size are encoded as they come.
    """

    enabled: bool = True  # false: the frozen encoder runs in every pass
    max_gib: Annotated[float, Field(gt=0)] = 200.0  # of a stage's pictures; a stage that would need more goes without


class Wandb(Section):
    project: str = "fgtrain"  # where runs are listed
    entity: str | None = None  # user or team; null = the key's own
    enabled: bool = True  # false: nothing is written for W&B, offline neither
    group: str | None = None  # a study gives its name, where none is written
    tags: Tags = ()  # a study adds the arm and the seed
    arm: str | None = None  # what a view groups runs by, as `arm` of their configuration; a study gives the arm's name


class Recipe(Section):
    """The whole recipe, resolved: no `extends`, every default filled in. See `load_recipe`."""

    name: Name  # also the run folder's name
    seed: Seed = 17  # of every draw; seed=17,18,19 on the command line makes three runs
    network: bool = False  # downloads from the hub and online W&B only when true
    data_root: str | None = None  # folder of downloads in their official layouts
    built_root: str = "data"  # training sets are built at <built_root>/<name>
    runs_root: str = "runs"  # the run lies at <runs_root>/<name>
    model: Model  # what is trained
    data: dict[Name, DataSet] = Field(default_factory=dict)  # name -> training set, to be named in a `mix`
    prepare: Annotated[tuple[Prepare, ...], AS_TUPLE] = ()  # what is made before anything else, in this order
    stages: dict[StageName, AnyStage] = Field(default_factory=dict)  # name -> stage, in the order in which they run
    devices: Devices = Devices()  # where it runs
    encoder_cache: EncoderCache = EncoderCache()  # a frozen encoder's outputs on disk
    evaluation: Evaluation  # what is asked, and when
    wandb: Wandb = Wandb()  # curves and tables in Weights & Biases

    @model_validator(mode="before")
    @classmethod
    def _evaluate_everywhere(cls, values: Any) -> Any:
        """Without `evaluation.at`, the start and every enabled stage are evaluated."""
        if isinstance(values, dict) and isinstance(chosen := values.get("evaluation", {}), dict) and "at" not in chosen:
            stages = values.get("stages")
            stages = stages if isinstance(stages, dict) else {}
            enabled = [n for n, s in stages.items() if not (isinstance(s, dict) and s.get("enabled") is False)]
            values = {**values, "evaluation": {**chosen, "at": [START, *enabled]}}
        return values

    @property
    def enabled_stages(self) -> dict[str, Stage | MergeStage | BestStage]:
        """The stages that run, in order."""
        return {name: stage for name, stage in self.stages.items() if stage.enabled}

    @property
    def training_stages(self) -> dict[str, Stage]:
        """Those of them that train."""
        return {name: stage for name, stage in self.enabled_stages.items() if isinstance(stage, Stage)}

    @property
    def mixed_data(self) -> list[str]:
        """The data sets that enabled stages name, and those whose rows these replay, in the order of `data`."""
        named = {name for stage in self.enabled_stages.values() for name in stage.mix}
        named |= {name for stage in self.training_stages.values() for name in stage.reads}
        named |= {source for name in named if (replay := self.data[name].replay) is not None for source in replay.of}
        for stage in self.enabled_stages.values():  # and those of other runs that are averaged
            for run in stage.runs.values() if isinstance(stage, MergeStage) else ():
                named |= set(Recipe.model_validate(run.recipe).mixed_data)
        return [name for name in self.data if name in named]

    def text(self, text: str, key: str = "") -> str:
        """`text` with `{data_root}` and `{built_root}` filled in. UserError when the root it needs is not given."""

        def root(match: re.Match) -> str:
            value = getattr(self, match[1], None) if match[1] in PLACEHOLDERS else None
            if value is None:
                place = f"{key} is {text!r}" if key else repr(text)
                raise UserError(f"{place}, but {match[1]} is not given. Add {match[1]}=DIR to the command")
            return value

        return re.sub(r"\{(\w+)\}", root, text)

    def path(self, text: str, key: str = "") -> Path:
        """`text` as a path, placeholders and `~` filled in. `key`: where it stands in the recipe, for the message."""
        return Path(self.text(text, key)).expanduser()

    def filled(self, options: dict[str, Any], key: str = "") -> dict[str, Any]:
        """A builder's options with the placeholders in their texts filled in (a folder of category texts, say)."""

        def fill(value: Any, place: str) -> Any:
            if isinstance(value, dict):
                return {name: fill(one, f"{place}.{name}") for name, one in value.items()}
            if isinstance(value, list):
                return [fill(one, f"{place}.{number}") for number, one in enumerate(value)]
            return self.text(value, place) if isinstance(value, str) else value

        return fill(options, key)

    def data_folder(self, name: str) -> Path:
        """Where the training set `name` lies (or will lie once built)."""
        data_set = self.data[name]
        if data_set.path is not None:
            return self.path(data_set.path, f"data.{name}.path")
        return self.path(self.built_root, "built_root") / name

    def image_places(self, name: str) -> list[Path]:
        """Folders that the images of data set `name` may lie in, beside the set's own."""
        data_set, key = self.data[name], f"data.{name}"
        if data_set.replay is not None:
            return [self.data_folder(one) for one in data_set.replay.of] + [
                place for one in data_set.replay.of for place in self.image_places(one)
            ]
        found = [self.path(text, f"{key}.images_in") for text in data_set.images_in]
        found += [self.path(root) for root in (self.data_root, self.built_root) if root is not None]
        return found + ([self.path(data_set.root, f"{key}.root")] if data_set.root is not None else [])

    def evaluation_folders(self) -> list[Path]:
        """Where question files are searched. The bare `{data_root}` is left out when it is not given."""
        chosen = [text for text in self.evaluation.data if text != "{data_root}" or self.data_root is not None]
        return [self.path(text, "evaluation.data") for text in chosen]

    def task_folders(self) -> list[Path]:
        """Where task files of a user's own lie. UserError when a root that one names is not given."""
        return [self.path(text, "evaluation.tasks_from") for text in self.evaluation.tasks_from]

    def model_with_paths(self) -> Model:
        """The model section with placeholders filled in, as the model is built from it."""
        values = {
            key: self.text(value, f"model.{key}")
            for key in ("checkpoint", "vision_encoder", "language_model")
            if (value := getattr(self.model, key)) is not None
        }
        return self.model.model_copy(update=values)

    @property
    def file_memo(self) -> Path | None:
        """Where is remembered what reading large files through has found (hashes of weights). None without its root."""
        try:
            return self.path(self.built_root, "built_root") / ".cache" / "files.json"
        except UserError:
            return None

    @property
    def run_folder(self) -> Path:
        return self.path(self.runs_root, "runs_root") / self.name

    def replay_store(self, identity: str) -> Path:
        """The folder of a set of replayed rows, for every recipe that chooses the same ones."""
        return self.path(self.runs_root, "runs_root") / ".replay" / identity

    def stage_store(self, fingerprint: str) -> Path:
        """The folder that holds the stage's checkpoint for every recipe with the same fingerprint."""
        return self.path(self.runs_root, "runs_root") / ".stages" / fingerprint
