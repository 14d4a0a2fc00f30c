"""Questions asked again about perturbed pictures: what a model still answers shows what it answered from.

A perturbed task (`fgbmk/cub/species/choice@blur`) is a condition of a plain one: the same questions, the same rules,
pictures that are changed in memory when they are opened. It says why a score is what it is, and enters no mean.
"""

from .drops import DROP, with_drops
from .spelling import CONDITIONS, condition_problem
from .tasks import perturbed_tasks

__all__ = ["CONDITIONS", "DROP", "condition_problem", "perturbed_tasks", "with_drops"]
