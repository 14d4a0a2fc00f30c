"""The tokens that stand for a picture in a native class's text, and the rows of the embedding that they need."""

from typing import Any

import torch
from torch import nn
from transformers import AddedToken, PreTrainedModel

IMAGE_TOKENS = {  # model_type -> tokens: attribute of the tokenizer, by which transformers' processor finds it -> text
    "llava": {"image_token": "<image>"},
    "internvl": {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    },
}
REPLACED = {"llava": "<image>", "internvl": "<IMG_CONTEXT>"}  # stands where an image token's embedding goes


def add_image_tokens(tokenizer: Any, model_type: str) -> None:
    """Make the class's tokens special tokens of the tokenizer, in a fixed order behind all others where they are new,
    and known by the names that transformers' processor asks for.
    """
    tokens = IMAGE_TOKENS[model_type]
    tokenizer.add_tokens([AddedToken(text, special=True, normalized=False) for text in tokens.values()])
    tokenizer._set_model_specific_special_tokens(special_tokens=dict(tokens))


def image_token_id(tokenizer: Any, model_type: str) -> int:
    return tokenizer.convert_tokens_to_ids(REPLACED[model_type])


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
