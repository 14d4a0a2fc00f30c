"""This host as an executor: one process a device, started from here."""

from .carry_out import Outcome, carry_out

__all__ = ["Outcome", "carry_out"]
