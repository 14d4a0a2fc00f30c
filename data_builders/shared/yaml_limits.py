"""YAML from elsewhere: no larger, no deeper and no longer at work than what a person writes.

A few aliases can stand for billions of values, and a few thousand brackets for more depth than Python has.
"""

import time
from typing import Any

import yaml

LARGEST = 1 << 19  # characters
DEEPEST = 64  # levels
MOST_VALUES = 100_000  # aliases counted as what they stand for
LONGEST_SECONDS = 30.0


class LimitedLoader(yaml.SafeLoader):
    """PyYAML's safe loader; yaml.YAMLError as soon as a limit is passed."""

    def __init__(self, text: str) -> None:
        if len(text) > LARGEST:
            raise yaml.YAMLError(f"more than {LARGEST:,} characters, which no person writes")
        super().__init__(text)
        self.depth, self.ends = 0, time.monotonic() + LONGEST_SECONDS
        self.sizes: dict[int, int] = {}  # node -> values that it stands for

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark
        if self.depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"more than {DEEPEST} levels, one in the other", problem_mark=mark)
        if time.monotonic() > self.ends:
            raise yaml.MarkedYAMLError(problem=f"reading takes more than {LONGEST_SECONDS:.0f} s", problem_mark=mark)
        alias = self.check_event(yaml.AliasEvent)
        self.depth += 1
        try:
            node = super().compose_node(parent, index)
        finally:
            self.depth -= 1
        if alias or isinstance(node, yaml.ScalarNode):
            return node
        parts = [part for entry in node.value for part in (entry if isinstance(entry, tuple) else (entry,))]
        size = self.sizes[id(node)] = 1 + sum(self.sizes.get(id(part), 1) for part in parts)
        if size > MOST_VALUES:
            problem = f"more than {MOST_VALUES:,} values (aliases counted as what they stand for)"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        return node


def load_yaml(text: str) -> Any:
    """The values of one document. yaml.YAMLError when it is no YAML, or passes a limit."""
    loader = LimitedLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
