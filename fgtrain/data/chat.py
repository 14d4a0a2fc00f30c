"""Conversations to tokens, for training and for generation: the same question gives the same tokens in both.

The text behind an image is tokenised apart from what precedes it, and an answer apart from its question. What is learnt
is known from these pieces, never from searching in text.
"""

from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from data_builders.records import IMAGE_PLACEHOLDER, images_of, is_preference
from data_builders.shared.files import safe_join
from fgtrain.batch import Prompt
from fgtrain.errors import UserError
from fgtrain.images import ImageSpec, Layout
from fgtrain.templates import TEMPLATES, Template

from .image import ImageRef
from .prefix import encode_prefix
from .sample import Branch, Sample, assemble
from .tokens import Encoder, encoder_of

Pair = tuple[str | None, str, bool]  # question (None: the answer stands alone), answer, is it learnt


def encode_row(
    row: dict,
    tokenizer: Any,
    chat: str,
    spec: ImageSpec,
    max_tokens: int,
    *,
    image_root: Path = Path("."),
    name: str | None = None,
    paired: bool = False,
) -> Sample:
    """The row of a training set as tokens.

    A dialogue is one branch, of which every answer is learnt that does not say `loss: false`; with `turns: independent`
    each question that is learnt is a branch; a row that begins with an answer is text, all of it learnt. Of a
    preference the chosen answer is learnt alone; `paired`: each row is one, as two branches, the conversation with the
    chosen answer and with the rejected one. Images come first, wherever their placeholders stand. A mosaic is one
    image. UserError, naming `name` (default: the row's id), when placeholders and images differ in number, when
    questions and answers do not alternate, when an image's size is needed and cannot be read, when the row does not fit
    (see `assemble`), or when it is no preference and should be.
    """
    name = f"row {row['id']!r}" if name is None else name
    template, encoder = TEMPLATES[chat], encoder_of(tokenizer)
    images = image_refs(row, image_root)
    dialogues = [_pairs(turns, name, len(images)) for turns in _conversations(row, name, paired)]
    asked = dialogues[0][0][0] is not None
    if row.get("turns") == "independent":
        dialogues = [[pair] for pair in dialogues[0] if pair[-1]]
    if len(dialogues) > 1 and not template.asks:
        several = f"{len(dialogues)} {'answers to compare' if paired else 'independent questions'}"
        raise UserError(
            f"{name}: {several}, but chat is {chat} here, which drops questions. Write chat: qa, or leave this "
            f"data set out"
        )
    layouts = _layouts(images, spec, name)
    prefix = encode_prefix(template, encoder, layouts, spec, plain=not asked)
    branches: list[Branch] = []
    for dialogue in dialogues:
        branch, start = Branch(), prefix.anchor
        for number, (question, answer, learnt) in enumerate(dialogue):
            if number:
                ids, start = encoder.pieces(template.tail, encoder.anchor(template.end))
                branch.add(ids, False)
            ids, start = _question(template, encoder, question, bool(images), not number, start)
            branch.add(ids, False)
            form = template.answer if question is not None else "{answer}"
            ids, _ = encoder.pieces((form,), start, answer=answer)
            branch.add(ids + encoder.special(template.end), bool(answer) and learnt)
        branches.append(branch)
    return assemble(
        prefix.ids,
        prefix.is_image,
        branches,
        max_tokens=max_tokens,
        images=images,
        layouts=layouts,
        positions=prefix.positions,
        name=name,
    )


def encode_questions(
    row: dict, tokenizer: Any, chat: str, spec: ImageSpec, reword: Callable[[str, str], str], image_root: Path
) -> list[list[int]]:
    """Of a row of single questions: each one that is learnt, as `encode_row` has its tokens, but in the words that
    `reword` makes of question and answer. UserError as there."""
    template, encoder, name = TEMPLATES[chat], encoder_of(tokenizer), f"row {row['id']!r}"
    images = image_refs(row, image_root)
    anchor = encode_prefix(template, encoder, _layouts(images, spec, name), spec).anchor
    return [
        _question(template, encoder, reword(question, answer), bool(images), True, anchor)[0]
        for question, answer, learnt in _pairs(row["conversations"], name, len(images))
        if learnt
    ]


def encode_prompt(
    prompts: Sequence[str],
    images: Sequence[Layout],
    tokenizer: Any,
    chat: str,
    spec: ImageSpec,
    max_new_tokens: Sequence[int],
) -> Prompt:
    """Questions about one image (or about none, or several), ready for generation; `max_new_tokens` one a question.

    Each branch ends where training begins to learn. A template that drops questions gives empty branches: the answer
    follows the image.
    """
    template, encoder = TEMPLATES[chat], encoder_of(tokenizer)
    prefix = encode_prefix(template, encoder, images, spec)
    asked = (_without_images(prompt) for prompt in prompts)
    branches = [_question(template, encoder, text, bool(images), True, prefix.anchor)[0] for text in asked]
    positions = None if prefix.positions is None else prefix.positions.tolist()
    return Prompt(list(prefix.ids), list(prefix.is_image), branches, list(max_new_tokens), positions)


