"""The parts of the reference that are made from the code when the site is built."""

from .commands import commands
from .keys import cluster_keys, recipe_keys, study_keys
from .rules import rules
from .tasks import tasks

PAGES = {
    "recipe_keys": recipe_keys,
    "study_keys": study_keys,
    "cluster_keys": cluster_keys,
    "commands": commands,
    "tasks": tasks,
    "rules": rules,
}
