"""What a picture is called at several levels agrees along the path, is right along it, or names nothing."""

import pytest

from data_builders.shared.files import write_jsonl
from evaluation.scoring.level_paths import with_paths
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.load import load_tasks

CUB = "FG-BMK/human-oriented/hierarchical_granularity_recognition/cub"
TREE = {  # species: genus, class
    "black footed albatross": ("albatross", "aves"),
    "laysan albatross": ("albatross", "aves"),
    "ivory gull": ("gull", "aves"),
    "tree frog": ("frog", "amphibia"),
}
LEVELS = ("species", "genus", "class")
OUTSIDE = {"species": "sooty tern", "genus": "tern", "class": "mammalia"}  # options of no picture
# each picture is of a laysan albatross: what is said at each level -> (agrees, all right, unnamed); None: left out
SAID = {
    ("laysan albatross", "albatross", "aves"): (1, 1, 0),
    ("Laysan Albatrosses.", "an albatross", "Aves"): (1, 1, 0),
    ("black footed albatross", "albatross", "aves"): (1, 0, 0),
    ("tree frog", "frog", "amphibia"): (1, 0, 0),
    ("laysan albatross", "gull", "aves"): (0, 0, 0),
    ("ivory gull", "albatross", "aves"): (0, 0, 0),
    ("laysan albatross", "albatross", "mammalia"): (0, 0, 0),
    ("laysan albatross", "albatross", "amphibia"): (0, 0, 0),
    ("laysan albatross", "laysan albatross", "aves"): (1, 1, 0),  # whoever names a member has named the genus
    ("laysan albatross", "no idea", "aves"): (0, 0, 1),
    ("an albatross", "albatross", "aves"): (0, 0, 1),  # no species
    ("sooty tern", "tern", "aves"): None,  # of which no question tells the genus
    ("laysan albatross", "tern", "aves"): None,
}


@pytest.fixture
def tasks(tmp_path):
    golds = ["laysan albatross"] * len(SAID) + list(TREE)
    for place, level in enumerate(LEVELS):
        labels = [gold if level == "species" else TREE[gold][place - 1] for gold in golds]
        listed = ", ".join(f'"{one}"' for one in (*dict.fromkeys(labels), OUTSIDE[level]))
        rows = [
            {
                "question_id": number,
                "image": f"images/{number}.jpg",
                "text": f"Which {level}? Choose one answer from the following list: {listed}. Answer.",
                "class": label,
            }
            for number, label in enumerate(labels)
        ]
        write_jsonl(tmp_path / CUB / level / f"{level}_question_choice.jsonl", rows)
    (tmp_path / "CUB_200_2011").mkdir()
    return load_tasks(["fgbmk"], [tmp_path])


def answered(tasks):
    found = {}
    for task in tasks:
        place = LEVELS.index(task.name.split("/")[2])
        found[task.name] = [
            {
                "question_id": item.question_id,
                "image": item.image,
                "question": item.question,
                "category": item.category,
                "gold": item.gold,
                "answer": said[place],
                "options": list(item.options),
                "finished": True,
            }
            for item, said in zip(task.items, SAID, strict=False)
        ]
    return found


def scored(tasks, answers):
    scores = {task.name: score_answers(task, answers[task.name]) for task in tasks}
    return scores, with_paths(scores, tasks, answers)


def test_answers_agree_along_the_path(tasks):
    before, after = scored(tasks, answered(tasks))
    finest = "fgbmk/cub/species/choice"
    assert {name: one for name, one in after.items() if name != finest} == {
        name: one for name, one in before.items() if name != finest
    }
    path = {one.metric: one for one in after[finest].scores if one.rule == "path"}
    judged = [one for one in SAID.values() if one]
    for metric, column in zip(("agree", "all_right", "unnamed"), zip(*judged, strict=True), strict=True):
        assert path[metric].value == pytest.approx(100 * sum(column) / len(judged)), metric
        assert path[metric].n == len(judged)
        assert path[metric].low < path[metric].value < path[metric].high
    assert after[finest].main == before[finest].main
    note = after[finest].notes[-1]
    assert (
        note == "path: class < genus < species, pictures asked at every level: 13, 2 of them called what has no "
        "known parent and left out"
    )


def test_one_level_is_no_path_and_pictures_of_one_level_are_in_none(tasks):
    answers = answered(tasks)
    one = [task for task in tasks if "/species/" in task.name]
    assert scored(one, answers)[1] == scored(one, answers)[0]
    answers["fgbmk/cub/genus/choice"] = answers["fgbmk/cub/genus/choice"][:2]
    path = [one for one in scored(tasks, answers)[1]["fgbmk/cub/species/choice"].scores if one.rule == "path"]
    assert [(score.value, score.n) for score in path] == [(100, 2), (100, 2), (0, 2)]
