"""Which questions are about categories that training neither showed nor named.

`names` reads the list (a training set's manifest, or a file), `pictures` finds what each picture of the question files
shows, `sides` puts the two together; scores are then also given for seen and unseen categories
(`scoring.seen_scores`).
"""

from .held_out_names import HeldOutNames, names_of_sets, read_held_out
from .sides import FILE, Sides, read_sides, sides_of_tasks, with_sides, write_sides

__all__ = [
    "FILE",
    "HeldOutNames",
    "Sides",
    "names_of_sets",
    "read_held_out",
    "read_sides",
    "sides_of_tasks",
    "with_sides",
    "write_sides",
]
