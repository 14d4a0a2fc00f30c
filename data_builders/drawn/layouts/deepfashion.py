"""DeepFashion's layout: a species is a category; three of the genera are clothing of one type.

Both annotations are written, of the same pictures with the same splits: Anno_fine with its 26 attributes, some of which
tell what can be seen, and Anno_coarse with Eval/list_eval_partition.txt.
"""

from ..boxes import corners
from ..miniature import Miniature
from ..taxonomy import Species

# Anno_fine's attributes by type, and which of them a species' look decides.
ATTRIBUTES = {
    1: ("floral", "graphic", "striped", "embroidered", "pleated", "solid", "lattice"),
    2: ("long_sleeve", "short_sleeve", "sleeveless"),
    3: ("maxi_length", "mini_length", "no_dress"),
    4: ("crew_neckline", "v_neckline", "square_neckline", "no_neckline"),
    5: ("denim", "chiffon", "cotton", "leather", "faux", "knit"),
    6: ("tight", "loose", "conventional"),
}
SEEN = {
    "belly": {"plain": "solid", "striped": "striped", "spotted": "floral"},
    "tail": {"forked": "long_sleeve", "round": "short_sleeve", "square": "sleeveless"},
    "bill": {"short": "mini_length", "long": "maxi_length"},
    "meta": {"bird": "crew_neckline", "fish": "v_neckline"},
}


def write(mini: Miniature) -> None:
    genera = list(dict.fromkeys(species.genus for species in mini.species))
    order = {species.name: number for number, species in enumerate(mini.species, 1)}
    names = [attribute for group in ATTRIBUTES.values() for attribute in group]
    fine: dict[str, list[str]] = {}
    coarse: dict[str, list[str]] = {"category": [], "bbox": [], "attr": [], "partition": []}
    for shot in mini.shots():
        image = f"img/{shot.split.title()}_{clothes(shot.species)}/img_{shot.number + 1:08}.jpg"
        mini.picture(f"Img/{image}", shot)
        number, box = order[shot.species.name], " ".join(str(one) for one in corners(mini.drawing(shot)))
        has = {values[getattr(shot.species.look, part)] for part, values in SEEN.items()}
        flags = [int(name in has) for name in names]
        for list_name, line in (
            ("", image),
            ("_cate", str(number)),
            ("_bbox", box),
            ("_attr", " ".join(map(str, flags))),
        ):
            fine.setdefault(shot.split + list_name, []).append(line)
        coarse["category"].append(f"{image}  {number}")
        coarse["bbox"].append(f"{image}  {box}")
        coarse["attr"].append(f"{image}  {' '.join(str(flag or -1) for flag in flags)}")
        coarse["partition"].append(f"{image}  {shot.split}")
    categories = [f"{clothes(one)}  {1 + genera.index(one.genus) // 3}" for one in mini.species]
    attributes = [f"{name}  {kind}" for kind, group in ATTRIBUTES.items() for name in group]
    for folder in ("Anno_fine", "Anno_coarse"):
        counted(mini, f"{folder}/list_category_cloth.txt", "category_name  category_type", categories)
        counted(mini, f"{folder}/list_attr_cloth.txt", "attribute_name  attribute_type", attributes)
    for name, lines in fine.items():
        mini.lines(f"Anno_fine/{name}.txt", lines)
    counted(mini, "Anno_coarse/list_category_img.txt", "image_name  category_label", coarse["category"])
    counted(mini, "Anno_coarse/list_bbox.txt", "image_name  x_1  y_1  x_2  y_2", coarse["bbox"])
    counted(mini, "Anno_coarse/list_attr_img.txt", "image_name  attribute_labels", coarse["attr"])
    counted(mini, "Eval/list_eval_partition.txt", "image_name  evaluation_status", coarse["partition"])
    mini.texts(lambda species: clothes(species).lower())


def clothes(species: Species) -> str:
    """ "Lum-Wug", as Button-Down."""
    return species.name.title().replace(" ", "-")


def counted(mini: Miniature, path: str, header: str, lines: list[str]) -> None:
    mini.lines(path, [str(len(lines)), header, *lines])
