"""CUB-200-2011's layout: lists beside images/, boxes, attributes of classes; its own taxonomy.csv."""

from ..cub_layout import pictures, write_lists
from ..miniature import Miniature, Shot


def write(mini: Miniature) -> None:
    listed = pictures(list(mini.species), mini.counts["train"], mini.counts["test"])
    boxes = {}
    for one in listed:
        shot = Shot(one.species, one.split, one.number)
        mini.picture(f"images/{one.path}", shot)
        boxes[one.image_id] = mini.drawing(shot).bounding_box
    write_lists(mini.out, list(mini.species), listed, boxes)
