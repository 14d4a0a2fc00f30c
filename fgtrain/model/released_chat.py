"""Which of the known turn templates a released checkpoint was published with."""

from typing import Any

from data_builders.shared.chat_templates import MARK, TemplateFault, around_question, read_template
from data_builders.shared.llava_as_published import SYSTEM
from fgtrain.errors import UserError
from fgtrain.images import ImageSpec
from fgtrain.templates import BOS, EOS, TEMPLATES, Pieces, Special, Template

from .families.family import Family
from .sources import Source

IMAGE = "\ue001"  # stands for the picture while turns are compared


def published_chat(source: Source, tokenizer: Any, family: Family, spec: ImageSpec) -> str:
    """The template whose question about a picture reads as the checkpoint's own chat template has it; its family's
    where it has none. `spec`: with its token. UserError where it has one that is none of those known here.

    LLaVA's is read as its own code asks (data_builders.shared.llava_as_published), with a system text.
    """
    usual, text = family.chat(tokenizer), read_template(tokenizer, source.file)
    if text is None or family.processor is None:
        return usual
    # A template may write all of a picture, or leave the tokens around it to the processor.
    picture, whole = family.processor.picture(spec), "".join((*spec.before, spec.token, *spec.after))
    bare = picture.removeprefix("".join(spec.before)).removesuffix("".join(spec.after))
    try:
        published = MARK.join(around_question(tokenizer, text, bare))
    except TemplateFault as fault:
        raise UserError(
            f"{source.place} {source.value}: its chat template {fault}. Write model.chat: {usual}"
        ) from None
    published = published.replace(whole, IMAGE).replace(bare, IMAGE)
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
