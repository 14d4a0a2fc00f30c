"""`python -m data_builders check`: training sets against benchmarks, and what counts as a leak."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from leakage_fakes import BLUE, RED, copy, found, general, make_photographed_cub, photo, training_set
from PIL import Image

from data_builders.__main__ import main
from data_builders.build import build
from data_builders.leakage.benchmarks import find_question_files
from data_builders.leakage.contradictions import contradictions
from data_builders.records import read_rows
from data_builders.shared.errors import UserError, run_command
from data_builders.shared.files import write_json, write_jsonl

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def cub(tmp_path):
    return make_photographed_cub(tmp_path / "cub")


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def check(capsys):
    """The command in this process: its exit status and what it printed."""

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        try:
            status = run_command(lambda: main(["check", *map(str, arguments)]))
        except SystemExit as stop:  # argparse
            status = stop.code
        return Done(status, *capsys.readouterr())

    return run


def test_the_command_tells_everything_and_ends_with_status_2(cub, tmp_path, check):
    build("short_answer", root=cub, out=tmp_path / "sets/names", options={"source": "cub"})
    build("fgbmk", root=cub, out=tmp_path / "bench", options={"source": "cub"})
    clean = check("--root", tmp_path / "sets", "--against", tmp_path / "bench", "--out", tmp_path / "found")
    assert clean.returncode == 0, clean.stderr
    assert "nothing leaks" in clean.stdout
    assert "14 test images" in clean.stdout
    for number, path in enumerate(sorted((cub / "images").rglob("Red_Jay*.jpg"))):
        photo(number // 3).save(path)  # three copies: training, training, test
    leaking = check("--root", tmp_path / "sets", "--against", tmp_path / "bench/FG-BMK", "--out", tmp_path / "found")
    assert leaking.returncode == 2
    assert "Traceback" not in leaking.stderr
    kinds = [finding["kind"] for finding in found(tmp_path / "found")]
    assert kinds.count("identical_image") == 2
    for finding in found(tmp_path / "found"):
        assert finding["rows"] == [f"cub/short_answer/species/{finding['image'].removesuffix('.jpg')}"]
    again = check("--root", tmp_path / "sets", "--out", tmp_path / "found")  # own test split, without benchmarks
    assert again.returncode == 2
    assert "[cub: own test split]" in again.stdout


def test_images_of_the_own_test_split_are_found_by_their_place(cub, tmp_path, check):
    build("short_answer", root=cub, out=tmp_path / "set", options={"source": "cub"})
    rows = list(read_rows(tmp_path / "set"))
    rows[3]["image"] = f"images/{RED}0003.jpg"
    write_jsonl(tmp_path / "set/rows.jsonl", rows)
    done = check("--root", tmp_path / "set", "--out", tmp_path / "found", "--check", "bytes")
    assert done.returncode == 2
    assert [(one["kind"], one["image"], one["rows"]) for one in found(tmp_path / "found")] == [
        ("test_image", rows[3]["image"], [rows[3]["id"]])
    ]
    assert check("--root", tmp_path / "set", "--out", tmp_path / "found", "--own-test", "false").returncode == 0
    assert not found(tmp_path / "found")


def test_a_fixed_wording_leaks_only_with_its_image_and_an_open_question_alone(tmp_path, check):
    fixed, opened = "Is there a dog in the image?", "What is the primary diet of the bird in the image?"
    data = tmp_path / "data"
    folder = general(data, [(f"{n}.jpg", fixed, "no") for n in range(4)])
    for n in range(4):
        photo(n).save(folder / f"{n}.jpg")
    (data / "FROW").mkdir()
    photo(8).save(data / "FROW/x.jpg")
    row = {"image": "x.jpg", "name": "jay", "question": opened, "ref_answer": "Seeds."}
    write_jsonl(data / "FROW/cub_with_reference.jsonl", [row])
    photo(0).save(tmp_path / "same.jpg", quality=60)
    photo(20).save(tmp_path / "other.jpg")
    sets = tmp_path / "sets"
    training_set(sets / "wording", tmp_path, [("other.jpg", fixed, "no"), (None, "Is a dog a mammal?", "yes")])
    done = check("--root", sets, "--against", data, "--out", tmp_path / "found")
    assert done.returncode == 0, done.stdout
    training_set(sets / "with_image", tmp_path, [("other.jpg", fixed, "no"), ("same.jpg", fixed + "\nAnswer.", "no")])
    training_set(
        sets / "open", tmp_path, [("other.jpg", "Hello?", "c"), (None, opened.replace("the image", "this image"), "c")]
    )
    assert check("--root", sets, "--against", data, "--out", tmp_path / "found").returncode == 2
    seen = [(one["in"], one["kind"], one["rows"]) for one in found(tmp_path / "found")]
    assert seen == [
        ("open", "question", [1]),
        ("with_image", "near_image", [1]),
        ("with_image", "question_and_image", [1]),
    ]


def test_a_mirrored_copy_is_found_when_asked_for(tmp_path, check):
    folder = general(tmp_path / "data", [("a.jpg", "What is it?", "a jay")])
    photo(1).save(folder / "a.jpg")
    photo(1).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "b.jpg")
    training_set(tmp_path / "set", tmp_path, [("b.jpg", "What?", "c")])
    options = ["--root", tmp_path / "set", "--against", tmp_path / "data", "--out", tmp_path / "found"]
    assert check(*options).returncode == 0
    assert check(*options, "--mirrored").returncode == 2
    assert found(tmp_path / "found")[0]["mirrored"] is True


def test_all_unusable_images_are_listed_at_once(tmp_path, check):
    folder = general(tmp_path / "data", [("a.jpg", "What is it?", "a jay"), ("gone.jpg", "What is it?", "a jay")])
    (folder / "a.jpg").write_bytes(b"")
    (tmp_path / "text, with ü.jpg").write_text("no picture")
    photo(1).save(tmp_path / "good.jpg")
    training_set(tmp_path / "set", tmp_path, [("text, with ü.jpg", "What?", "c"), ("good.jpg", "What?", "c")])
    done = check("--root", tmp_path / "set", "--against", tmp_path / "data", "--out", tmp_path / "found")
    assert done.returncode == 2
    assert "3 images cannot be used" in done.stderr
    for part in ("gone.jpg", "a.jpg is empty", "text, with ü.jpg cannot be read"):
        assert part in done.stderr


def test_equal_benchmark_images_with_different_answers_are_listed(cub, tmp_path, capsys, check):
    copy(cub, f"{RED}0002", f"{BLUE}0003")
    build("fgbmk", root=cub, out=tmp_path / "out", options={"source": "cub"})
    assert "byte-identical benchmark images with different answers" in capsys.readouterr().err
    listed = found(tmp_path / "out/FG-BMK/human-oriented/hierarchical_granularity_recognition/cub")
    by_file = {finding["in"].rsplit("/", 1)[-1]: finding for finding in listed}
    assert by_file["species_question_short_answer.jsonl"]["answers"] == ["red jay", "blue jay"]
    assert "genus_question_choice.jsonl" not in by_file  # both are jays
    done = check("--root", REPOSITORY / "nowhere", "--against", tmp_path / "out")
    assert done.returncode == 2
    assert "no folder" in done.stderr


def test_contradictions_are_of_one_question(tmp_path):
    folder = general(tmp_path, [("a.jpg", "Red?", "yes"), ("b.jpg", "Red?", "no"), ("a.jpg", "Blue?", "no")], "one")
    for name in "ab":
        photo(1).save(folder / f"{name}.jpg")
    (finding,) = contradictions(find_question_files(tmp_path))
    assert finding.about == {"images": ["a.jpg", "b.jpg"], "answers": ["yes", "no"]}
    general(tmp_path, [("a.jpg", "Red?", "yes"), ("b.jpg", "Blue?", "no")], "one")
    assert contradictions(find_question_files(tmp_path)) == []


def test_question_files_are_found_where_evaluation_finds_them(tmp_path):
    track = tmp_path / "data/FG-BMK/human-oriented"
    files = [
        "hierarchical_granularity_recognition/cub/species/species_question_choice.jsonl",
        "hierarchical_granularity_recognition/cub/class/class_question_true_flase.jsonl",
        "knowledge_bias_estimation/cub/questions_true_false_all_class.jsonl",
        "knowledge_bias_estimination/aircraft/questions_true_false_all_class.jsonl",  # published so
        "attribute_recognition/cub_attribute_questions.jsonl",
    ]
    for file in files:
        write_jsonl(track / file, [{"question_id": 1, "image": "a.jpg", "text": "?", "class": "x"}])
    write_jsonl(tmp_path / "data/general/pope/questions.jsonl", [{"question_id": 1, "question": "?", "answer": "x"}])
    assert len(find_question_files(tmp_path / "data")) == 6
    assert len(find_question_files(tmp_path / "data/FG-BMK")) == 5
    assert len(find_question_files(track / "hierarchical_granularity_recognition/cub/class")) == 1
    (one,) = find_question_files(track / files[4])
    assert one.images.root.resolve() == tmp_path / "data/CUB_200_2011"
    write_json(tmp_path / "data/FG-BMK/images.json", {"cub": "../../birds"})
    assert find_question_files(track)[0].images.root.resolve() == tmp_path / "birds"
    write_jsonl(track / "attribute_recognition/new_attribute_questions.jsonl", [{"text": "?"}])
    with pytest.raises(UserError, match=r"where are the images of 'new'.*images\.json"):
        find_question_files(tmp_path / "data")
    with pytest.raises(UserError, match="holds no benchmark questions"):
        find_question_files(REPOSITORY / "tests")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--root", "."], "holds no training set"),
        (["--root", ".", "--near-bits", "65"], "from 0 to 64"),
        (["--root", ".", "--mirrored", "maybe"], "true or false"),
        (["--root", ".", "--check", "none"], "invalid choice"),
        ([], "--root"),
    ],
)
def test_what_cannot_be_checked_is_said(tmp_path, arguments, says, check):
    arguments = [str(tmp_path) if one == "." else one for one in arguments]
    done = check(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_gives_the_status():
    command = [sys.executable, "-m", "data_builders", "check", "--root", "no such folder"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no folder no such folder")
