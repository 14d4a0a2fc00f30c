"""What is impossible together in a stage that learns preferences."""

from .objective_schema import PAIRED
from .problems import Found, Key, Problem
from .stage_schema import Stage


def preference(name: str, stage: Stage) -> Found:
    """Problems of a stage's section dpo, and of its objective dpo with other keys."""
    key: Key = ("stages", name)
    if stage.objective not in PAIRED:
        if stage.dpo is not None:
            text = f"is of objective dpo, and the stage's is {stage.objective}. Leave it out, or write objective: dpo"
            yield Problem((*key, "dpo"), text), [(*key, "objective"), (*key, "dpo")]
        return
    if stage.augmented:
        text = (
            "is for stages that learn from single answers: what dpo compares with is found once, of pictures as they "
        )
        yield Problem((*key, "augment"), text + "are. Write augment: none"), [(*key, "objective"), (*key, "augment")]
    if stage.loss_weighting != "token":
        text = f"is {stage.loss_weighting}, but in objective dpo each pair weighs the same. Leave it out"
        yield Problem((*key, "loss_weighting"), text), [(*key, "objective"), (*key, "loss_weighting")]
    if stage.dpo is not None and stage.dpo.label_smoothing and stage.dpo.variant != "sigmoid":
        text = f"is for variant sigmoid, and the stage's is {stage.dpo.variant}. Leave it out"
        yield Problem((*key, "dpo", "label_smoothing"), text), [(*key, "dpo")]
