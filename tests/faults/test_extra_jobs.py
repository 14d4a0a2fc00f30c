"""What is wrong with a recipe's features and judge, told at once, with place and what to type."""

import sys
from pathlib import Path

import pytest
from table import rows

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "recipe"))

from recipe_fakes import BASE, write

from fgtrain.errors import UserError
from fgtrain.recipe import load_recipe
from fgtrain.recipe.smoke import small

SOURCES = "sources: [{source: cub, root: birds}]"
F = "evaluation.features"
J = "evaluation.judge"


def problem(folder: Path, evaluation: str, network: bool) -> str:
    text = BASE.replace("tasks: [fgbmk]", evaluation).replace(
        "name: base", f"name: base\nnetwork: {str(network).lower()}"
    )
    with pytest.raises(UserError) as caught:
        load_recipe(write(folder, "recipe.yaml", text))
    return str(caught.value)


@rows(
    ("no source", "{}", [f"{F}.sources is missing. For example sources: [{{source: cub"]),
    ("an empty list of sources", "{sources: []}", [f"{F}.sources is empty: nothing is measured"]),
    ("a source without a folder", "{sources: [{source: cub}]}", [f"{F}.sources.0.root is missing"]),
    ("a folder without a source", "{sources: [{root: birds}]}", [f"{F}.sources.0.source is missing"]),
    ("an unknown source", "{sources: [{source: cbu, root: b}]}", ["sources.0.source is cbu. Did you mean cub?"]),
    ("sources as a mapping", "{sources: {cub: birds}}", [f"{F}.sources is a mapping, must be a list"]),
    ("an unknown measure", f"{{{SOURCES}, measures: [knnn]}}", [f"{F}.measures.0 is knnn. Did you mean knn?"]),
    ("no measure", f"{{{SOURCES}, measures: []}}", [f"{F}.measures is empty"]),
    ("an unknown part", f"{{{SOURCES}, parts: [encodr]}}", [f"{F}.parts.0 is encodr. Did you mean encoder?"]),
    ("no part", f"{{{SOURCES}, parts: []}}", [f"{F}.parts is empty"]),
    ("an unknown protocol", f"{{{SOURCES}, protocols: [dino]}}", ["protocols.0 is dino. Did you mean dinov2?"]),
    ("no protocol", f"{{{SOURCES}, protocols: []}}", [f"{F}.protocols is empty"]),
    ("a checkpoint that is none", f"{{{SOURCES}, at: [stf]}}", [f"{F}.at.0 is stf", "Did you mean sft?"]),
    ("an attack on nothing", f"{{{SOURCES}, attack_images: 4}}", [f"{F}.attack_images is 4", "Add robustness"]),
    ("no picture of a class", f"{{{SOURCES}, images_per_class: 0}}", [f"{F}.images_per_class is 0"]),
    (
        "a placeholder that is none",
        "{sources: [{source: cub, root: '{dat_root}/b'}]}",
        ["{dat_root} is no placeholder"],
    ),
    (
        "a key that is none",
        f"{{{SOURCES}, mesures: [knn]}}",
        [f"{F}.mesures is no key here. Did you mean measures?"],
    ),
)
def test_features(tmp_path: Path, how: str, out: list[str]) -> None:
    said = problem(tmp_path, f"features: {how}", network=False)
    assert all(part in said for part in out), said
    assert len(said.splitlines()) <= 3, said


@rows(
    (
        "no network",
        ("frow", "{}", False),
        [f"{J} asks an endpoint, but network is false", "network=true", f"{J}=null"],
    ),
    (
        "no network for an address",
        ("frow", "{base_url: 'http://evil'}", False),
        [f"{J} asks http://evil, but network"],
    ),
    (
        "answers that nobody asks for",
        ("fgbmk", "{}", True),
        [f"{J}.tasks.0 is frow, which evaluation.tasks does not"],
    ),
    ("a data set that nobody asks for", ("frow/cub", "{}", True), [f"{J}.tasks.0 is frow, which evaluation.tasks"]),
    ("a task that is not open", ("fgbmk", "{tasks: [fgbmk]}", True), ["is fgbmk; only answers to frow are judged"]),
    ("no task", ("frow", "{tasks: []}", True), [f"{J}.tasks is empty"]),
    ("a checkpoint that is not asked", ("frow", "{at: [stf]}", True), [f"{J}.at.0 is stf", "Did you mean sft?"]),
    (
        "a key in any variable",
        ("frow", "{key_variable: AWS_SECRET_ACCESS_KEY}", True),
        [f"{J}.key_variable is AWS_SECRET"],
    ),
    ("a key itself", ("frow", "{api_key: sk-1}", True), [f"{J}.api_key is no key here"]),
    ("nothing to pay", ("frow", "{requests: 0}", True), [f"{J}.requests is 0, must be larger than 0"]),
    ("a temperature below zero", ("frow", "{temperature: -1.0}", True), [f"{J}.temperature is -1"]),
    ("no model", ("frow", "{model: 3}", True), [f"{J}.model is 3, must be text"]),
)
def test_judge(tmp_path: Path, how: tuple[str, str, bool], out: list[str]) -> None:
    task, judge, network = how
    said = problem(tmp_path, f"tasks: [{task}], judge: {judge}", network)
    assert all(part in said for part in out), said
    assert len(said.splitlines()) <= 3, said


@rows(
    ("a smoke run of features", (f"features: {{{SOURCES}}}", False), {"images_per_class": 2, "attack_images": None}),
    (
        "a smoke run of an attack",
        (f"features: {{{SOURCES}, measures: [robustness]}}", False),
        {"images_per_class": 2, "attack_images": 5},
    ),
)
def test_smoke(tmp_path: Path, how: tuple[str, bool], out: dict) -> None:
    recipe = load_recipe(write(tmp_path, "recipe.yaml", BASE.replace("tasks: [fgbmk]", how[0])))
    assert small(recipe).evaluation.features.model_dump(include=set(out)) == out
