"""FG-BMK as it is published: names of folders, wordings to the letter, how wrong labels are drawn."""

from pathlib import Path

import pytest
from fgbmk_files import HIERARCHY, TRACK, picture, question
from table import rows

from data_builders.build import build
from data_builders.fgbmk import builder
from data_builders.leakage.benchmarks import find_question_files
from data_builders.question_maker import question_words
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_jsonl
from data_builders.sources import LabelledImage, Level, Source
from data_builders.templates import choice, short_answer, true_false
from evaluation.tasks.load import load_tasks

# Spelt out, as the eye passes over the letters that are too many.
PUBLISHED = "knowledge_bias_" + "est" + "im" + "in" + "ation"
RIGHTLY = "knowledge_bias_" + "est" + "im" + "ation"
FINE = "fine-grained category"


# --- the folder's published spelling


@rows(
    ("as published", f"FG-BMK/human-oriented/{PUBLISHED}", 1),
    ("spelt rightly", f"FG-BMK/human-oriented/{RIGHTLY}", 1),
    ("a clone of the repository", f"FG-BMK/benchmark/human-oriented/{PUBLISHED}", 1),
    ("neither", "FG-BMK/human-oriented/knowledge_bias", 0),
)
def test_knowledge_bias_is_found_by_tasks_and_by_the_leakage_check(how, out, tmp_path):
    question(tmp_path / how / "cub/questions_true_false_all_class.jsonl", "images/a.jpg", "yes")
    picture(tmp_path / "CUB_200_2011/images/a.jpg")
    if not out:
        with pytest.raises(UserError, match="no question file"):
            load_tasks(["fgbmk_knowledge_bias"], [tmp_path])
        return
    assert [task.name for task in load_tasks(["fgbmk"], [tmp_path])] == ["fgbmk/cub/knowledge_bias"]
    (found,) = find_question_files(tmp_path)
    assert [one.path for one in found.questions()] == [str(tmp_path.resolve() / "CUB_200_2011/images/a.jpg")]


def test_knowledge_bias_is_written_as_published(monkeypatch, tmp_path):
    out = build_from(monkeypatch, tmp_path, made("aircraft", "variant", "family", images=1), tracks="knowledge_bias")
    assert [path.name for path in (out / TRACK).iterdir()] == [PUBLISHED]


# --- wordings


def asked(kind: str, meta: str, source: str, level: Level, label: str) -> set[str]:
    row = LabelledImage("a.jpg", label, "test")
    words = question_words(Source(source, Path("."), (row,), (level,), meta=meta), row, level)
    make = {
        "true_false": lambda n: true_false(n, words, label),
        "choice": lambda n: choice(n, words, [label, "B-2"]),
        "short_answer": lambda n: short_answer(n, words),
    }[kind]
    ends = (
        " Answer with yes or no.",
        " Choose one",
        " Directly answer with fine-grained category.",
        " Directly answer",
    )
    return {min((text.split(end)[0] for end in ends if end in text), key=len) for text in map(make, range(4))}


CATEGORY = Level("category", FINE, "fine-grained categories")
PHYLUM = Level("phylum", "phylum", "phyla")
GENUS = Level("genus", "genus", "genera")
AIRCRAFT_CHOICE = {
    "What is the fine-grained category of the {m} in this image?",
    "Can you identify the fine-grained category of this {m}?",
    "Which fine-grained category does this {m} in the photo belong to?",
    "Observing the {m} in the image, which of the following fine-grained category is it?",
}
AIRCRAFT_TRUE_FALSE = {
    "Is the fine-grained category of the {m} A-10?",
    "Is the {m} fine-grained category in this photo a A-10?",
    "From your observation, is the fine-grained category of the {m} shown a A-10?",
    "Does this {m} belong to the fine-grained category known as A-10?",
}
AIRCRAFT_SHORT = {
    "Which fine-grained category does the {m} in this photo belong to?",
    "What fine-grained category of the {m} is shown in the image?",
    "Can you identify the fine-grained category of this {m} from the image?",
    "Based on your observation, what fine-grained category of the {m} is depicted?",
}
MTARSI_CHOICE = {
    "What is the fine-grained category of this aircraft?",
    "Can you identify the fine-grained category of this aircraft?",
    "Which fine-grained category does this aircraft belong to?",
    "Observing this aircraft, which of the following fine-grained category is it?",
}
MTARSI_TRUE_FALSE = {
    "Is the fine-grained category of this aircraft A-10?",
    "Is the fine-grained category shown in this aircraft A-10?",
    "From your observation, is the fine-grained category of this aircraft A-10?",
    "Does this aircraft belong to the fine-grained category known as A-10?",
}
MTARSI_SHORT = {
    "Which fine-grained category does this aircraft belong to?",
    "What fine-grained category is shown in this aircraft?",
    "Can you identify the fine-grained category of this aircraft?",
    "Based on your observation, what fine-grained category is depicted in this aircraft?",
}


