"""A report for a paper: every table of its pages as CSV and LaTeX, every figure as PDF and SVG."""

from .write import export_page, export_runs, export_study

__all__ = ["export_page", "export_runs", "export_study"]
