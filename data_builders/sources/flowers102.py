"""Oxford Flowers-102: jpg/image_00001.jpg, ..., imagelabels.mat, setid.mat (trnid, valid and tstid as published).

The files hold no names. They come from cat_to_name.json or classes.txt where one lies beside them, else from here.
"""

from pathlib import Path

from ..shared.errors import UserError
from ..shared.files import read_json
from .base import About, LabelledImage, Level, Source
from .matlab import read_mat, whole_numbers
from .reading import check_images, numbered_lines, spelled

ABOUT = About(
    title="Oxford Flowers-102",
    where="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
    layout="jpg/, imagelabels.mat, setid.mat; names: cat_to_name.json or classes.txt, or none",
)

SPLITS = {"train": "trnid", "val": "valid", "test": "tstid"}
# In the order of the labels.
NAMES = """
pink primrose, hard-leaved pocket orchid, canterbury bells, sweet pea, english marigold, tiger lily, moon orchid,
bird of paradise, monkshood, globe thistle, snapdragon, colt's foot, king protea, spear thistle, yellow iris,
globe-flower, purple coneflower, peruvian lily, balloon flower, giant white arum lily, fire lily, pincushion flower,
fritillary, red ginger, grape hyacinth, corn poppy, prince of wales feathers, stemless gentian, artichoke, sweet
william, carnation, garden phlox, love in the mist, mexican aster, alpine sea holly, ruby-lipped cattleya, cape
flower, great masterwort, siam tulip, lenten rose, barbeton daisy, daffodil, sword lily, poinsettia, bolero deep
blue, wallflower, marigold, buttercup, oxeye daisy, common dandelion, petunia, wild pansy, primula, sunflower,
pelargonium, bishop of llandaff, gaura, geranium, orange dahlia, pink-yellow dahlia, cautleya spicata, japanese
anemone, black-eyed susan, silverbush, californian poppy, osteospermum, spring crocus, bearded iris, windflower,
tree poppy, gazania, azalea, water lily, rose, thorn apple, morning glory, passion flower, lotus, toad lily,
anthurium, frangipani, clematis, hibiscus, columbine, desert-rose, tree mallow, magnolia, cyclamen, watercress,
canna lily, hippeastrum, bee balm, ball moss, foxglove, bougainvillea, camellia, mallow, mexican petunia, bromelia,
blanket flower, trumpet creeper, blackberry lily
"""
SLIPS = {"lotus lotus": "lotus"}  # of the widespread cat_to_name.json; FG-BMK has it right


def read(root: Path) -> Source:
    """One level, species; meta-class word "flower"."""
    names = read_names(root)
    place = root / "imagelabels.mat"
    labels = whole_numbers(place, "labels", read_mat(place, "labels")["labels"], 1, len(names))
    place = root / "setid.mat"
    ids = read_mat(place, *SPLITS.values())
    nothing: dict[str, str] = {}
    split_of: dict[int, str] = {}
    rows = []
    for split, variable in SPLITS.items():
        for number in whole_numbers(place, variable, ids[variable], 1, len(labels)):
            if number in split_of:
                raise UserError(f"{place}: image {number} is twice in the lists ({split_of[number]} and {split})")
            split_of[number] = split
            name = names[labels[number - 1] - 1]
            rows.append(LabelledImage(f"jpg/image_{number:05}.jpg", name, split, nothing, nothing))
    used = {row.category for row in rows}
    if empty := [name for name in names if name not in used]:
        raise UserError(f"{root / 'imagelabels.mat'}: {len(empty)} of {len(names)} classes have no image: {empty[0]}")
    images = check_images("Oxford Flowers-102", root, rows, place)
    return Source("flowers102", root, images, (Level("species", "species", "species"),), meta="flower")


def read_names(root: Path) -> list[str]:
    """The classes in the order of their labels."""
    if (path := root / "cat_to_name.json").exists():
        given = read_json(path)
        if not isinstance(given, dict) or not all(str(label) in given for label in range(1, len(given) + 1)):
            raise UserError(f'{path}: expected {{"1": name, ...}} with a name for each label from 1 on')
        names = [spelled(str(given[str(label)])) for label in range(1, len(given) + 1)]
    elif (path := root / "classes.txt").exists():
        names = [spelled(line) for _, line in numbered_lines(path)]
    else:
        return [name.strip() for name in NAMES.replace("\n", " ").split(",")]
    names = [SLIPS.get(name, name) for name in names]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{path}: two labels are called {twice[0]!r}")
    return names
