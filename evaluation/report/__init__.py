"""One static HTML file from one or several run folders: what was gained, what was forgotten, and on which questions;
and one from a study, its answer first."""

from .page import render, write_report
from .study_page import write_study_report

__all__ = ["render", "write_report", "write_study_report"]
