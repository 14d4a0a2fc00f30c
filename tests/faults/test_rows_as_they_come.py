"""Training rows and photo folders from anywhere: nothing is learnt that should not be, nothing left out in silence."""

import json
from functools import cache
from pathlib import Path

import pytest
from PIL import Image
from table import rows
from transformers import AutoTokenizer

from data_builders.build import build
from data_builders.mosaic import answer_in_order
from data_builders.records import Manifest, read_rows
from data_builders.shared.errors import UserError
from data_builders.shared.files import sha256_file, write_json
from fgtrain.batch import IGNORE_INDEX
from fgtrain.data import encode_row
from fgtrain.data.datamodule import StageData
from fgtrain.data.image import arranged
from fgtrain.data.rows import Rows
from fgtrain.images import Square
from fgtrain.recipe.devices_schema import Devices
from fgtrain.recipe.stage_schema import Stage

LANGUAGE_MODEL = Path(__file__).resolve().parents[2] / "recipes" / "mini" / "base" / "language_model"
SPEC = Square(size=16, mean=(0.5,) * 3, std=(0.5,) * 3, resample="bilinear", tokens=4)
SIX = {".jpg": "JPEG", ".gif": "GIF", ".tif": "TIFF", ".jfif": "JPEG", ".JPE": "JPEG", ".avif": "AVIF", "": "PNG"}


@cache
def tokenizer():
    return AutoTokenizer.from_pretrained(LANGUAGE_MODEL)


def picture(path: Path, kind: str = "JPEG", colour: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (colour * 37 % 256, colour * 91 % 256, 100)).save(path, kind)
    return path


def built(folder: Path, row: dict, **options) -> list[dict]:
    """The one row as `llava` writes it."""
    picture(folder / "images" / "a.jpg")
    (folder / "rows.json").write_text(json.dumps([{"id": 1, "image": "a.jpg", **row}]))
    values = {"file": "rows.json", "images": "images", "check": "none", **options}
    build("llava", root=folder, out=folder / "out", options=values)
    return list(read_rows(folder / "out"))


def talk(*answers: dict, role: str = "assistant") -> dict:
    turns = []
    for number, answer in enumerate(answers):
        turns += [{"role": "user", "content": f"what is it {number}"}, {"role": role, **answer}]
    return {"messages": turns}


def taught(row: dict) -> str:
    """What of the row is learnt."""
    sample = encode_row(row, tokenizer(), "qa", SPEC, 512)
    return tokenizer().decode(sample.targets[sample.targets != IGNORE_INDEX], skip_special_tokens=True)


CROW, GULL = {"content": "red"}, {"content": "blue"}


@rows(
    ("loss: false", talk(CROW | {"loss": False}, GULL), "blue"),
    ("loss: true", talk(CROW | {"loss": True}, GULL | {"loss": False}), "red"),
    ("weight 0, as OpenAI has it", talk(CROW | {"weight": 0}, GULL | {"weight": 1}), "blue"),
    ("weights as numbers with a point", talk(CROW | {"weight": 0.0}, GULL | {"weight": 1.0}), "blue"),
    ("weight: null", talk(CROW | {"weight": None}), "red"),
    ("train: false, as axolotl has it", talk(CROW, GULL | {"train": False}), "red"),
    (
        "a question's loss: false",
        {"messages": [{"role": "user", "content": "?", "loss": False}, *talk(CROW)["messages"][1:]]},
        "red",
    ),
    ("independent questions", talk(CROW | {"loss": False}, GULL) | {"turns": "independent"}, "blue"),
)
def test_an_answer_that_is_not_to_be_learnt_is_not(tmp_path, how, out):
    (row,) = built(tmp_path, how)
    learnt = taught(row).split()
    assert [word for word in ("red", "blue") if word in learnt] == [out]


