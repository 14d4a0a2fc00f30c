"""Measures what can be read off a checkpoint's features, behind its encoder or its projector."""

from pathlib import Path

from data_builders.shared.terminal import say
from data_builders.sources import load_source
from evaluation.features.cache import FeatureCache
from evaluation.features.labelled import Labelled, labelled
from evaluation.features.measure_sets import Measuring, measure_all, named, write_results
from fgtrain.errors import UserError
from fgtrain.plan import Plan
from fgtrain.processes import Group
from fgtrain.recipe import Recipe
from fgtrain.runs.encoded import encoded_folder
from fgtrain.runs.evaluations import stores
from fgtrain.runs.features import FILE, FOLDER, features_folder, source_roots
from fgtrain.runs.folder import link
from fgtrain.runs.tracking import send_evaluations
from fgtrain.training.featurizer import featurizer_of

from .inputs import encoder_at, final_plan, job_device

VECTORS = "vectors"  # among the encoder's kept outputs: those that are measured


def measure_features(recipe: Recipe, group: Group, checkpoint: str, part: str, start: str, runs: list[str]) -> None:
    """Leave the numbers in the store, for every run that measures the same; pictures are encoded by all processes.

    `start`: the untrained model's fingerprint; `runs`: names of the runs whose W&B runs are told. UserError when the
    checkpoint or a data set is not there, or a data set does not have what is measured.
    """
    plan = final_plan(recipe)
    store = stores(recipe, plan, start)[checkpoint]
    folder = features_folder(recipe, store, part)
    waiting = f"features of {checkpoint}: another run is measuring the same; waiting for it"
    with group.locked(folder / ".lock", waiting):
        if group.agree((folder / FILE).is_file):
            if group.first:
                say(f"features: {checkpoint}, {part}, done before")
        else:
            _measure(recipe, plan, group, checkpoint, part, folder)
    if group.first:
        link(recipe.run_folder / FOLDER / checkpoint / part, folder)
        send_evaluations(recipe, plan, start, f"{checkpoint}-{part}", runs, "features")


def _measure(recipe: Recipe, plan: Plan, group: Group, checkpoint: str, part: str, folder: Path) -> None:
    chosen = recipe.evaluation.features
    sets = _sets(recipe)
    lvlm = encoder_at(recipe, plan, checkpoint, job_device(recipe, group.local_rank)).lvlm
    featurizer = featurizer_of(lvlm, part, checkpoint)
    cache = FeatureCache(encoded_folder(recipe) / VECTORS, featurizer, chosen.batch_size)
    pictures = list(dict.fromkeys(path for data in sets for path in (*data.train, *data.test)))
    cache.table(pictures[group.rank :: group.size])
    if not group.together(True) or not group.first:
        return
    cache.store.refresh()
    how = Measuring(
        out=folder,
        measures=chosen.measures,
        protocols=chosen.protocols,
        gallery=chosen.gallery,
        attack_images=chosen.attack_images,
        batch_size=chosen.batch_size,
        seed=recipe.seed,
    )
    write_results(featurizer, measure_all(cache, sets, how), how)


def _sets(recipe: Recipe) -> list[Labelled]:
    chosen, found = recipe.evaluation.features, []
    for index, (source, root) in enumerate(source_roots(recipe)):
        try:
            data = named(load_source(source, root))
            found.append(labelled(data, chosen.level, recipe.seed, chosen.images_per_class))
        except UserError as error:
            raise UserError(f"evaluation.features.sources.{index}: {error}") from None
    return found
