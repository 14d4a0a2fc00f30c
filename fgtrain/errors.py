"""User errors of the started program; the class itself lives with the leftmost package."""

from data_builders.shared.errors import UserError, run_command

__all__ = ["SharedUserError", "TrainingFailedError", "UserError", "run_command"]


class SharedUserError(UserError):
    """A user error that all processes of a run raise alike: the first one prints it, for all of them."""


class TrainingFailedError(RuntimeError):
    """Training cannot go on. The text says where and what to try; the program ends with status 1, no traceback."""

    def __init__(self, text: str, *, on_all_ranks: bool = False) -> None:
        super().__init__(text)
        self.on_all_ranks = on_all_ranks  # then the first one speaks for all
