"""What is impossible together in a stage that draws answers."""

import re

from fgtrain.templates import TEMPLATES

from .objective_schema import GRPO, SELF_DISTILLATION, SelfDistillation
from .problems import Found, Key, Problem, instead
from .schema import Recipe
from .stage_schema import Stage

WHOLE = ("auto", "single", "ddp")  # strategies under which each process holds all weights


def rollouts(recipe: Recipe, name: str, stage: Stage) -> Found:
    key: Key = ("stages", name)
    for own in (GRPO, SELF_DISTILLATION):
        if getattr(stage, own) is not None and stage.objective != own:
            text = (
                f"is said of a stage whose objective is {stage.objective}. Write objective: {own}, or leave {own} out"
            )
            yield Problem((*key, own), text), [(*key, "objective"), (*key, own)]
    if stage.rollouts is None:
        return
    objective = stage.objective
    room = recipe.model.max_tokens - (recipe.model.image_tokens or 0)
    if stage.rollouts.max_new_tokens >= room:
        place: Key = (*key, objective, "max_new_tokens")
        needs: list[Key] = [("model", "max_tokens"), ("model", "image_tokens"), place]
        text = f"is {stage.rollouts.max_new_tokens:,}, but a sample has room for {room:,} tokens of text "
        yield Problem(place, text + "(model.max_tokens)"), needs
    if recipe.devices.strategy not in WHOLE:
        text = f"is {objective}, which draws answers with the whole model, but devices.strategy is "
        text += f"{recipe.devices.strategy}, which keeps parts of it on other devices or in other precision. "
        text += "Write devices.strategy: ddp"
        yield Problem((*key, "objective"), text), [("devices", "strategy"), (*key, "objective")]
    if stage.loss_weighting != "token":
        text = (
            f"is {stage.loss_weighting}, but objective {objective} weighs all answers alike. Leave loss_weighting out"
        )
        yield Problem((*key, "loss_weighting"), text), [(*key, "objective"), (*key, "loss_weighting")]
    if stage.keep is not None and stage.keep.kl:
        text = f"is {objective}, which draws other answers than the rows' own, near which keep holds a stage. "
        text += "Write grpo.kl, and leave keep out" if objective == GRPO else "Leave keep out"
        yield Problem((*key, "objective"), text), [(*key, "objective"), (*key, "keep")]
    chat = stage.chat or recipe.model.chat
    if chat in TEMPLATES and not TEMPLATES[chat].asks:
        text = f"is {objective}, which asks the rows' questions, but chat {chat} drops questions. Write chat: qa"
        yield Problem((*key, "objective"), text), [("model", "chat"), (*key, "chat"), (*key, "objective")]
    if objective == SELF_DISTILLATION:
        yield from _teacher(recipe, (*key, SELF_DISTILLATION), stage, stage.rollouts)
        return
    for data_set in stage.mix if stage.rollouts.reward == "level" else ():
        data = recipe.data.get(data_set)
        if data is not None and (data.root is None or "source" not in data.options):
            text = f"is level, but {data_set} is not built from a source whose taxonomy is known (data.{data_set}.root "
            text += "and options.source). Write reward: strict, or leave the data set out"
            yield Problem((*key, "grpo", "reward"), text), [(*key, "mix", data_set), (*key, "grpo", "reward")]


def _teacher(recipe: Recipe, key: Key, stage: Stage, chosen: SelfDistillation) -> Found:
    """Problems of what the teacher is shown, and of how it follows."""
    place, named = (*key, "prompt"), set(re.findall(r"{([^{}]*)}", "".join(chosen.prompt)))
    known = ("question", "answer", "context")
    for unknown in sorted(named.difference(known)):
        text = f"names {{{unknown}}}, which is not known of a row. {instead(unknown, known)}"
        yield Problem(place, text), [place]
    if not named & {"answer", "context"}:
        text = "shows the teacher nothing that the student does not see. Write {answer} where the row's answer goes"
        yield Problem(place, text), [place]
    if ("context" in named) != (chosen.context is not None):
        text = "has {context}, but context names no data set. Name one whose rows have categories, or leave it out"
        if chosen.context is not None:
            text = f"has no {{context}}, where the texts of {chosen.context} go. Write it, or leave context out"
        yield Problem(place, text), [place, (*key, "context")]
    if chosen.context is not None and chosen.context not in recipe.data:
        text = f"names {chosen.context}, which `data` does not declare. {instead(chosen.context, recipe.data)}"
        yield Problem((*key, "context"), text), [(*key, "context")]
    elif chosen.context is not None and recipe.data[chosen.context].replay is not None:
        text = f"names {chosen.context}, whose rows are chosen later. Name a set that is built or given"
        yield Problem((*key, "context"), text), [(*key, "context")]
    adapted = [part for part, how in stage.train.items() if how.adapter is not None]
    if chosen.ema and adapted:
        text = f"is {chosen.ema:g}, but {adapted[0]} learns by adapters, which the teacher does not have. Write ema: 0"
        yield Problem((*key, "ema"), text), [(*key, "ema"), ("stages", key[1], "train", adapted[0])]