def encode_options(
    prompt: str, options: Sequence[str], images: Sequence[Layout], tokenizer: Any, chat: str, spec: ImageSpec
) -> list[list[int]]:
    """The tokens that each option would have as the answer to this prompt, as training shows answers, without end."""
    template, encoder = TEMPLATES[chat], encoder_of(tokenizer)
    anchor = encode_prefix(template, encoder, images, spec).anchor
    _, anchor = _question(template, encoder, _without_images(prompt), bool(images), True, anchor)
    return [encoder.pieces((template.answer,), anchor, answer=option)[0] for option in options]


def image_refs(row: dict, image_root: Path) -> tuple[ImageRef, ...]:
    """The row's pictures: none, some, or a mosaic in the row's order (`mosaic.order`; as stored without it)."""
    paths = tuple(safe_join(image_root, image) for image in images_of(row))
    if (form := row.get("mosaic")) is None:
        return tuple(ImageRef(path) for path in paths)
    order = tuple(form.get("order", range(len(paths))))
    exact = bool(form.get("exact", False))
    return (ImageRef(paths[0], paths, tuple(form["grid"]), form["tile_pixels"], order, exact),)


def show_mask(sample: Sample, tokenizer: Any, breaks: str = "\n") -> str:
    """The sample decoded, a line a branch, with what is learnt between « and »; `breaks`: what shows a line break."""
    learnt = [False] * len(sample)
    lines = []
    for branch in range(int(sample.branch_ids.max()) + 1):
        places = [int(t) for t in range(len(sample)) if sample.branch_ids[t] == branch]
        for before, place in pairwise(places):
            learnt[place] = sample.targets[before] == sample.token_ids[place]
        prefix = int((sample.branch_ids == 0).sum())
        if branch == 1 and prefix and places:  # the prefix predicts the first token of a single branch
            learnt[places[0]] = sample.targets[prefix - 1] == sample.token_ids[places[0]]
        line = ""
        for (image, learns), run in groupby(places, key=lambda t: (bool(sample.is_image[t]), bool(learnt[t]))):
            ids = [int(sample.token_ids[t]) for t in run]
            text = f"<image x {len(ids)}>" if image else tokenizer.decode(ids).replace("\n", breaks)
            line += f"«{text}»" if learns else text
        lines.append(line)
    return "\n".join(lines)


def _layouts(images: Sequence[ImageRef], spec: ImageSpec, name: str) -> tuple[Layout, ...]:
    alone = len(images) == 1
    try:
        return tuple(spec.layout(*(ref.size if spec.needs_size else (1, 1)), alone) for ref in images)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def _question(
    template: Template, encoder: Encoder, question: str | None, with_image: bool, first: bool, anchor: str
) -> tuple[list[int], str]:
    if question is None or not template.asks:
        return [], anchor
    form = template.later if not first else template.first_image if with_image else template.first_text
    return encoder.pieces(form, anchor, question=question)


def _without_images(text: str) -> str:
    return " ".join(part for part in (p.strip() for p in text.split(IMAGE_PLACEHOLDER)) if part)


def _conversations(row: dict, name: str, paired: bool) -> list[list[dict]]:
    """The row's turns; of a preference with the chosen answer, `paired` also with the rejected one."""
    if not is_preference(row):
        if paired:
            raise UserError(
                f"{name}: no chosen and rejected answers, from which a stage with objective dpo learns. Build its data "
                f"with python -m data_builders preferences, or write objective: answers"
            )
        return [row["conversations"]]
    before = [turn if turn["from"] == "human" else {**turn, "loss": False} for turn in row["conversations"]]
    answers = [row["chosen"], row["rejected"]] if paired else [row["chosen"]]
    return [[*before, {"from": "gpt", "value": answer}] for answer in answers]


def _pairs(turns: list[dict], name: str, images: int) -> list[Pair]:
    """Questions and their answers. UserError unless they alternate and every image has its placeholder."""
    asked = [turn["value"] for turn in turns if turn["from"] == "human"]
    places = asked[0].count(IMAGE_PLACEHOLDER) if asked else images
    if places != images or any(IMAGE_PLACEHOLDER in question for question in asked[1:]):
        total = sum(question.count(IMAGE_PLACEHOLDER) for question in asked)
        raise UserError(
            f"{name}: {images} images, but {IMAGE_PLACEHOLDER} stands {total} times. Write it once per image, in the "
            f"first human turn"
        )
    if not asked and len(turns) == 1:
        return [(None, turns[0]["value"].strip(), turns[0].get("loss", True))]
    roles = [turn["from"] for turn in turns]
    if roles != ["human", "gpt"] * (len(turns) // 2):
        raise UserError(f"{name}: human and gpt turns must alternate and end with gpt; they are {', '.join(roles)}")
    return [
        (_without_images(question), turn["value"].strip(), turn.get("loss", True))
        for question, turn in zip(asked, turns[1::2], strict=True)
    ]
