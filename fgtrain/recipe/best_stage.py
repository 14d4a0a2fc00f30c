"""A stage without training: the checkpoint that an earlier stage has kept as its best (`keep_best`)."""

from typing import ClassVar

from .keys import Name, Section


class BestStage(Section):
    """Makes the best checkpoint of a stage one among others: asked, gone on from, averaged."""

    enabled: bool = True  # false: the stage is passed over
    best_of: Name  # an earlier stage with keep_best

    objective: ClassVar[str] = "best"
    trained_by: ClassVar[str] = "best"
    train: ClassVar[dict] = {}
    mix: ClassVar[dict] = {}
    reads: ClassVar[tuple] = ()
    looks_at: ClassVar[dict] = {}
    rollouts: ClassVar[None] = None
    steps: ClassVar[None] = None

    @property
    def after(self) -> str:
        return self.best_of
