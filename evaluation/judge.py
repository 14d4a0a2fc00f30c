"""What scoring needs of the judges; see `evaluation.judging`."""

from .judging.deterministic import JUDGE, judge
from .judging.verdict import FACT_MOST, ITEM_MOST, Judgement, filed_scores

__all__ = ["FACT_MOST", "ITEM_MOST", "JUDGE", "Judgement", "filed_scores", "judge"]
