"""What `--general` names: data to mix in, and questions by which forgetting is measured.

Of a file of conversations some pictures are held out: they are asked about, and not learnt from.
"""

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import mean, median

from data_builders.build import build
from data_builders.llava.reading import read_file
from data_builders.records import Manifest, images_of, read_rows, texts_of
from data_builders.shared.errors import UserError
from data_builders.shared.pictures import open_image
from evaluation.tasks.task_files import all_specs, find_files

DRAWN = "drawn"
DRAWN_SKILLS = ("attribute", "count", "presence", "document", "chart")
DRAWN_TRAIN, DRAWN_TEST = 300, 100  # pictures of each skill
CHARACTERS_A_TOKEN, LOOKED_AT = 4, 200  # to estimate tokens; rows that are read for it
HELD_OUT_PICTURES = 200  # of each file of conversations, a tenth of its pictures at most
FEW_QUESTIONS = 30  # too few to see a loss of a tenth
TEXT_ROWS, TEXT_HELD_OUT = 400, 100  # of what the model itself writes
WHAT = (
    f"Write a file of conversations (LLaVA's form), a folder with one, a training set of this program, a folder with "
    f"benchmark questions (python -m data_builders general --help), or {DRAWN}"
)


@dataclass
class General:
    """Training sets, how they come about, and tasks. `sets`: name -> its lines in a recipe."""

    sets: dict[str, dict] = field(default_factory=dict)
    prepare: list[dict] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)  # of question files
    rows: dict[str, int] = field(default_factory=dict)  # of sets that lie there already, or whose size is chosen
    notes: list[str] = field(default_factory=list)  # what is held out, what is not asked

    @property
    def measures_seeing(self) -> bool:
        return bool(self.tasks)


def general_of(words: list[str], pixels: int) -> General:
    """What all the words name together. `pixels`: of a drawn picture's side. UserError for what is none of it."""
    found = General()
    for word in words:
        path = Path(word).expanduser()
        if word == DRAWN and not path.exists():
            add_drawn(found, pixels)
        elif path.is_file():
            add_file(found, path)
        elif path.is_dir():
            add_folder(found, path)
        else:
            raise UserError(f"--general {word}: there is no such file or folder. {WHAT}")
    return found


def add_drawn(found: General, pixels: int) -> None:
    options = {
        "pixels": pixels,
        "train_images_per_species": 1,
        "test_images_per_species": 1,
        "general_train": DRAWN_TRAIN,
        "general_test": DRAWN_TEST,
    }
    found.prepare.append({"what": "drawn", "out": "{built_root}/drawn", "options": options})
    found.folders.append("{built_root}/drawn")
    for skill in DRAWN_SKILLS:
        expected = {"width": pixels, "height": pixels, "text_tokens": 50, "learnt_tokens": 10, "most_text_tokens": 96}
        found.sets[f"drawn_{skill}"] = {
            "path": f"{{built_root}}/drawn/general/{skill}/train",
            "rows": DRAWN_TRAIN,
            "expected": expected,
        }
        found.rows[f"drawn_{skill}"] = DRAWN_TRAIN
        found.tasks.append(f"drawn_{skill}")


def add_file(found: General, path: Path) -> None:
    if path.suffix.lower() not in (".json", ".jsonl"):
        raise UserError(f"--general {path}: no file of conversations (.json, .jsonl). {WHAT}")
    root = path.parent.resolve()
    options = {"file": path.name, "images": images_below(root, path), "heldout": HELD_OUT_PICTURES}
    found.sets[free_name(found)] = {"what": "llava", "root": str(root), "options": options}


def images_below(root: Path, path: Path) -> str:
    """The folder that the file's image paths begin in: beside it, or in a folder beside it."""
    image = next((one for row in read_file(path) for one in images_of(row) if isinstance(one, str)), None)
    if image is None or (root / image).is_file():
        return "."
    places = sorted(one.name for one in root.iterdir() if one.is_dir() and (one / image).is_file())
    if not places:
        raise UserError(f"--general {path}: its first image, {image!r}, lies neither in {root} nor in a folder of it")
    return places[0]


