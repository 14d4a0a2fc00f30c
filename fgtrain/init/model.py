"""The model that `--model` names: whether a run can take it, how large it is, how many tokens a picture becomes."""

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedConfig

from fgtrain.errors import UserError
from fgtrain.model import model_facts, outline_model
from fgtrain.model.build import text_config
from fgtrain.model.families import FAMILIES, family_of
from fgtrain.model.kept import Kept
from fgtrain.model.sources import Source
from fgtrain.plan.known_facts import kept_models
from fgtrain.recipe.model_schema import Model
from fgtrain.recipe.problems import nearest

OPTION = "--model"
# Pictures in their own size: at most 576 image tokens of 28 x 28 pixels, as Qwen's fine-tuning code has it.
MAX_PIXELS = 451584
TEXT_ROOM = 1024  # tokens of questions and answers about one picture
SMALL = 200_000_000  # parameters that a CPU trains


@dataclass(frozen=True)
class ChosenModel:
    name: str  # hub id, or an absolute folder
    kind: str  # model_type
    here: bool  # on this machine
    parameters: int
    max_tokens: int
    max_pixels: int | None
    square: int  # pixels of a side of what one picture or tile becomes; 448 where that is not fixed

    @property
    def small(self) -> bool:
        return self.parameters < SMALL


def choose_model(name: str, network: bool) -> ChosenModel:
    """UserError for what a run would refuse, with the names that can be planned without their weights."""
    folder = Path(name).expanduser()
    here = folder.is_dir()
    if here:
        name = str(folder.resolve())
    config, local = config_of(name, network)
    kind = config.model_type
    family_of(config, OPTION)
    own_size = MAX_PIXELS if kind.startswith("qwen") else None
    facts = model_facts(Model(checkpoint=name, max_pixels=own_size), network=network)
    known = [count for count in facts.parameters.values() if count is not None]
    if facts.images is None or not known:
        raise UserError(f"{OPTION} is {name!r}: {'; '.join(facts.notes) or 'nothing is known of its parts'}")
    max_tokens = -(-(facts.images.most_tokens + TEXT_ROOM) // 512) * 512
    if isinstance(longest := getattr(text_config(config), "max_position_embeddings", None), int):
        max_tokens = min(max_tokens, longest)
    if here:
        try:
            outline_model(Model(checkpoint=name, max_pixels=own_size, max_tokens=max_tokens), network=network, seed=0)
        except UserError as error:
            raise UserError(str(error).replace("model.checkpoint", OPTION)) from None
    side = getattr(facts.images, "size", None)
    return ChosenModel(name, kind, local, sum(known), max_tokens, own_size, side if isinstance(side, int) else 448)


def config_of(name: str, network: bool) -> tuple[PreTrainedConfig, bool]:
    """(its config, is it on this machine). UserError where nothing is known of it."""
    try:
        return Source(OPTION, name, network).config(), True
    except UserError as error:
        if (kept := Kept.find(OPTION, name)) is not None and kept.kept["config"].get("model_type") in FAMILIES:
            return kept.config(), False
        known = [one for one in kept_models() if kept_models()[one]["config"].get("model_type") in FAMILIES]
        near = nearest(name, known)
        meant = f" Did you mean {near}?" if near else ""
        raise UserError(f"{error}.{meant} Known without their weights: {', '.join(known)}") from None
