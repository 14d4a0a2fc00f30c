"""Where the figures' geometry was before the report became a package."""

from .report.figures import ticks

__all__ = ["ticks"]
