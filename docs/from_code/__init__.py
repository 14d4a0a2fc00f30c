"""The parts of the reference that are made from the code when the site is built."""

from . import commands, keys, rules, tasks

PAGES = {
    "recipe_keys": keys.recipe_keys,
    "study_keys": keys.study_keys,
    "cluster_keys": keys.cluster_keys,
    "commands": commands.commands,
    "tasks": tasks.tasks,
    "rules": rules.rules,
}
