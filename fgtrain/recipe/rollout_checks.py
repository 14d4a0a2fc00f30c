"""What is impossible together in a stage that draws answers and rewards them."""

from fgtrain.templates import TEMPLATES

from .objective_schema import GRPO
from .problems import Found, Key, Problem
from .schema import Recipe, Stage

WHOLE = ("auto", "single", "ddp")  # strategies under which each process holds all weights


def rollouts(recipe: Recipe, name: str, stage: Stage) -> Found:
    key: Key = ("stages", name)
    if stage.grpo is not None and stage.objective != GRPO:
        text = f"is said of a stage whose objective is {stage.objective}. Write objective: {GRPO}, or leave grpo out"
        yield Problem((*key, "grpo"), text), [(*key, "objective"), (*key, "grpo")]
    if stage.rollouts is None:
        return
    if recipe.devices.strategy not in WHOLE:
        text = (
            f"is {GRPO}, which draws answers with the whole model, but devices.strategy is {recipe.devices.strategy}, "
        )
        text += "which keeps parts of it on other devices or in other precision. Write devices.strategy: ddp"
        yield Problem((*key, "objective"), text), [("devices", "strategy"), (*key, "objective")]
    if stage.loss_weighting != "token":
        text = f"is {stage.loss_weighting}, but objective {GRPO} weighs all answers alike. Leave loss_weighting out"
        yield Problem((*key, "loss_weighting"), text), [(*key, "objective"), (*key, "loss_weighting")]
    if stage.keep is not None and stage.keep.kl:
        text = f"is {GRPO}, which draws other answers than the rows' own, near which keep holds a stage. Write "
        text += "grpo.kl, and leave keep out"
        yield Problem((*key, "objective"), text), [(*key, "objective"), (*key, "keep")]
    chat = stage.chat or recipe.model.chat
    if chat in TEMPLATES and not TEMPLATES[chat].asks:
        text = f"is {GRPO}, which asks the rows' questions, but chat {chat} drops questions. Write chat: qa"
        yield Problem((*key, "objective"), text), [("model", "chat"), (*key, "chat"), (*key, "objective")]
    for data_set in stage.mix if stage.rollouts.reward == "level" else ():
        data = recipe.data.get(data_set)
        if data is not None and (data.root is None or "source" not in data.options):
            text = f"is level, but {data_set} is not built from a source whose taxonomy is known (data.{data_set}.root "
            text += "and options.source). Write reward: strict, or leave the data set out"
            yield Problem((*key, "grpo", "reward"), text), [(*key, "mix", data_set), (*key, "grpo", "reward")]