def add_folder(found: General, path: Path) -> None:
    path = path.resolve()
    top, questions = general_questions(path)
    if questions:
        found.tasks += [task for task in questions if task not in found.tasks]
        found.folders.append(str(top))
    if (path / "manifest.json").is_file() and (path / "rows.jsonl").is_file():
        manifest, name = Manifest.load(path), free_name(found)
        found.sets[name] = {"path": str(path), "images_in": [str((path / manifest.image_root).resolve())]}
        found.rows[name] = manifest.rows
        found.notes.append(f"{name}: a finished training set, so all of it is mixed in and none of it asked about")
        return
    asked = {file for files in questions.values() for file in files}
    files = sorted(one for one in path.iterdir() if one.suffix.lower() in (".json", ".jsonl") and one not in asked)
    if not questions and len(files) != 1:
        several = f"several files of conversations ({', '.join(one.name for one in files[:5])}): name one"
        raise UserError(f"--general {path}: {several if files else 'nothing to learn from or to ask'}. {WHAT}")
    if len(files) == 1:
        add_file(found, files[0])


def general_questions(folder: Path) -> tuple[Path, dict[str, list[Path]]]:
    """(the data folder, task of a general skill -> its question files inside `folder`).

    `folder` is the data folder, its general/, or one benchmark in that.
    """
    specs = [spec for spec in all_specs().values() if spec.group == "general" and spec.reader != "text"]
    for top in (folder, folder.parent, folder.parent.parent):
        files = {spec.name: [path for path, _ in find_files(spec, [top]) if folder in path.parents] for spec in specs}
        if found := {name: some for name, some in files.items() if some}:
            return top, found
    return folder, {}


def build_general(found: General, built: Path) -> None:
    """Build what is to be built, now: how many rows there are decides how often they are mixed in."""
    for name, values in found.sets.items():
        if "what" in values:
            root, options = Path(values["root"]), values["options"]
            try:
                manifest = build(values["what"], root=root, out=built / name, options=options)
            except UserError as error:
                raise UserError(f"--general: {error}") from None
            found.rows[name] = manifest["rows"]
            add_held_out(found, name, manifest["asked"])
        if "expected" not in values:
            values["expected"] = expected_of(Path(values.get("path", built / name)))


def add_held_out(found: General, name: str, asked: dict[str, int]) -> None:
    """The task of what was held out; a note where nothing could be, or little."""
    if not asked["questions"]:
        why = "it has no picture with a short answer, or fewer than ten pictures"
        found.notes.append(f"{name}: none of it is asked about ({why}), so what of it is forgotten is not measured")
        return
    found.tasks.append(f"heldout/{name}")
    told = f"{name}: {asked['pictures']:,} pictures are held out and asked about ({asked['questions']:,} questions)"
    if asked["rows_without_question"]:
        told += f"; {asked['rows_without_question']:,} of their {asked['rows']:,} rows have long answers: not measured"
    if asked["questions"] < FEW_QUESTIONS:
        told += ". So few show large losses alone"
    found.notes.append(told)


def expected_of(folder: Path) -> dict[str, float]:
    """What a row of a training set holds on average, by its first ones."""
    rows = list(islice(read_rows(folder), LOOKED_AT))
    root = folder / Manifest.load(folder).image_root
    said = [sum(len(text) for text in texts_of(row)) // CHARACTERS_A_TOKEN for row in rows]
    answers = [sum(len(one["value"]) for one in row["conversations"] if one["from"] == "gpt") for row in rows]
    pictures = [image for row in rows for image in images_of(row)]
    sizes = [open_image(root / image).size for image in pictures[:: 1 + len(pictures) // LOOKED_AT]]
    wide, high = (round(median(side)) for side in zip(*(sizes or [(1, 1)]), strict=True))
    return {
        "pictures": round(len(pictures) / len(rows), 3),
        "width": wide,
        "height": high,
        "text_tokens": 20 + round(mean(said)),
        "learnt_tokens": 1 + round(mean(answers) / CHARACTERS_A_TOKEN),
        "most_text_tokens": 40 + 2 * max(said),
    }


def free_name(found: General) -> str:
    used = [name for name in found.sets if name.startswith("general")]
    return f"general_{len(used) + 1}" if used else "general"
