"""User errors of the started program; the class itself lives with the leftmost package."""

from data_builders.errors import UserError, run_command

__all__ = ["UserError", "run_command"]
