"""What the disk knows of a recipe's training sets and weights. The one part of planning that reads; needs no torch."""

from dataclasses import replace
from pathlib import Path

from data_builders.records import Manifest
from fgtrain.errors import UserError
from fgtrain.recipe import Recipe

from .asked_between import asked_facts
from .built_sets import outdated
from .facts import DataFacts, ModelFacts
from .file_memo import remembered
from .known_facts import known_facts
from .weights import weights_of


def data_facts(recipe: Recipe) -> dict[str, DataFacts]:
    """Facts of every data set that an enabled stage names: from its manifest, else what the recipe declares.

    A set that will be built anew has no hash yet, as one that is not there. Where a stage is watched while it trains,
    the questions that it is asked have an entry, too.

    Tokens stay unknown: they need the model's tokenizer. Raises UserError when a manifest contradicts declared rows.
    """
    return {name: _facts(recipe, name) for name in recipe.mixed_data} | asked_facts(recipe)


def light_facts(recipe: Recipe) -> ModelFacts:
    """Hashes of the model's weights' files, and what is kept of models that are not here; the rest stays unknown.

    Needs no torch. `make_plan` gives the same fingerprints, samples and steps as with `fgtrain.model.model_facts`.
    """
    try:
        model = recipe.model_with_paths()
    except UserError:  # a root is not given, so nothing in it can be known
        model = recipe.model
    known = known_facts(model, recipe.enabled_stages) or ModelFacts()
    return replace(known, weights_sha=weights_of(model, recipe.file_memo))


def _facts(recipe: Recipe, name: str) -> DataFacts:
    declared = recipe.data[name].rows
    if recipe.data[name].replay is not None:  # see replayed.py
        return DataFacts(rows=declared)
    folder = _folder(recipe, name)
    if folder is None or not (folder / "manifest.json").is_file():
        return DataFacts(rows=declared, declared=declared is not None, composed=recipe.data[name].what == "mosaic")
    manifest = Manifest.load(folder)
    if declared is not None and declared != manifest.rows:
        raise UserError(
            f"data.{name}.rows is {declared:,}, but {folder / 'manifest.json'} has {manifest.rows:,}. "
            f"Write rows: {manifest.rows}, or remove the line"
        )
    return DataFacts(
        rows=manifest.rows,
        questions=_answers(folder / "rows.jsonl", recipe.file_memo),
        images=manifest.images,
        sha256=None if outdated(recipe, name, folder, manifest) else manifest.content,
        code=manifest.code.get("hash"),
        composed=manifest.builder == "mosaic",
    )


def _folder(recipe: Recipe, name: str) -> Path | None:
    """The data set's folder, or None when the root it needs is not given: a plan does without."""
    try:
        return recipe.data_folder(name)
    except UserError:
        return None


def _answers(rows: Path, memo: Path | None) -> int | None:
    return remembered("answers", rows, count_answers, memo) if rows.is_file() else None


def count_answers(rows: Path) -> int:
    """Answers (gpt turns) in a rows file; a preference is one. Counts bytes: parsing 665,000 rows takes minutes."""

    def answers(line: bytes) -> int:
        # Inside a JSON string the quotes would be escaped, so text that talks of gpt turns is not counted.
        return 1 if b'"chosen": "' in line else line.count(b'"from": "gpt"') - line.count(b'"loss": false')

    with open(rows, "rb") as file:
        return sum(map(answers, file))
