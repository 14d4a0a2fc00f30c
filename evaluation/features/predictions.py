"""What a probe says of each test picture, kept on disk: whoever asks later which link is broken needs no features.

<out>/probe/<data set>.json   {"data", "classes", "levels": {level: [label of each class]}, "pictures": [...]}

A picture has the hash that answers about it have ("image_hash"), the number of its class, and those of the classes
that the probe holds likeliest, best first.
"""

from pathlib import Path

import numpy as np
import torch

from data_builders.shared.files import write_json

from .labelled import Labelled
from .probe import EVALUATION_BATCH, TrainedHead

FOLDER = "probe"
MOST = 50  # classes that are kept of each picture: the options of a question are among the likeliest, or it is wrong


def ranked(head: TrainedHead, vectors_NKF: np.ndarray) -> np.ndarray:
    """Numbers of the likeliest classes of each picture, best first, [N, at most MOST]."""
    device, parts = head.weight.device, []
    count = min(MOST, len(head.weight))
    with torch.no_grad():
        for start in range(0, len(vectors_NKF), EVALUATION_BATCH):
            part = torch.from_numpy(np.array(vectors_NKF[start : start + EVALUATION_BATCH], np.float32)).to(device)
            parts.append(head(part).topk(count, 1).indices.cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, count), int)


def write_predictions(out: Path, cache, data: Labelled, head: TrainedHead) -> None:
    """Of all test pictures of the data set, by one head. `cache`: FeatureCache."""
    places = ranked(head, cache.table(data.test, data.name))
    write_json(
        Path(out) / FOLDER / f"{data.name}.json",
        {
            "data": data.name,
            "classes": list(data.classes),
            "levels": {level: list(labels) for level, labels in data.above.items()},
            "pictures": [
                {"image": name, "image_hash": cache.hashes.of(path)[:32], "label": int(label), "ranked": row.tolist()}
                for name, path, label, row in zip(data.test_names, data.test, data.test_labels, places, strict=True)
            ],
        },
    )
