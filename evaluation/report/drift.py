"""How far stages moved what a model answers, as the report shows it beside forgetting."""

from ..compare import Comparison
from ..compare.drift import correlation_words, correlations, drift_of_run


def drift_tables(found: Comparison) -> dict:
    """{"rows": [{"index", "run", "one": StageDrift}], "words": lines on whether forgetting follows it}."""
    drift = [drift_of_run(result.run) for result in found.runs]
    rows = [
        {"index": index, "run": result.run, "one": one}
        for index, (result, stages) in enumerate(zip(found.runs, drift, strict=True))
        for one in stages
    ]
    return {"rows": rows, "words": [correlation_words(one) for one in correlations(drift)]}
