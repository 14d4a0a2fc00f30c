"""From the recipe's model section to a model: a released LVLM as it is, or three parts put together."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedConfig

from data_builders.shared.files import read_json
from data_builders.shared.progress import busy
from fgtrain.checksums import NOTES, is_checkpoint, verify_checksums
from fgtrain.errors import UserError
from fgtrain.images import ImageSpec
from fgtrain.recipe.model_schema import Model

from .composed import ComposedConfig, assemble
from .families import Family, family_of, released_images
from .lvlm import LVLM
from .native import assemble_native, native_config, native_images, native_type
from .preprocessing import image_spec
from .projector import SHUFFLE, projector_kind
from .released_chat import published_chat
from .sources import Source
from .tensors import Tensors
from .vision import encoder_arguments, pooled_side, shuffled_side, vision_shape
from .vocabulary import add_image_tokens, grow_vocabulary, rows_needed, with_image_token


def build_model(model: Model, *, network: bool, seed: int, device: torch.device | str = "cpu") -> LVLM:
    """The model of a recipe (`Recipe.model_with_paths()`), in fp32 on a device, nothing learning yet.

    Each tensor goes from its file to the device by itself; on the CPU what a file holds in fp32 stays in the file,
    mapped, until it is written to. On the meta device it is an `outline_model`.

    Fresh weights (the projector's, and those of parts in `from_scratch`) are functions of (seed, part). Raises
    UserError for anything in the recipe or the folders it names that cannot be built.
    """
    with busy("loading the model"):
        return assembled(model, network, Tensors(seed, device=device))


def outline_model(model: Model, *, network: bool, seed: int, files: bool = True) -> LVLM:
    """The same without weights: tokenizer, image_spec, chat, config, names and shapes are those of `build_model`, all
    tensors lie on the meta device, and no file of weights is opened.

    Raises UserError for all that `build_model` refuses, save what only the contents of weights show; without `files`,
    not for files of weights that are not there.
    """
    return assembled(model, network, Tensors(seed, parts=frozenset(), files=files))


def assembled(model: Model, network: bool, tensors: Tensors) -> LVLM:
    """The model of a recipe with as many of its tensors as are wanted."""
    return released(model, network, tensors) if model.checkpoint is not None else composed(model, network, tensors)


def vision_config(config: PreTrainedConfig) -> PreTrainedConfig:
    """A vision encoder's own config; a two-tower checkpoint (CLIP, SigLIP) holds it inside."""
    return getattr(config, "vision_config", config)


def text_config(config: PreTrainedConfig) -> PreTrainedConfig:
    return config.get_text_config(decoder=True)


def composed(model: Model, network: bool, tensors: Tensors) -> LVLM:
    for part in ("vision_encoder", "projector", "language_model"):
        if getattr(model, part) is None:
            raise UserError(
                f"model.{part} is missing. Give model.checkpoint, or vision_encoder, projector, language_model"
            )
    eyes = Source("model.vision_encoder", model.vision_encoder, network)
    voice = Source("model.language_model", model.language_model, network)
    config, native = composition(model, eyes.config(), voice.config())
    tokenizer = voice.tokenizer()
    check_language_model(config.text_config, tokenizer, model, voice)
    fresh_eyes = "vision_encoder" in model.from_scratch
    spec: ImageSpec = image_spec(eyes, model.image_size, config.image_tokens, model.fit, fresh_eyes)
    extra = encoder_arguments(config.vision_config)
    if fresh_eyes:
        encoder = tensors.draw("vision_encoder", AutoModel, config.vision_config, **extra)
    else:
        encoder = tensors.load("vision_encoder", eyes, AutoModel, config.vision_config, **extra)
    if "language_model" in model.from_scratch:
        language_model = tensors.draw("language_model", AutoModelForCausalLM, config.text_config)
    else:
        language_model = tensors.load("language_model", voice, AutoModelForCausalLM, config.text_config)
    if native is None:
        hf = assemble(config, encoder, language_model)
    else:
        add_image_tokens(tokenizer, native)
        grow_vocabulary(language_model, rows_needed(tokenizer))
        config.text_config = language_model.config
        hf = assemble_native(native_config(native, config, tokenizer), encoder, language_model)
        spec = with_image_token(native_images(native, spec, model.max_tiles), tokenizer, hf.config)
    family = family_of(hf.config)
    lvlm = LVLM(hf, family, tokenizer, spec, model.chat, model.max_tokens)
    tensors.draw_projector(lvlm.parts["projector"])
    return lvlm


def composition(model: Model, vision: PreTrainedConfig, text: PreTrainedConfig) -> tuple[ComposedConfig, str | None]:
    """How the parts fit together, and the model_type of transformers' class for them: found without weights."""
    vision, text = vision_config(vision), text_config(text)
    vision.dtype = text.dtype = torch.float32  # as the parts are held and saved, whatever their files hold
    place = f"model.vision_encoder {model.vision_encoder}"
    shape = vision_shape(vision, model.image_size, model.vision_layer, place)
    shuffle = projector_kind(model.projector).shuffle
    pooled = None if shuffle else pooled_side(shape, model.image_tokens, place)
    side = shuffled_side(shape, model.image_tokens, place) if shuffle else pooled or shape.side
    config = ComposedConfig(
        vision_config=vision,
        text_config=text,
        projector=model.projector,
        projector_width=model.projector_width,
        vision_layer=model.vision_layer,
        vision_shuffle=shuffle,
        feature_size=shape.features * SHUFFLE**2 if shuffle else shape.features,
        leading_tokens=shape.leading,
        pooled_side=pooled,
        image_size=model.image_size,
        image_tokens=side**2,
    )
    native = native_type(config, shape)
    if model.max_tiles > 1 and native != "internvl":
        raise UserError(
            f"model.max_tiles is {model.max_tiles}, but only InternVL's architecture cuts images: an InternViT at its "
            f"own image_size, projector: pixel_shuffle_mlp2x_gelu, no projector_width. Write those, or max_tiles: 1"
        )
    if native == "internvl" and model.fit not in (None, "stretch"):
        raise UserError(f"model.fit is {model.fit}, but InternVL's tiles are stretched. Write fit: stretch")
    return config, native


def check_language_model(text: PreTrainedConfig, tokenizer: Any, model: Model, source: Source) -> None:
    """UserError when tokenizer, sample length or logits do not fit what is done with the language model here."""
    if len(tokenizer) > text.vocab_size:
        raise UserError(
            f"{source.place} {source.value}: its tokenizer has {len(tokenizer)} tokens, but the model embeds only "
            f"{text.vocab_size}. Give the tokenizer that it was trained with"
        )
    if tokenizer.eos_token_id is None:
        raise UserError(f"{source.place} {source.value}: its tokenizer names no eos_token, so no answer could end")
    for key in ("max_position_embeddings", "sliding_window"):
        longest = getattr(text, key, None)
        if isinstance(longest, int) and model.max_tokens > longest:
            raise UserError(
                f"model.max_tokens is {model.max_tokens}, but {source.place} {source.value} reads at most {longest} "
                f"({key}). Write max_tokens: {longest} or less"
            )
    scaling = getattr(text, "logits_scaling", None) or 1.0
    if getattr(text, "final_logit_softcapping", None) is not None or scaling != 1.0:
        raise UserError(f"{source.place} {source.value} changes its logits after lm_head, which is not known here")


def released(model: Model, network: bool, tensors: Tensors) -> LVLM:
    """A released LVLM, or a checkpoint that training here has saved."""
    if is_checkpoint(folder := Path(model.checkpoint).expanduser()):
        verify_checksums(folder, contents=bool(tensors.parts))
    source = Source("model.checkpoint", model.checkpoint, network)
    config = source.config()
    family = family_of(config)
    spec = released_images(source, config, model)
    tokens = getattr(spec, "tokens", None)
    if model.image_tokens not in (None, tokens):
        raise UserError(
            f"model.image_tokens is {model.image_tokens}, but model.checkpoint {model.checkpoint} was trained with "
            f"{tokens or 'as many as a picture has'}. Write image_tokens: null"
        )
    tokenizer = source.tokenizer()
    check_language_model(text_config(config), tokenizer, model, source)
    hf = tensors.released(source, family.model_class, config, family.parts)
    spec = with_image_token(spec, tokenizer, config)
    chat = model.chat or released_chat(source, tokenizer, family, spec)
    return LVLM(hf, family, tokenizer, spec, chat, model.max_tokens)


def released_chat(source: Source, tokenizer: Any, family: Family, spec: ImageSpec) -> str:
    """The turn template of a checkpoint: as it was trained here, else as it was published. UserError when unknown."""
    if (notes := source.file(NOTES)) is not None:
        return read_json(notes)["chat"]
    return published_chat(source, tokenizer, family, spec)
