"""ImageNet (ILSVRC2012): its validation pictures, which are the field's test set, and train/ where it lies there.

Validation lies flat, as the tar is unpacked, and the devkit says what each picture is; or in a folder for each synset.
A class is called by its synset's first synonym, the others are its aliases. Where classes share a first synonym, each
that has one takes its first synonym that no class begins with.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ..shared.errors import UserError
from .base import About, LabelledImage, Level, Source, same_name
from .matlab import read_mat, records, texts, whole_numbers
from .reading import check_images, files_in, numbered_lines, pictures_among, spelled

ABOUT = About(
    title="ImageNet (ILSVRC2012)",
    where="https://image-net.org/challenges/LSVRC/2012/",
    layout="val/ flat with ILSVRC2012_devkit_t12/, or a folder a synset with LOC_synset_mapping.txt; train/ or none",
)
PLACES = {"train": ("train", "ILSVRC2012_img_train"), "test": ("val", "ILSVRC2012_img_val")}
MAPPING, DEVKIT, TRUTH = "LOC_synset_mapping.txt", "ILSVRC2012_devkit_t12", "ILSVRC2012_validation_ground_truth.txt"
SYNSET = re.compile(r"n\d{8}")
MOST_SYNSETS = 100_000
# Both have the one synonym "crane"; what kind of thing each is comes from its gloss.
ALONE = {"n02012849": "crane (bird)", "n03126707": "crane (machine)"}


def read(root: Path) -> Source:
    """One level, category; meta-class word "object". UserError: a synset without a name, or without a test picture."""
    words, place = read_words(root)
    names, aliases = name_classes(words, place)
    nothing: dict[str, str] = {}
    rows: list[LabelledImage] = []
    for split, places in PLACES.items():
        folder = next((root / name for name in places if (root / name).is_dir()), None)
        if folder is None and split == "train":
            continue
        found = pictures(root, folder, words, place)
        rows += [LabelledImage(image, names[synset], split, nothing, nothing) for image, synset in found]
    there = {row.category for row in rows if row.split == "test"}
    if empty := [synset for synset, name in names.items() if name not in there]:
        raise UserError(
            f"{len(empty)} of the {len(names)} synsets of {place} have no validation picture, the first: {empty[0]} "
            f"({words[empty[0]]}). To use a part of ImageNet, leave their lines out of {MAPPING}"
        )
    images = check_images("ImageNet", root, rows, place)
    return Source("imagenet", root, images, (Level("category", "category", "categories"),), aliases=aliases)


def pictures(root: Path, folder: Path | None, words: dict[str, str], place: Path) -> Iterator[tuple[str, str]]:
    """(path inside the root, synset) of each picture of one split; `folder`: None where only the root is left."""
    classes = [] if folder is None else sorted(one.name for one in folder.iterdir() if one.is_dir())
    if not classes:
        yield from flat_pictures(root, folder or root, words, place)
        return
    if unknown := [name for name in classes if name not in words]:
        raise UserError(
            f"{folder / unknown[0]}: {place} names no synset {unknown[0]}; call a class's folder as its synset"
        )
    for name in classes:
        inside = (folder / name).relative_to(root).as_posix()
        for file in pictures_among(folder / name, files_in(folder / name))[0]:
            yield f"{inside}/{file}", name


def flat_pictures(root: Path, folder: Path, words: dict[str, str], place: Path) -> Iterator[tuple[str, str]]:
    """Validation as published: picture i is what line i of the ground truth says, which counts as meta.mat does."""
    truth = root / DEVKIT / "data" / TRUTH
    if not truth.is_file():
        raise UserError(
            f"no file {truth}: nothing says what the pictures in {folder} show. Unpack {DEVKIT}.tar.gz into {root}, or "
            "sort the pictures into a folder for each synset (val/n01440764/)"
        )
    synset_of = read_devkit(root)[0]
    inside = "" if folder == root else f"{folder.relative_to(root).as_posix()}/"
    for number, line in numbered_lines(truth):
        synset = synset_of.get(int(line)) if line.isdecimal() else None
        if synset is None:
            raise UserError(f"{truth}, line {number}: {line!r} is no ILSVRC2012_ID of a class in meta.mat")
        if synset not in words:
            raise UserError(f"{truth}, line {number}: {place} names no synset {synset}")
        yield f"{inside}ILSVRC2012_val_{number:08}.JPEG", synset


def read_words(root: Path) -> tuple[dict[str, str], Path]:
    """Synset -> its synonyms as they stand there ("tench, Tinca tinca"), and in which file."""
    path = root / MAPPING
    if not path.is_file():
        if (root / DEVKIT).is_dir():
            return read_devkit(root)[1], root / DEVKIT / "data" / "meta.mat"
        raise UserError(f"no names: put {MAPPING} (n01440764 tench, Tinca tinca), or the folder {DEVKIT}, into {root}")
    found: dict[str, str] = {}
    for number, line in numbered_lines(path):
        synset, _, words = line.partition(" ")
        if not SYNSET.fullmatch(synset) or not words.strip(" ,"):
            raise UserError(f'{path}, line {number}: expected "n01440764 tench, Tinca tinca", not {line!r}')
        if synset in found:
            raise UserError(f"{path}, line {number}: {synset} stands there twice")
        found[synset] = words
    return found, path


def read_devkit(root: Path) -> tuple[dict[int, str], dict[str, str]]:
    """(ILSVRC2012_ID -> synset, synset -> its synonyms) of the classes: synsets that have no other below them."""
    path = root / DEVKIT / "data" / "meta.mat"
    fields = ("ILSVRC2012_ID", "WNID", "words", "num_children")
    ids, synsets, words, children = records(path, "synsets", read_mat(path, "synsets")["synsets"], *fields)
    ids = whole_numbers(path, "ILSVRC2012_ID", ids, 1, MOST_SYNSETS)
    below = whole_numbers(path, "num_children", children, 0, MOST_SYNSETS)
    rows = zip(ids, texts(path, "WNID", synsets), texts(path, "words", words), below, strict=True)
    classes = [(number, synset, text) for number, synset, text, inner in rows if inner == 0]
    if doubled := [number for number, count in Counter(row[0] for row in classes).items() if count > 1]:
        raise UserError(f"{path}: two synsets have the ILSVRC2012_ID {doubled[0]}")
    return {number: synset for number, synset, _ in classes}, {synset: text for _, synset, text in classes}


def name_classes(words: dict[str, str], place: Path) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """(synset -> name, name -> its other synonyms that name no other class). UserError: two have one name alone."""
    synonyms = {synset: [spelled(one) for one in text.split(",") if one.strip()] for synset, text in words.items()}
    first = Counter(same_name(some[0]) for some in synonyms.values())
    anywhere = Counter(key for some in synonyms.values() for key in {same_name(one) for one in some})
    names: dict[str, str] = {}
    for synset, some in synonyms.items():
        shared = first[same_name(some[0])] > 1
        others = [one for one in some if anywhere[same_name(one)] == 1] if shared else []
        names[synset] = others[0] if others else ALONE.get(synset, some[0]) if shared else some[0]
    taken: dict[str, str] = {}
    for synset, name in names.items():
        if (other := taken.setdefault(same_name(name), synset)) != synset:
            raise UserError(f"{place}: {other} and {synset} are both called {name!r}, and neither has another name")
    aliases = {
        names[synset]: tuple(one for one in some if same_name(one) not in taken and anywhere[same_name(one)] == 1)
        for synset, some in synonyms.items()
    }
    return names, {name: others for name, others in aliases.items() if others}
