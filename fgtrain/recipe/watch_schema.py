"""What a person may write of a stage that is watched while it trains: when it stops early, which checkpoint is kept.

Both look at the fixed subset that `evaluation.every_steps` asks, beside what the checkpoint that the stage starts from
answers to the same questions.
"""

from typing import Annotated

from pydantic import Field, model_validator

from .keys import Section


class StopWhen(Section):
    """Ends the stage at the first look that shows, beyond doubt, that more is forgotten."""

    # Points, on average over the general tasks. Beyond doubt: but for 5 % over all looks of the stage.
    forgetting: Annotated[float, Field(ge=0, lt=100)]


class KeepBest(Section):
    """What a checkpoint is worth: gain x points gained on fine-grained tasks - forgetting x points lost on general."""

    gain: Annotated[float, Field(ge=0)] = 1.0  # weight of a point gained
    forgetting: Annotated[float, Field(ge=0)] = 1.0  # weight of a point forgotten

    @model_validator(mode="after")
    def _weighs_something(self) -> "KeepBest":
        if not self.gain and not self.forgetting:
            raise ValueError("weighs nothing, so that no checkpoint is the best. Write {gain: 1, forgetting: 1}")
        return self