@rows(
    ("a text", talk(CROW | {"loss": "false"}, GULL), "loss is 'false'"),
    ("a number", talk(CROW | {"loss": 0}, GULL), "loss is '0'"),
    ("null", talk(CROW | {"loss": None}, GULL), "loss is 'None'"),
    ("half a weight", talk(CROW | {"weight": 0.5}, GULL), "weight is '0.5'"),
    ("a mask", talk(CROW | {"loss_mask": [0, 1]}, GULL), "loss_mask"),
    (
        "a question's loss",
        {"messages": [{"role": "user", "content": "?", "loss": True}, *talk(CROW)["messages"][1:]]},
        "only answers",
    ),
    ("no answer left", talk(CROW | {"loss": False}), "no answer to learn from"),
    ("turns of another kind", talk(CROW) | {"turns": "x"}, "turns"),
    ("turns as a number", talk(CROW) | {"turns": 2}, "turns"),
)
def test_a_row_that_cannot_be_followed_is_refused_by_name(tmp_path, how, out):
    with pytest.raises(UserError, match=out):
        built(tmp_path, how)


def training_set(folder: Path, lines: list[str]) -> Path:
    """A set written elsewhere, whose manifest vouches for it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.jsonl").write_text("".join(line + "\n" for line in lines))
    manifest = Manifest("mine", "llava", len(lines), 1, sha256_file(folder / "rows.jsonl"), ".", [], [])
    write_json(folder / "manifest.json", vars(manifest))
    return folder


def line(answer: str = "crow", image: str | None = None, **more) -> str:
    lead = "<image>\n" if image else ""
    turns = [{"from": "human", "value": lead + "what is it"}, {"from": "gpt", "value": answer, **more.pop("turn", {})}]
    return json.dumps({"id": 1, **({"image": image} if image else {}), "conversations": turns, **more})


@rows(
    ("half a surrogate pair", line("\ud83d"), "surrogate"),
    ("in a key that nobody reads", line(note="\udc00"), "surrogate"),
    ("turns of another kind", line(turns="x"), "turns"),
    ("a loss that is no boolean", line(turn={"loss": "no"}), "loss"),
)
def test_a_set_written_elsewhere_is_refused_with_its_place(tmp_path, how, out):
    with pytest.raises(UserError, match=out):
        Rows(training_set(tmp_path / "set", [how]))


def stage(folder: Path, lines: list[str], max_tokens: int, **more) -> StageData:
    return StageData(
        name="sft",
        stage=Stage(train={}, mix={"mine": 1}, global_batch_size=1),
        folders={"mine": training_set(folder / "sets" / "mine", lines)},
        seed=1,
        devices=Devices(per_device_batch_size=1),
        tokenizer=tokenizer(),
        image_spec=SPEC,
        chat="qa",
        max_tokens=max_tokens,
        features=None,
        quarantine=folder / "quarantine.jsonl",
        cache=folder / "cache",
        **more,
    )


LONG, SHORT = line("crow " * 60), line("crow")


@rows(
    ("each one", ([LONG] * 4, 0.05), "4 of 4 rows.*max_tokens.*max_cut_fraction: 1"),
    ("one in four", ([LONG, SHORT, SHORT, SHORT], 0.05), "1 of 4 rows.*max_cut_fraction: 0.25"),
    ("as many as allowed", ([LONG, SHORT, SHORT, SHORT], 0.25), None),
    ("none", ([SHORT] * 4, 0.0), None),
)
def test_answers_that_are_cut_are_counted_and_refused(tmp_path, capsys, how, out):
    lines, allowed = how
    data = stage(tmp_path, lines, 40, max_cut={"mine": allowed})
    if out is None:
        data.check()
        assert ("1 of 4 rows" in capsys.readouterr().out) == (LONG in lines)
        return
    with pytest.raises(UserError, match=out):
        data.check()


def outside(kind: str, folder: Path) -> list[str]:
    """Rows of a set whose image is reached by a link that leads out of it."""
    secret, place = picture(folder / "secret" / "a.jpg"), folder / "sets" / "mine"
    place.mkdir(parents=True)
    if kind == "file":
        (place / "a.jpg").symlink_to(secret)
    elif kind == "folder":
        (place / "b").symlink_to(secret.parent)
    elif kind == "inside":
        picture(place / "real.jpg")
        (place / "a.jpg").symlink_to(place / "real.jpg")
    return [line(image="b/a.jpg" if kind == "folder" else "a.jpg")]


@rows(
    ("a link to a file", ("file", ()), "outside of data_root"),
    ("a link to a folder", ("folder", ()), "outside of data_root"),
    ("a link to a file that is allowed", ("file", ("secret",)), None),
    ("a link that stays inside", ("inside", ()), None),
)
def test_images_lie_where_the_recipe_says(tmp_path, how, out):
    kind, allowed = how
    lines = outside(kind, tmp_path)
    data = stage(tmp_path, lines, 512, image_places={"mine": [tmp_path / one for one in allowed]})
    if out is None:
        data.check()
        return
    with pytest.raises(UserError, match=out):
        data.check()


@rows(
    ("another suffix", ("p1.gif", "p1.jpg"), "p1.gif"),
    ("upper case", ("P1.JPG", "p1.jpg"), "P1.JPG"),
    ("a folder once too often", ("p1.jpg", "images/p1.jpg"), "p1.jpg"),
    ("a folder too few", ("images/p1.jpg", "p1.jpg"), "images/p1.jpg"),
    ("a trailing blank", ("p1.jpg", "p1.jpg "), "p1.jpg"),
    ("another folder's case", ("Crow/p1.jpg", "crow/p1.jpg"), "Crow/p1.jpg"),
)
def test_a_missing_image_names_what_is_there_in_its_place(tmp_path, how, out):
    there, asked = how
    picture(tmp_path / "images" / there)
    with pytest.raises(UserError) as error:
        built(tmp_path, talk(CROW) | {"image": asked})
    assert f"{out!r} is there for {asked!r} (1 of 1" in str(error.value)


def folder_of(place: Path, names: dict[str, str]) -> Path:
    for number, (name, kind) in enumerate(names.items()):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind in ("text", "heic"):
            path.write_bytes({"text": b"notes", "heic": b"\0\0\0\x18ftypheic\0\0\0\0"}[kind])
        else:
            picture(path, kind, number)
    return place


def short_answers(root: Path, out: Path, **options) -> list[dict]:
    values = {"source": "folder", "check": "none", **options}
    build("short_answer", root=root, out=out, options=values)
    return list(read_rows(out))


@rows(
    (
        "every suffix that holds a picture",
        {f"crow/{n}{suffix}": kind for n, (suffix, kind) in enumerate(SIX.items())},
        7,
    ),
    ("upper case", {"crow/a.JPG": "JPEG", "crow/b.PNG": "PNG", "gull/c.WebP": "WEBP"}, 3),
    ("a picture that is called otherwise", {"crow/a.picture": "PNG", "crow/b.jpg": "JPEG"}, 2),
)
def test_every_picture_of_a_folder_is_taken(tmp_path, capsys, how, out):
    assert len(short_answers(folder_of(tmp_path / "photos", how), tmp_path / "out")) == out
    assert "not read" not in capsys.readouterr().err


@rows(
    ("a format that is not read", {"crow/a.jpg": "JPEG", "crow/b.heic": "heic"}, "not read .*1 \\(.heic 1\\)"),
    ("notes beside", {"crow/a.jpg": "JPEG", "crow/b.txt": "text", "gull/c.jpg": "JPEG"}, "1 \\(.txt 1\\)"),
)
def test_what_is_passed_over_is_counted(tmp_path, capfd, how, out):
    import re

    short_answers(folder_of(tmp_path / "photos", how), tmp_path / "out")
    assert re.search(out, capfd.readouterr().err)


def test_a_class_of_other_formats_alone_is_told_as_such(tmp_path):
    root = folder_of(tmp_path / "photos", {"crow/a.jpg": "JPEG", "gull/b.heic": "heic"})
    with pytest.raises(UserError, match=r"gull has no image.*\.heic 1"):
        short_answers(root, tmp_path / "out")


@rows(
    ("plain names", ["jay", "wren", "gull", "crow"], "jay, wren, gull, crow"),
    ("a comma", ["jay", "rice, fried", "gull", "crow"], "jay; rice, fried; gull; crow"),
    ("a comma and a semicolon", ["jay", "a, b", "c; d", "crow"], "jay | a, b | c; d | crow"),
    ("all of them", ["a|b", "a, b", "c; d", "crow"], "a|b\na, b\nc; d\ncrow"),
)
def test_a_mosaics_answer_can_be_taken_apart(how, out):
    assert answer_in_order(how, range(4), "reading_order", (2, 2)) == out
    turns = [{"from": "human", "value": "<image>\nwhich?"}, {"from": "gpt", "value": out}]
    form = {"names": how, "grid": [2, 2], "tile_pixels": 8}
    row = arranged({"image": ["a"] * 4, "conversations": turns, "mosaic": form}, [3, 2, 1, 0], "row")
    assert row["conversations"][1]["value"] == answer_in_order(how, [3, 2, 1, 0], "reading_order", (2, 2))


def test_the_question_says_what_separates(tmp_path):
    names = {f"{name}/{n}.jpg": "JPEG" for n, name in enumerate(("jay", "rice, fried", "gull", "crow"))}
    values = {"source": "folder", "check": "none", "grid": 2}
    build("mosaic", root=folder_of(tmp_path / "photos", names), out=tmp_path / "out", options=values)
    (row,) = read_rows(tmp_path / "out")
    assert "semicolons" in row["conversations"][0]["value"]


def split_of(root: Path, out: Path, **options) -> tuple[set[str], set[str]]:
    """Images of the training rows, and of the questions about test images, of two builders."""
    learnt = {row["image"] for row in short_answers(root, out / "train", **options)}
    values = {"source": "folder", "check": "none", **options}
    build("fgbmk", root=root, out=out, options=values)
    files = (out / "FG-BMK").rglob("*.jsonl")
    asked = {json.loads(text)["image"] for file in files for text in file.read_text().splitlines()}
    assert asked <= PHOTOS.keys()
    return learnt, asked


PHOTOS = {f"{name}/{number}.jpg": "JPEG" for name in ("crow", "gull", "jay", "wren", "owl") for number in range(10)}


def test_test_images_are_drawn_and_shared_by_builders(tmp_path):
    root = folder_of(tmp_path / "photos", PHOTOS)
    learnt, asked = split_of(root, tmp_path / "out", test_fraction=0.2)
    assert len(learnt) == 40
    assert len(asked) == 10
    assert not learnt & asked


def test_photos_of_one_group_stay_together(tmp_path):
    root = folder_of(tmp_path / "photos", PHOTOS)
    lines = [f"{image},{image.partition('/')[0]}{int(Path(image).stem) // 3}" for image in PHOTOS]
    (tmp_path / "groups.csv").write_text("file,group\n" + "\n".join(lines))
    learnt, asked = split_of(root, tmp_path / "out", test_fraction=0.3, groups=str(tmp_path / "groups.csv"))
    groups = dict(text.split(",") for text in lines)
    assert not {groups[one] for one in learnt} & {groups[one] for one in asked}
    assert {Path(one).parent.name for one in asked} == {"crow", "gull", "jay", "wren", "owl"}


def test_a_folder_without_test_images_says_how_to_get_some(tmp_path):
    with pytest.raises(UserError, match="--test-fraction"):
        build("fgbmk", root=folder_of(tmp_path / "photos", PHOTOS), out=tmp_path / "out", options={"source": "folder"})
