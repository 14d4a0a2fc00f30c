"""`fgtrain.load`. Only what it needs is imported, when it is called: `import fgtrain` is without torch."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import Model


def load(checkpoint: str | Path, *, names: str | Path | None = None, network: bool = False) -> "Model":
    """A checkpoint that can be asked: `fgtrain.load("runs/NAME").ask("photo.jpg", "What bird is it?")`.

    `checkpoint`: a run's folder (its last stage), a stage's, a checkpoint's, or a model that transformers loads (a
    folder, or a hub id; `network`: it may be downloaded). `names`: a data set of the run, or a file of names (one a
    line, or a taxonomy .csv), where they are not the run's own. UserError where it cannot be loaded.
    """
    from .model import open_model

    return open_model(str(checkpoint), None if names is None else str(names), network)
