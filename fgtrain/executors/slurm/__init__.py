"""Runs on a Slurm cluster: a profile of the machine, one job a stage, scripts that go on after a time limit."""

from .command import show, submit

__all__ = ["show", "submit"]
