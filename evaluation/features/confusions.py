"""Which classes an encoder takes for one another: those with the nearest centroids, of training pictures alone."""

from pathlib import Path

import numpy as np

from ..shared.confusions import write_confusions
from .cache import FeatureCache
from .labelled import Labelled
from .measures import retrieval_vector
from .similarity import normalised


def centroid_likeness(features_NF: np.ndarray, labels_N: np.ndarray, classes: int) -> np.ndarray:
    """[classes, classes] cosine of the means of pictures scaled to length 1; -inf where a class has no picture."""
    rows = normalised(features_NF)
    sums = np.zeros((classes, rows.shape[1]))
    np.add.at(sums, labels_N, rows)
    likeness = normalised(sums) @ normalised(sums).T
    missing = np.bincount(labels_N, minlength=classes) == 0
    likeness[missing], likeness[:, missing] = -np.inf, -np.inf
    return likeness


def mine_classes(cache: FeatureCache, data: Labelled, out: Path) -> None:
    """Write the classes nearest to each."""
    found = cache.table(data.train, data.name).vector(retrieval_vector(cache.featurizer))
    made_by = {
        "model": cache.featurizer.name,
        "model_hash": cache.featurizer.model_hash,
        "how": "nearest class centroids",
        "source": data.name,
        "images": len(data.train),
    }
    likeness = centroid_likeness(found, data.train_labels, len(data.classes))
    write_confusions(out, data.classes, likeness, level=data.level, pictures="train", made_by=made_by)
