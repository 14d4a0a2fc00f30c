"""The tokens that stand for a picture in a native class's text, and the rows of the embedding that they need."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from transformers import AddedToken, PreTrainedConfig, PreTrainedModel

from fgtrain.images import ImageSpec

IMAGE_TOKENS = {  # model_type -> tokens: attribute of the tokenizer, by which transformers' processor finds it -> text
    "llava": {"image_token": "<image>"},
    "internvl": {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    },
    "gemma3": {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"},
}
REPLACED = {"llava": "<image>", "internvl": "<IMG_CONTEXT>"}  # stands where an image token's embedding goes


def add_image_tokens(tokenizer: Any, model_type: str) -> None:
    """Make the class's tokens special tokens of the tokenizer, in a fixed order behind all others where they are new,
    and known by the names that transformers' processor asks for.
    """
    texts = IMAGE_TOKENS[model_type].values()
    tokenizer.add_tokens([AddedToken(text, special=True, normalized=False) for text in texts])
    name_image_tokens(tokenizer, model_type)


def name_image_tokens(tokenizer: Any, model_type: str) -> None:
    """Give tokens that are there the names that transformers' processor asks for, unless they have them already."""
    known = tokenizer.get_vocab()
    names = {}
    for name, text in IMAGE_TOKENS.get(model_type, {}).items():
        if getattr(tokenizer, name, None) is not None:
            continue
        if name == "video_token" and text not in known:
            text = "<quad>"  # the processor wants a token of that name that no text holds; InternVL-2.5 has this one
        if text in known:
            names[name] = text
    if names:
        tokenizer._set_model_specific_special_tokens(special_tokens=names)


def image_token_id(tokenizer: Any, model_type: str) -> int:
    return tokenizer.convert_tokens_to_ids(REPLACED[model_type])


def with_image_token(spec: ImageSpec, tokenizer: Any, config: PreTrainedConfig) -> ImageSpec:
    """The spec with the token by which the model's class knows an image token in a text, where it has one."""
    number = getattr(config, "image_token_id", None)
    if spec.token or number is None or number >= rows_needed(tokenizer):
        return spec
    return replace(spec, token=tokenizer.convert_ids_to_tokens(number))


def rows_needed(tokenizer: Any) -> int:
    """Rows an embedding must have: the largest token id and one."""
    return max(tokenizer.get_vocab().values()) + 1


def grow_vocabulary(language_model: PreTrainedModel, rows: int) -> None:
    """Embedding and head get `rows` rows if they have fewer. A new one is the mean of those that were there, so that
    no new token is likely; no draw is made.
    """
    known = language_model.get_input_embeddings().weight.shape[0]
    if rows <= known:
        return
    with torch.random.fork_rng(devices=[]):  # rows are drawn there before they are set here
        language_model.resize_token_embeddings(rows, mean_resizing=False)
    for module in (language_model.get_input_embeddings(), language_model.get_output_embeddings()):
        _fill(module, known)


@torch.no_grad()
def _fill(module: nn.Module, known: int) -> None:
    for parameter in module.parameters(recurse=False):
        parameter[known:] = parameter[:known].mean(0, dtype=torch.float64)
