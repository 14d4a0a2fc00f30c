"""What scoring needs of the judges; see `evaluation.judging`."""

from .judging.deterministic import IDENTITY, JUDGE, judge
from .judging.verdict import FACT_MOST, ITEM_MOST, Judgement, filed_scores, judged_by, on_the_scale

__all__ = [
    "FACT_MOST",
    "IDENTITY",
    "ITEM_MOST",
    "JUDGE",
    "Judgement",
    "filed_scores",
    "judge",
    "judged_by",
    "on_the_scale",
]
