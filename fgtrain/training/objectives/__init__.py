"""What a stage minimises: an objective, and what is added to it. Each is one small file here, or a user's own."""

from .part import LossPart, Summed
from .stage_loss import StageLoss

__all__ = ["LossPart", "StageLoss", "Summed"]
