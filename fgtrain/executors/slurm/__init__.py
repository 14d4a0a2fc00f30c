"""Slurm as an executor: every job of the graph a script of its own, that goes on after a time limit."""

from .command import show, submit
from .in_queue import queue_of
from .queue import queue_states, slurm_record

__all__ = ["queue_of", "queue_states", "show", "slurm_record", "submit"]