def about(wordings: set[str], meta: str) -> set[str]:
    return {one.format(m=meta) for one in wordings}


@rows(
    ("aircraft, choice", ("choice", "aircraft", "aircraft", CATEGORY), about(AIRCRAFT_CHOICE, "aircraft")),
    ("aircraft, true/false", ("true_false", "aircraft", "aircraft", CATEGORY), about(AIRCRAFT_TRUE_FALSE, "aircraft")),
    ("aircraft, short", ("short_answer", "aircraft", "aircraft", CATEGORY), about(AIRCRAFT_SHORT, "aircraft")),
    ("cars, choice", ("choice", "car", "cars", CATEGORY), about(AIRCRAFT_CHOICE, "car")),
    ("deepfashion, choice", ("choice", "clothing", "deepfashion", CATEGORY), about(AIRCRAFT_CHOICE, "clothing")),
    ("deepfashion, short", ("short_answer", "clothing", "deepfashion", CATEGORY), about(AIRCRAFT_SHORT, "clothing")),
    ("FG-BMK's lists, choice", ("choice", "object", "fgbmk_lists", CATEGORY), about(AIRCRAFT_CHOICE, "object")),
    ("mtarsi, choice", ("choice", "aircraft", "mtarsi", CATEGORY), MTARSI_CHOICE),
    ("mtarsi, true/false", ("true_false", "aircraft", "mtarsi", CATEGORY), MTARSI_TRUE_FALSE),
    ("mtarsi, short", ("short_answer", "aircraft", "mtarsi", CATEGORY), MTARSI_SHORT),
)
def test_wordings_to_the_letter(how, out):
    assert asked(*how, "A-10") == out


@rows(
    ("iNat keeps the singular", ("choice", "animalia", "inat2021", PHYLUM), "which of the following phylum is it?"),
    ("CUB has the plural", ("choice", "aves", "cub", GENUS), "which of the following genera is it?"),
)
def test_of_several_ranks(how, out):
    assert sum(out in question for question in asked(*how, "A-10")) == 1


# --- draws

FAMILIES, VARIANTS = 20, 5
CHANCE = (VARIANTS - 1) / (FAMILIES * VARIANTS - 1)


def build_from(monkeypatch, tmp_path, source: Source, **options) -> Path:
    monkeypatch.setattr(builder, "load_source", lambda *given, **more: source)
    monkeypatch.setattr(builder, "refuse_broken", lambda images, given: None)
    build("fgbmk", root=tmp_path, out=tmp_path / "out", options={"source": source.name, **options})
    return tmp_path / "out"


def made(name: str, level: str, parent: str, images: int = 20, published: str = "") -> Source:
    """100 labels of twenty parents, `images` test images of each."""
    found = [
        LabelledImage(f"{family}-{one}-{n}.jpg", f"{chr(97 + family)}{one}", "test", {parent: f"parent {family}"})
        for family in range(FAMILIES)
        for one in range(VARIANTS)
        for n in range(images)
    ]
    levels = (Level(parent, parent, f"{parent}s"), Level(level, FINE, FINE, published=published))
    return Source(name, Path("."), tuple(found), levels, meta="thing")


