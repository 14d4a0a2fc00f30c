"""CUB-200-2011's layout: lists beside images/, boxes, attributes of images and of classes; its own taxonomy.csv."""

from ..cub_layout import image_attribute_lines, pictures, write_lists
from ..miniature import Miniature, Shot


def write(mini: Miniature) -> None:
    listed = pictures(list(mini.species), mini.counts["train"], mini.counts["test"])
    boxes = {}
    for one in listed:
        shot = Shot(one.species, one.split, one.number)
        mini.picture(f"images/{one.path}", shot)
        boxes[one.image_id] = mini.drawing(shot).bounding_box
    mini.lines("attributes/image_attribute_labels.txt", image_attribute_lines(listed))
    write_lists(mini.out, list(mini.species), listed, boxes)
