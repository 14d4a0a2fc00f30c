"""One static HTML file from one or several run folders: what was gained, what was forgotten, and on which questions."""

from .page import render, write_report

__all__ = ["render", "write_report"]
