"""Which of the known turn templates a released checkpoint was published with."""

from typing import Any

from transformers import PreTrainedConfig

from evaluation.asking.answerers.chat import MARK, Chat, read_template
from fgtrain.errors import UserError
from fgtrain.images import ImageSpec
from fgtrain.templates import BOS, EOS, TEMPLATES, Pieces, Special, Template

from .sources import Source

IMAGE = "\ue001"  # stands for the picture while turns are compared


def published_chat(source: Source, tokenizer: Any, config: PreTrainedConfig, spec: ImageSpec, usual: str) -> str:
    """The template whose question about a picture reads as the checkpoint's own chat template has it; `usual`, its
    family's, where it has none. UserError where it has one that is none of those known here.

    LLaVA's is read as its own code asks (evaluation.shared.llava_as_published), with a system text.
    """
    if read_template(source.name, tokenizer) is None:
        return usual
    image_token = getattr(config, "image_token_id", None) or getattr(config, "image_token_index", 0)
    try:
        head, tail = Chat(source.name, tokenizer, config.model_type, image_token).around[True]
    except UserError as error:
        raise UserError(f"{source.place} {source.value}: {error}") from None
    placeholder = tokenizer.convert_ids_to_tokens(image_token)
    wrapped = "".join((*spec.before, placeholder, *spec.after))
    published = (head + MARK + tail).replace(wrapped, IMAGE).replace(placeholder, IMAGE)
    published = published.removeprefix(tokenizer.bos_token or "")
    for name in (usual, *TEMPLATES):
        if TEMPLATES[name].asks and _question(TEMPLATES[name], tokenizer) == published:
            return name
    shown = published.replace(IMAGE, "<picture>").replace(MARK, "<question>")
    raise UserError(
        f"{source.place} {source.value}: its chat template asks as {shown!r}, which is none of the turns known here. "
        f"Write model.chat: {usual}, or another of {', '.join(TEMPLATES)}, to train it under that one"
    )


def _question(template: Template, tokenizer: Any) -> str:
    """A question about a picture, up to where the answer begins, without begin of text."""
    pieces: Pieces = (*template.head_image, IMAGE, *template.first_image)
    ends = {BOS: "", EOS: tokenizer.eos_token or ""}
    text = "".join(ends.get(piece, piece) if isinstance(piece, Special) else piece for piece in pieces)
    return text.replace("{question}", MARK)
