"""User errors of the started program; the class itself lives with the leftmost package."""

from data_builders.errors import UserError, run_command

__all__ = ["SharedUserError", "UserError", "run_command"]


class SharedUserError(UserError):
    """A user error that all processes of a run raise alike: the first one prints it, for all of them."""
