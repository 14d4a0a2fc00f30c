"""From plans to jobs: what there is to do, what is done, what waits for what. Knows no machine."""

from .build import build_graph
from .job import Graph, Job
from .todo import todo

__all__ = ["Graph", "Job", "build_graph", "todo"]
