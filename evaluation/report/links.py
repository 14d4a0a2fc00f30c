"""Which link is broken, as the report shows it: shares at each checkpoint, and what became of the questions."""

from ..compare import Comparison
from ..links import LINKS, links_of_run


def link_tables(found: Comparison) -> list[dict]:
    """For each run that has them: {"index", "run", "links": names, "entries": see evaluation.links.links_of_run}."""
    made = []
    for index, result in enumerate(found.runs):
        if entries := links_of_run(result.run):
            made.append({"index": index, "run": result.run, "links": LINKS, "entries": entries})
    return made
