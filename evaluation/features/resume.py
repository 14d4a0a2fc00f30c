"""Which tasks of a features.json need not be measured again: what decides their numbers is what it was."""

import hashlib
import json
from collections.abc import Sequence

from data_builders.shared.code_identity import code_of

from ..scoring.score_files import TaskScore
from .cache import FeatureCache
from .labelled import Labelled, union
from .measure_sets import Measuring, known_results, measure_all, task_name, write_results

# Task -> the options that decide it beside the data set, the seed and the program.
OPTIONS = {
    "probe": ("protocols",),
    "knn": (),
    "retrieval": ("gallery",),
    "robustness": ("protocols", "attack_images"),
    "meta_class": ("protocols",),
}


def measure_what_is_missing(cache: FeatureCache, sets: Sequence[Labelled], chosen: Measuring) -> dict[str, TaskScore]:
    """The scores of all tasks asked for, by name; features.json grows by a data set at a time, and what it holds
    already from the same pictures, options, weights and program is not measured anew.

    UserError: features.json holds another model's scores, or a data set cannot be measured.
    """
    made = identities(cache, sets, chosen)
    before = known_results(cache.featurizer, chosen)
    done = [name for name, identity in made.items() if before["made_from"].get(name) == identity]

    def keep(results: dict) -> None:
        if results:
            write_results(cache.featurizer, results, chosen, made)

    measure_all(cache, sets, chosen, done=done, keep=keep)
    tasks = known_results(cache.featurizer, chosen)["tasks"]
    return {name: TaskScore.from_json(tasks[name]) for name in made}


def identities(cache: FeatureCache, sets: Sequence[Labelled], chosen: Measuring) -> dict[str, str]:
    """Task -> identity of what decides its numbers: pictures' content, labels, splits, options, program."""
    code = code_of("evaluation.features.measure_sets", "evaluation.features.measures").hash
    found = {
        task_name(data, one): _identity(cache, data, one, chosen, code) for data in sets for one in chosen.measures
    }
    if len(sets) > 1 and "probe" in chosen.measures:
        both = union(sets)
        found[task_name(both, "meta_class")] = _identity(cache, both, "meta_class", chosen, code)
    return found


def _identity(cache: FeatureCache, data: Labelled, task: str, chosen: Measuring, code: str) -> str:
    decides = [code, task, chosen.seed, [getattr(chosen, name) for name in OPTIONS[task]], data.classes, data.notes]
    digest = hashlib.blake2b(json.dumps(decides).encode(), digest_size=12)
    for paths, labels in ((data.train, data.train_labels), (data.test, data.test_labels)):
        digest.update(json.dumps([cache.hashes.of(path) for path in paths]).encode())
        digest.update(json.dumps(labels.tolist()).encode())
    digest.update(data.validation.tobytes())
    cache.hashes.save()
    return digest.hexdigest()
