"""What can be known of a model without loading it: parameters on the meta device, weights by their files' hashes."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from fgtrain.errors import UserError
from fgtrain.images import ImageSpec, Square
from fgtrain.plan.cost import ModelShape
from fgtrain.plan.facts import ModelFacts
from fgtrain.plan.known_facts import not_here
from fgtrain.plan.weights import weights_of
from fgtrain.recipe.model_schema import Model
from fgtrain.recipe.stage_schema import Stage

from .build import composition, text_config, vision_config
from .composed import ComposedConfig, ComposedLVLM
from .families import PARTS, family_code, family_of, released_images
from .kept import Kept
from .lvlm import LVLM
from .native import native_config, native_images, native_model
from .shape import model_shape
from .sources import HUB_ID, Source
from .trainable import Choice, choose, choose_in
from .vision import encoder_arguments
from .vocabulary import add_image_tokens, rows_needed


@dataclass(frozen=True)
class Counted:
    """What building a model on the meta device tells; the fields are those of `ModelFacts`."""

    parameters: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(PARTS))
    learning: dict[str, dict[str, int]] = field(default_factory=dict)
    added: dict[str, dict[str, int]] = field(default_factory=dict)
    shape: ModelShape | None = None
    images: ImageSpec | None = None
    features: int | None = None


def model_facts(
    model: Model, *, network: bool, stages: Mapping[str, Stage] | None = None, memo: Path | None = None
) -> ModelFacts:
    """Parameters of each part, image tokens per image, hashes of local weights, and what learns in each of `stages`.
    What is unknown is None, with a note. `memo`: where hashes of large files are remembered (`Recipe.file_memo`).

    Never fails because something is not on this machine. UserError when a stage narrows a part to nothing.
    """
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    make = _released if model.checkpoint is not None else _composed
    try:
        facts = make(model, network, stages or {})
    finally:
        transformers_logging.set_verbosity(level)
    return replace(facts, weights_sha=weights_of(model, memo))


def _source(place: str, value: str | None, network: bool, notes: list[str]) -> Source | Kept | None:
    """Where a config can be read, else what is kept of it, else None; with a note unless it is the first."""
    if value is None:
        return None
    try:
        source = Source(place, value, network)
        source.config()
        return source
    except UserError as error:
        if (kept := Kept.find(place, value)) is not None:
            notes.append(not_here(value))
            return kept
        here = Path(value).expanduser().is_dir() or not str(error).startswith(f"{place} is")
        reason = str(error).rstrip(".") if here else f"{place} {value}: {_missing(value)}"
    notes.append(f"{reason}; parameters unknown")
    return None


def _missing(value: str) -> str:
    """What is not here, and how to get it."""
    if not HUB_ID.fullmatch(value):
        return "no such folder on this machine"
    return f"its config.json is not in the hub's cache here (network=true or `hf download {value}` brings it)"


def _composed(model: Model, network: bool, stages: Mapping[str, Stage]) -> ModelFacts:
    notes: list[str] = []
    unknown: dict[str, int | None] = dict.fromkeys(PARTS)
    eyes = _source("model.vision_encoder", model.vision_encoder, network, notes)
    voice = _source("model.language_model", model.language_model, network, notes)
    vision, text = (None if source is None else source.config() for source in (eyes, voice))
    tokens, counted = model.image_tokens, Counted()
    try:
        if vision is not None and text is not None:
            config, native = composition(model, vision, text)
            tokens = config.image_tokens
            with torch.device("meta"):
                whole = ComposedLVLM(config) if native is None else _native(native, config, voice)
                whole.tie_weights()
            look = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "resample": "bicubic", "fit": model.fit or "stretch"}
            spec = Square(size=config.image_size, tokens=tokens, **look)
            if native is not None:
                spec = native_images(native, spec, model.max_tiles)
            counted = _counts(whole, spec, stages)
        elif vision is not None:
            own = vision_config(vision)
            encoder = _on_meta(AutoModel, own, **encoder_arguments(own))
            counted = Counted({**unknown, "vision_encoder": _number(encoder)})
        elif text is not None:
            alone = _on_meta(AutoModelForCausalLM, text_config(text))
            chosen = {name: _chosen_alone(alone, name, stage) for name, stage in stages.items()}
            counted = Counted({**unknown, "language_model": _number(alone)}, _learning(chosen), _added(chosen))
    except UserError:
        raise
    except Exception as error:  # a plan goes on without what a model's code refuses to tell
        notes.append(f"model: parts cannot be built without weights ({error}); parameters unknown")
    return ModelFacts(**vars(counted), image_tokens=tokens, notes=tuple(notes))


def _native(kind: str, config: ComposedConfig, voice: Source | Kept) -> PreTrainedModel:
    """The native model without weights, its embedding as large as the image tokens make it."""
    tokenizer = None
    if isinstance(voice, Kept):
        config.text_config.vocab_size = max(config.text_config.vocab_size, voice.rows_needed(kind))
        return native_model(native_config(kind, config, None))
    with suppress(UserError):  # a plan goes on without a tokenizer; building will not
        tokenizer = voice.tokenizer()
    if tokenizer is not None:
        add_image_tokens(tokenizer, kind)
        config.text_config.vocab_size = max(config.text_config.vocab_size, rows_needed(tokenizer))
    return native_model(native_config(kind, config, tokenizer))


def _released(model: Model, network: bool, stages: Mapping[str, Stage]) -> ModelFacts:
    notes: list[str] = []
    tokens, counted, code = model.image_tokens, Counted(), None
    source = _source("model.checkpoint", model.checkpoint, network, notes)
    if source is not None:
        config = source.config()
        family, code, spec = family_of(config), family_code(config.model_type), None
        with torch.device("meta"):
            whole = family.model_class(config)
            whole.tie_weights()
        if source.preprocessor() is not None:
            spec = released_images(source, config, model)
            tokens = getattr(spec, "tokens", None)
        counted = _counts(whole, spec, stages)
    return ModelFacts(**vars(counted), image_tokens=tokens, family_code=code, notes=tuple(notes))


def _counts(whole: PreTrainedModel, spec: ImageSpec | None, stages: Mapping[str, Stage]) -> Counted:
    """Of a model on the meta device."""
    lvlm = LVLM(whole, family_of(whole.config), None, spec, "qa", 0)
    chosen = {
        name: choose(lvlm, stage.train, f"stages.{name}.train")
        for name, stage in stages.items()
        if spec is not None or "vision_encoder" not in stage.train  # its used layers are found by running it
    }
    features = None
    if isinstance(spec, Square):
        with torch.no_grad():
            features = lvlm.encode_images(*lvlm.blank()).numel()
    return Counted(
        parameters={part: _number(module) for part, module in lvlm.parts.items()},
        learning=_learning(chosen),
        added=_added(chosen),
        shape=None if spec is None else model_shape(lvlm),
        images=spec,
        features=features,
    )


def _learning(chosen: Mapping[str, Mapping[str, Choice]]) -> dict[str, dict[str, int]]:
    return {name: {part: choice.count for part, choice in parts.items()} for name, parts in chosen.items()}


def _added(chosen: Mapping[str, Mapping[str, Choice]]) -> dict[str, dict[str, int]]:
    return {name: {part: one.added for part, one in parts.items() if one.added} for name, parts in chosen.items()}


def _chosen_alone(voice: PreTrainedModel, name: str, stage: Stage) -> dict[str, Choice]:
    """What learns of the language model, while the other parts are not here."""
    how = stage.train.get("language_model")
    if how is None:
        return {}
    names = [name for name, _ in voice.named_parameters()]
    place = f"stages.{name}.train.language_model"
    return {"language_model": choose_in("language_model", voice, how, names, voice.get_output_embeddings(), place)}


def _on_meta(auto_class: type, config: PreTrainedConfig, **arguments: object) -> PreTrainedModel:
    with torch.device("meta"):
        return auto_class.from_config(config, **arguments)


def _number(module: torch.nn.Module) -> int:
    """Parameters of a module; tied ones count once."""
    return sum(parameter.numel() for parameter in module.parameters())
