"""Which of the known turn templates a released checkpoint was published with."""

from typing import Any

from transformers import PreTrainedConfig

from data_builders.shared.chat_templates import MARK, TemplateFault, around_question, read_template
from data_builders.shared.llava_as_published import SYSTEM
from fgtrain.errors import UserError
from fgtrain.images import ImageSpec
from fgtrain.templates import BOS, EOS, TEMPLATES, Pieces, Special, Template

from .sources import Source

IMAGE = "\ue001"  # stands for the picture while turns are compared


def published_chat(source: Source, tokenizer: Any, config: PreTrainedConfig, spec: ImageSpec, usual: str) -> str:
    """The template whose question about a picture reads as the checkpoint's own chat template has it; `usual`, its
    family's, where it has none. UserError where it has one that is none of those known here.

    LLaVA's is read as its own code asks (data_builders.shared.llava_as_published), with a system text.
    """
    if (text := read_template(tokenizer, source.file)) is None:
        return usual
    image_token = getattr(config, "image_token_id", None) or getattr(config, "image_token_index", 0)
    placeholder = tokenizer.convert_ids_to_tokens(image_token)
    try:
        published = MARK.join(around_question(tokenizer, text, placeholder))
    except TemplateFault as fault:
        raise UserError(
            f"{source.place} {source.value}: its chat template {fault}. Write model.chat: {usual}"
        ) from None
    published = published.replace("".join((*spec.before, placeholder, *spec.after)), IMAGE).replace(placeholder, IMAGE)
    published = published.removeprefix(tokenizer.bos_token or "")
    if published == f"USER: {IMAGE}\n{MARK} ASSISTANT:":
        published = f"{SYSTEM} {published}"
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
