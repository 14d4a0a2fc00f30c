"""Names of pictures that no question file tells, as the data sets have them from which a training set was built."""

from collections.abc import Iterable
from pathlib import Path

from data_builders.leakage.training import load_again
from data_builders.records import Manifest
from data_builders.shared.errors import UserError
from data_builders.sources import SplitDraw, same_name

from .picture_categories import Pictures


def add_source_names(found: Pictures, training_sets: Iterable[Path]) -> None:
    """Give each picture the names that its data set has for it. A data set that no longer lies where the training set
    was built from tells nothing."""
    for folder in training_sets:
        manifest = Manifest.load(folder)
        which = manifest.options.get("source")
        if not isinstance(which, str | dict):
            continue
        image_root = (folder.resolve() / manifest.image_root).resolve()
        try:
            sources = load_again(folder, which, image_root, SplitDraw(0.0))
        except UserError:
            continue  # the pictures stay unplaced, which is counted
        for source in sources:
            for row in source.images:
                # Of several data sets' pictures each path begins with the data set's folder.
                for picture in (row.image, row.image.partition("/")[2]):
                    if (levels := found.names.get(picture)) is not None:
                        levels |= {level: {same_name(name)} for level, name in row.parents.items()}
                        levels[source.finest.name] = set(map(same_name, row.labels or (row.category,)))
