"""FG-BMK as it is downloaded: where its images lie, MTARSI, which of its files are there."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from fgbmk_files import HIERARCHY, picture, question
from table import rows

from data_builders.build import build
from data_builders.leakage.benchmarks import find_question_files
from data_builders.shared.errors import UserError
from data_builders.sources import load_source
from evaluation.asking import evaluate
from evaluation.tasks.load import load_tasks
from evaluation.tasks.task_files import spec_of

# --- where the images lie


@rows(
    ("cub", ("cub", "images/1.Jay/a.jpg", "CUB_200_2011/images/1.Jay/a.jpg"), None),
    ("aircraft", ("aircraft", "images/1.jpg", "fgvc-aircraft-2013b/data/images/1.jpg"), None),
    ("dogs, Images/", ("stanforddog", "images/n1-Pug/a.jpg", "StanfordDogs/Images/n1-Pug/a.jpg"), None),
    ("cars", ("stanfordcar", "car_ims/1.jpg", "stanford_cars/car_ims/1.jpg"), None),
    ("deepfashion", ("deepfashion", "img/Dress/a.jpg", "DeepFashion/img/Dress/a.jpg"), None),
    ("deepfashion, Img/", ("deepfashion", "img/Dress/a.jpg", "DeepFashion/Img/img/Dress/a.jpg"), None),
    ("flowers", ("flowers102", "jpg/image_1.jpg", "flowers102/jpg/image_1.jpg"), None),
    ("iNat", ("iNat2021", "val/1_Animalia/a.jpg", "inat2021/val/1_Animalia/a.jpg"), None),
    ("mtarsi", ("mtarsi", "A-10/A-10_1.jpg", "MTARSI-fixed/A-10/A-10_1.jpg"), None),
    ("food, as FG-BMK calls it", ("food101", "images/pie/1.jpg", "food101/images/pie/1.jpg"), None),
    ("a user's own, under its name", ("moths", "a.jpg", "moths/a.jpg"), None),
    ("dogs not there", ("stanforddog", "images/n1-Pug/a.jpg", "elsewhere/a.jpg"), "as StanfordDogs, or write"),
)
def test_images_are_found_beside_fgbmk_as_downloaded(how, out, tmp_path):
    dataset, image, place = how
    path = tmp_path / HIERARCHY / dataset / "species/species_question_short_answer.jsonl"
    question(path, image)
    picture(tmp_path / place)
    (task,) = load_tasks(["fgbmk"], [tmp_path])
    (file,) = find_question_files(tmp_path)
    if out is None:
        assert task.items[0].image_path == tmp_path / place
        assert [one.path for one in file.questions()] == [str(tmp_path.resolve() / place)]
        return

    class Silent:
        name, model_hash, settings = "silent", "1", {}

    with pytest.raises(UserError, match=out):
        evaluate(Silent(), [task], tmp_path / "answers")


def test_a_training_set_is_compared_with_what_is_there_of_fgbmk_and_the_rest_is_said(tmp_path, capsys):
    for shade, place in enumerate(("mine/train/jay/a.png", "mine/train/wren/a.png", "CUB_200_2011/images/1.Jay/a.jpg")):
        picture(tmp_path / place, shade * 40)
    for dataset, image in (("cub", "images/1.Jay/a.jpg"), ("aircraft", "images/1.jpg")):
        question(tmp_path / HIERARCHY / dataset / "species/species_question_short_answer.jsonl", image)
    options = {"source": "folder", "against": str(tmp_path)}
    found = build("short_answer", root=tmp_path / "mine", out=tmp_path / "out", options=options)["check"]
    assert (found["test_images"], found["data_sets_not_there"]) == (1, {"../fgvc-aircraft-2013b": 1})
    assert "fgvc-aircraft-2013b is not there: 1 of its pictures" in capsys.readouterr().err
    # Once it is there, a finished set is compared with it.
    picture(tmp_path / "fgvc-aircraft-2013b/data/images/1.jpg", 200)
    found = build("short_answer", root=tmp_path / "mine", out=tmp_path / "out", options=options)["check"]
    assert (found["test_images"], "data_sets_not_there" in found) == (2, False)
    shutil.copy(tmp_path / "mine/train/jay/a.png", tmp_path / "fgvc-aircraft-2013b/data/images/1.jpg")
    with pytest.raises(UserError, match="would be trained on what it is tested with"):
        build("short_answer", root=tmp_path / "mine", out=tmp_path / "again", options=options)


@rows(
    ("beside the question file", "FROW/images/1.Jay/a.jpg", "FROW/cub_with_reference.jsonl"),
    ("a clone beside the data set", "CUB_200_2011/images/1.Jay/a.jpg", "FROW/benchmark/cub_with_reference.jsonl"),
)
def test_images_of_frow(how, out, tmp_path):
    picture(tmp_path / how)
    row = {"image": "images/1.Jay/a.jpg", "name": "jay", "question": "Who?", "ref_answer": "A jay."}
    (tmp_path / out).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / out).write_text(json.dumps(row) + "\n")
    (task,) = load_tasks(["frow"], [tmp_path])
    assert task.items[0].image_path == tmp_path / how


# --- MTARSI and the lists


def mtarsi(root: Path) -> None:
    for name in ("A-10", "Commercial-4engine"):
        for number in range(3):
            picture(root / name / f"{name}_{number:03}.jpg")


@rows(
    ("FG-BMK beside it", "asked", 1),
    ("its lists inside", "test.csv", 1),
    ("nothing says it", None, "nothing says which pictures of MTARSI are its test split"),
    ("a picture is not there", "gone", "are not there, the first"),
)
def test_mtarsi_is_read_with_fgbmks_split(how, out, tmp_path):
    root = tmp_path / "mtarsi"
    mtarsi(root)
    image = "Commercial-4engine/Commercial-4engine_001.jpg"
    if how == "test.csv":
        (root / "test.csv").write_text(f"{image},1\n")
        (root / "train.csv").write_text("A-10/A-10_000.jpg,0\n")
    elif how is not None:
        place = "../FG-BMK/human-oriented/hierarchical_granularity_recognition/mtarsi/species/x_question_choice.jsonl"
        question(root / place, image if how != "gone" else "A-10/A-10_099.jpg")
    if isinstance(out, str):
        with pytest.raises(UserError, match=out):
            load_source("mtarsi", root)
        return
    source = load_source("mtarsi", root)
    assert [row.image for row in source.split("test")] == [image]
    assert Counter(row.category for row in source.split("trainval")) == {"A-10": 3, "Commercial-4engine": 2}


def test_the_lists_of_dogs_say_images_where_the_download_has_capitals(tmp_path):
    picture(tmp_path / "Images/n1-Pug/a.jpg")
    picture(tmp_path / "Images/n1-Pug/b.jpg")
    (tmp_path / "classes.txt").write_text("pug\n")
    (tmp_path / "train.csv").write_text("images/n1-Pug/a.jpg,0\n")
    (tmp_path / "test.csv").write_text("images/n1-Pug/b.jpg,0\n")
    found = load_source("fgbmk_lists", tmp_path).images
    assert {row.image for row in found} == {"Images/n1-Pug/a.jpg", "Images/n1-Pug/b.jpg"}
    shutil.rmtree(tmp_path / "Images")
    with pytest.raises(UserError, match="are not there"):
        load_source("fgbmk_lists", tmp_path)


def test_a_tasks_full_name_is_known_without_its_file():
    assert spec_of("fgbmk/mtarsi/species/choice")[1]["type"] == "choice"


@rows(
    ("FG-BMK itself", "FG-BMK", r"Name the folder that holds FG-BMK/: "),
    ("a folder with nothing", "empty", "no question file in .*empty; looked for FG-BMK/human-oriented"),
)
def test_a_data_folder_without_question_files(how, out, tmp_path):
    (tmp_path / how).mkdir()
    with pytest.raises(UserError, match=out):
        load_tasks(["fgbmk"], [tmp_path / how])
