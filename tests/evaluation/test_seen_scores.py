"""Scores for seen and unseen categories: which question stands on which side, and what becomes of the numbers."""

import json
from dataclasses import replace

import numpy as np
import pytest

from data_builders.build import build
from data_builders.records import Manifest
from data_builders.shared.errors import UserError
from data_builders.sources import load_source, same_name
from evaluation.__main__ import main
from evaluation.held_out import Sides, names_of_sets, read_held_out, read_sides, sides_of_tasks, write_sides
from evaluation.scoring.metrics import accuracy
from evaluation.scoring.score_answers import score_answers
from evaluation.scoring.seen_scores import HARMONIC, PARTS, part_measure
from evaluation.shared.number_lists import written
from evaluation.tasks.load import load_tasks

DRAWN = {"source": "cub", "pixels": 32, "train_images_per_species": 2, "test_images_per_species": 2}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A drawn CUB with all of FG-BMK's tracks, a training set without a quarter of its species, their names."""
    root = tmp_path_factory.mktemp("world")
    build("drawn", root=None, out=root / "cub", options=DRAWN)
    tracks = {"source": "cub", "dataset": "drawn", "tracks": "hierarchy,knowledge_bias,attributes"}
    build("fgbmk", root=root / "cub", out=root, options=tracks)
    build("short_answer", root=root / "cub", out=root / "fg", options={"source": "cub", "categories": "hold_out=0.25"})
    names = [name for some in Manifest.load(root / "fg").held_out["cub"].values() for name in some]
    (root / "names.txt").write_text("\n".join(names).upper())
    return root


def answers(task, wrong=lambda item: False):
    return [
        {
            "task": task.name,
            "question_id": item.question_id,
            "image": item.image,
            "question": item.question,
            "gold": item.gold,
            "category": item.category,
            "answer": "nothing" if wrong(item) else item.gold,
        }
        for item in task.items
    ]


def parts(score) -> dict:
    return {one.name: one for one in score.groups if one.by == "held_out"}


def test_a_question_stands_where_the_species_of_its_picture_does(world):
    tasks = load_tasks(["fgbmk", "fgbmk_knowledge_bias", "fgbmk_attributes"], [world])
    assert {task.name.split("/")[2] for task in tasks} >= {"genus", "species", "knowledge_bias", "attributes"}
    sides = sides_of_tasks(tasks, read_held_out(world / "fg"))
    lost = set(map(same_name, Manifest.load(world / "fg").held_out["cub"]["species"]))
    rows = load_source("cub", world / "cub").images
    expected = {row.image: "unseen" if same_name(row.category) in lost else "seen" for row in rows}
    for task in tasks:
        assert {item.image: sides[task.name].of(item.image) for item in task.items} == {
            item.image: expected[item.image] for item in task.items
        }
        found = parts(score_answers(task, answers(task), sides=sides[task.name]))
        assert found["seen"].n + found["unseen"].n == found[HARMONIC].n == len(task.items)
        assert {one.value for one in found.values()} == {100.0}
        assert all((one.chance is not None) == (task.kind != "short_answer") for one in found.values())


def test_each_part_is_the_score_of_its_questions_alone(world):
    (task,) = load_tasks(["fgbmk/drawn/species/choice"], [world])
    sides = sides_of_tasks([task], read_held_out(world / "fg"))[task.name]
    rows = answers(task, lambda item: item.question_id % (2 if sides.of(item.image) == "unseen" else 4) == 0)
    found = parts(score_answers(task, rows, sides=sides))
    for side in ("seen", "unseen"):
        alone = score_answers(task, [row for row in rows if sides.of(row["image"]) == side]).main
        assert found[side].value == pytest.approx(alone.value)
        assert found[side].low == pytest.approx(alone.low, abs=5)
        assert found[side].low < found[side].value < found[side].high
    seen, unseen = found["seen"].value, found["unseen"].value
    assert found[HARMONIC].value == pytest.approx(2 * seen * unseen / (seen + unseen))
    assert unseen < found[HARMONIC].value < seen
    assert found["unseen"].low < found[HARMONIC].low < found[HARMONIC].value < found[HARMONIC].high < found["seen"].high


def test_a_file_of_the_names_gives_the_same_scores_as_the_manifest(world, tmp_path):
    tasks = load_tasks(["fgbmk", "fgbmk_knowledge_bias"], [world])
    both = [sides_of_tasks(tasks, read_held_out(path)) for path in (world / "fg", world / "names.txt")]
    for task in tasks:
        first, second = (score_answers(task, answers(task), sides=sides[task.name]) for sides in both)
        assert first == second
    write_sides(tmp_path, both[0])
    assert read_sides(tmp_path) == both[0]


def test_with_nothing_held_out_a_score_is_what_it_was(world):
    for task in load_tasks(["fgbmk"], [world]):
        rows = answers(task, lambda item: item.question_id % 3 == 0)
        plain = score_answers(task, rows)
        sides = sides_of_tasks([task], read_held_out(world / "fg")).get(task.name)
        split = score_answers(task, rows, sides=sides)
        assert not parts(plain)
        assert parts(split)
        without = replace(split, groups=[one for one in split.groups if one.by != "held_out"])
        assert json.dumps(without.to_json()) == json.dumps(plain.to_json())


def test_the_harmonic_mean_of_equal_parts_is_that_part():
    scores = np.tile(np.random.default_rng(3).random(40), 2)
    sides = Sides(frozenset(range(40)), frozenset(range(40, 80)), "")
    made = {part: part_measure(accuracy(scores), sides, range(80), part) for part in PARTS}
    totals = made[HARMONIC].columns_NC.sum(0)
    values = [float(one.statistic(totals)) for one in made.values()]
    assert values == pytest.approx([values[0]] * 3)
    assert float(made[HARMONIC].statistic(np.asarray([0, 1, 0, 1]))) == 0.0


