"""What is impossible together in how parts learn by adapters."""

from .model_schema import PIECES, TrainPart
from .problems import Found, Key, Problem, instead
from .schema import Recipe


def adapters(recipe: Recipe) -> Found:
    for name, stage in recipe.training_stages.items():
        for part, how in stage.train.items():
            yield from _of_part(recipe, part, how, ("stages", name, "train", part))


def _of_part(recipe: Recipe, part: str, how: TrainPart, key: Key) -> Found:
    sharded = recipe.devices.strategy if recipe.devices.strategy not in ("auto", "single", "ddp") else None
    strategy: Key = ("devices", "strategy")
    if how.lora is not None and how.osf is not None:
        text = "is given beside lora: a part learns by adapters of one kind. Leave one of them out"
        yield Problem((*key, "osf"), text), [(*key, "osf"), (*key, "lora")]
    if how.osf is not None and sharded:
        text = f"cannot be had under {sharded}: each step's gradients are turned away from the directions that stay, "
        text += "for which they must be whole. Write devices.strategy: ddp, or lora: {init: mica}"
        yield Problem((*key, "osf"), text), [(*key, "osf"), strategy]
    lora = how.lora
    if lora is None:
        return
    place: Key = (*key, "lora")
    both: list[Key] = [(*place, "init")]
    if lora.init == "orthogonal" and lora.rank % 2:
        text = f"is {lora.rank}, but init: orthogonal halves it. Write {lora.rank + 1}"
        yield Problem((*place, "rank"), text), [*both, (*place, "rank")]
    if lora.init in PIECES and lora.dropout:
        text = f"is {lora.dropout:g}, but with init: {lora.init} adapters hold a piece of the model's own weights, "
        text += "which would be dropped. Write dropout: 0"
        yield Problem((*place, "dropout"), text), [*both, (*place, "dropout")]
    if lora.init in PIECES and lora.intruders is not None:
        text = f"compares with the weights before, of which init: {lora.init} takes a piece. Write init: null, "
        yield Problem((*place, "intruders"), text + "orthogonal or mica"), [*both, (*place, "intruders")]
    place_on: Key = (*place, "init_on")
    if lora.init == "corda":
        declared = ", ".join(recipe.data)
        if lora.init_on is None:
            text = "is corda, which looks at rows of what is to be kept. Name their data set: init_on: NAME "
            yield Problem((*place, "init"), f"{text}(declared: {declared})"), [*both, place_on]
        if part != "language_model":
            text = f"is corda, which is for the language_model. For {part} write orthogonal, mica, olora or pissa"
            yield Problem((*place, "init"), text), both
        if sharded:
            text = f"is corda, which runs the whole model over data before it trains; under {sharded} no device holds "
            text += "it. Write devices.strategy: ddp, or init: mica"
            yield Problem((*place, "init"), text), [*both, strategy]
    elif lora.init_on is not None:
        text = f"names {lora.init_on.data}, but init: {lora.init or 'null'} looks at no rows. Leave it out, or write "
        yield Problem(place_on, text + "init: corda"), [*both, place_on]
    if lora.init_on is not None and lora.init_on.data not in recipe.data:
        text = f"names {lora.init_on.data}, which `data` does not declare. {instead(lora.init_on.data, recipe.data)}"
        yield Problem((*place_on, "data"), text), [("data",), place_on]