def sibling_share(path: Path, kind: str) -> float:
    wrong = []
    for row in read_jsonl(path):
        own, _, _ = row["image"].split("-")
        if kind == "choice":
            offered = row["text"].split('"')[1::2]
            wrong += [option[0] == chr(97 + int(own)) for option in offered if option != row["class"]]
        elif row["class"] == "no":
            label = row["text"].split("?")[0].rsplit(" ", 1)[1]
            wrong.append(label[0] == chr(97 + int(own)))
    return sum(wrong) / len(wrong)


@rows(
    ("aircraft: any label", ("aircraft", "variant", "family", {}), CHANCE),
    ("cars: any label", ("cars", "category", "make", {}), CHANCE),
    ("deepfashion: any label", ("deepfashion", "category", "type", {}), CHANCE),
    ("aircraft, siblings", ("aircraft", "variant", "family", {"negatives": "siblings"}), 1),
    ("cub: siblings first", ("cub", "species", "genus", {}), 1),
    ("a data set that FG-BMK has not", ("folder", "category", "group", {}), 1),
    ("under another name", ("cars", "category", "make", {"dataset": "my_cars"}), 1),
)
def test_the_share_of_siblings_among_wrong_labels(how, out, monkeypatch, tmp_path):
    name, level, parent, options = how
    source = made(name, level, parent, published="species")
    options = {"levels": level, "kinds": "choice,true_false", **options}
    folder = build_from(monkeypatch, tmp_path, source, **options)
    for kind in ("choice", "true_false"):
        (path,) = folder.rglob(f"species_question_{kind}.jsonl")
        assert sibling_share(path, kind) == pytest.approx(out, abs=0.03)


@rows(
    ("aircraft", ("aircraft", "variant", "family"), {"species/choice", "species/true_false", "species/short_answer"}),
    ("cars", ("cars", "category", "make"), {"species/choice", "species/true_false", "species/short_answer"}),
    ("inat2021", ("inat2021", "species", "family"), {"family/choice", "family/true_false"}),
)
def test_the_published_levels_and_kinds_are_asked_by_default(how, out, monkeypatch, tmp_path):
    folder = build_from(monkeypatch, tmp_path, made(*how, images=1, published="species"))
    found = {path.relative_to(folder / HIERARCHY).parts[1:] for path in folder.rglob("*_question_*.jsonl")}
    assert {f"{level}/{name.split('_question_')[1].removesuffix('.jsonl')}" for level, name in found} == out


@rows(
    ("published: it may stand there", {}, True),
    ("siblings: not while others are left", {"negatives": "siblings"}, False),
)
def test_an_option_that_holds_the_right_name(how, out, monkeypatch, tmp_path):
    labels = ["B-2", "B-29", "b 2 bomber", "C-5", "E-3", "F-4"]
    images = tuple(LabelledImage(f"{n}.jpg", labels[n % 6], "test") for n in range(120))
    source = Source("aircraft", Path("."), images, (Level("variant", FINE, FINE),))
    path = next(build_from(monkeypatch, tmp_path, source, kinds="choice", **how).rglob("*_choice.jsonl"))
    offered = {one for row in read_jsonl(path) if row["class"] == "B-2" for one in row["text"].split('"')[1::2]}
    assert (len(offered & {"B-29", "b 2 bomber"}) > 0) == out


def test_attributes_are_left_out_of_a_source_without_any_where_others_have_some(tmp_path, capsys):
    counts = {"train_images_per_species": 1, "test_images_per_species": 1, "pixels": 32}
    for name in ("cub", "grocery"):
        build("drawn", root=None, out=tmp_path / name, options={"source": name, **counts})
    options = {"source": "grocery=grocery,cub=cub", "tracks": "attributes"}
    build("fgbmk", root=tmp_path, out=tmp_path / "out", options=options)
    assert "grocery: attributes left out: grocery at" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").rglob("*.jsonl")] == ["cub_attribute_questions.jsonl"]