@pytest.mark.parametrize("command", ["score", "run"])
def test_a_name_that_is_spelt_wrongly_is_told_with_those_near(command, world, tmp_path, capsys):
    (task,) = load_tasks(["fgbmk/drawn/species/choice"], [world])
    name = task.items[0].gold
    (tmp_path / "names.txt").write_text(f"{name}\n{name[:-1]}\n")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers(task)))
    arguments = {
        "score": [task.name, "--predictions", str(tmp_path / "rows.jsonl"), "--questions", str(task.source)],
        "run": ["--model", "none", "--tasks", task.name, "--data", str(world), "--out", str(tmp_path / "out")],
    }[command]
    assert main([command, *arguments, "--held-out", str(tmp_path / "names.txt")]) == 2
    assert f"{name[:-1]!r} (is it {name!r}" in capsys.readouterr().err.replace("\n", " ")


def test_the_score_command_gives_the_parts(world, tmp_path):
    (task,) = load_tasks(["fgbmk/drawn/genus/true_false"], [world])
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers(task)))
    files = ["--predictions", str(tmp_path / "rows.jsonl"), "--questions", str(task.source)]
    assert main(["score", task.name, *files, "--held-out", str(world / "fg"), "--out", str(tmp_path / "s.json")]) == 0
    groups = json.loads((tmp_path / "s.json").read_text())["groups"]
    assert [one["name"] for one in groups if one["by"] == "held_out"] == list(PARTS)


def test_published_questions_are_placed_by_every_file_of_their_data_set(shared, tmp_path):
    """Pictures that only a yes or no asks about are known by their folder."""
    tasks = load_tasks(["fgbmk", "frow"], [shared / "data"])
    (tmp_path / "names.txt").write_text("Laysan_Albatross\nbobolink")
    sides = sides_of_tasks(tasks, read_held_out(tmp_path / "names.txt"))
    for task in tasks:
        for item in task.items:
            lost = any(name in item.image for name in ("Laysan_Albatross", "Bobolink"))
            assert sides[task.name].of(item.image) == ("unseen" if lost else "seen"), (task.name, item.image)


def test_what_no_question_file_tells_the_data_set_does(world, tmp_path):
    """Yes or no alone about a genus: a training set's source places the pictures, a file of names cannot."""
    options = {"source": "cub", "dataset": "drawn", "kinds": "true_false", "levels": "genus"}
    build("fgbmk", root=world / "cub", out=tmp_path, options=options)
    (task,) = load_tasks(["fgbmk"], [tmp_path])
    (whole,) = load_tasks(["fgbmk/drawn/genus/true_false"], [world])
    told = sides_of_tasks([whole], read_held_out(world / "fg"))[whole.name]
    sides = sides_of_tasks([task], read_held_out(world / "fg"))[task.name]
    assert (sides.seen, sides.unseen) == (told.seen, told.unseen)
    (tmp_path / "names.txt").write_text(next(iter(told.names)))
    with pytest.raises(UserError, match="is no category of these questions"):
        sides_of_tasks([task], read_held_out(tmp_path / "names.txt"))


def test_what_cannot_be_placed_is_counted(world):
    (task,) = load_tasks(["fgbmk/drawn/species/choice"], [world])
    sides = sides_of_tasks([task], read_held_out(world / "fg"))[task.name]
    gone = task.items[0].image
    less = replace(sides, seen=sides.seen - {gone}, unseen=sides.unseen - {gone})
    score = score_answers(task, answers(task), sides=less)
    assert any(note.startswith("1 of ") and "no question file tells" in note for note in score.notes)
    assert any(gone in note for note in score.notes)
    found = parts(score)
    assert found["seen"].n + found["unseen"].n == len(task.items) - 1


def test_what_one_set_of_a_mixture_shows_is_not_held_out(world, tmp_path):
    build("short_answer", root=world / "cub", out=tmp_path / "all", options={"source": "cub"})
    build(
        "short_answer",
        root=world / "cub",
        out=tmp_path / "half",
        options={"source": "cub", "categories": "hold_out=0.5"},
    )
    narrow, wide, shown = world / "fg", tmp_path / "half", tmp_path / "all"
    assert names_of_sets([narrow, wide]).names == names_of_sets([narrow]).names
    assert names_of_sets([narrow, shown]) is None
    with pytest.raises(UserError, match="holds nothing out"):
        read_held_out(tmp_path / "all")


def test_lists_of_names_are_split_as_short_answers_are(world):
    """A model that finds seen names likeliest is right on all seen pictures and on no unseen one."""
    short, listed = load_tasks(["fgbmk/drawn/species/short_answer", "names/drawn/species"], [world])
    sides = sides_of_tasks([short, listed], read_held_out(world / "fg"))
    assert sides[listed.name] == sides[short.name]
    rows = []
    for row, item in zip(answers(listed), listed.items, strict=True):
        log_p = np.full(len(listed.names), -5.0)
        right = listed.names.index(item.gold)
        log_p[right if sides[listed.name].of(item.image) == "seen" else right - 1] = -1.0
        lists = {"log_probability": written(log_p), "prior": written(np.zeros(len(log_p)))}
        rows.append({**row, "gold_place": right, "names": lists})
    found = parts(score_answers(listed, rows, sides=sides[listed.name]))
    assert {name: one.value for name, one in found.items()} == {"seen": 100, "unseen": 0, "harmonic": 0}
    assert found["seen"].chance == pytest.approx(100 / len(listed.names))
