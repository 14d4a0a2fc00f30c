"""Where the report's way to write text was before it became a package."""

from .report.text import visible

__all__ = ["visible"]
