"""YAML as a recipe needs it: the line of every key is known; doubled keys and text like a number are refused."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from data_builders.shared.yaml_limits import LARGEST, LimitedLoader

from .problems import Key, Place, Problem

TEXT, MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
BOOL = "tag:yaml.org,2002:bool"  # of the key `on`, which YAML 1.1 takes for true


@dataclass
class Source:
    """One file's content: `values` as plain Python, `places[key]` where each key was written, and what is wrong."""

    values: Any = None
    places: dict[Key, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def leading_comment(file: Path) -> str:
    """What the file says of itself before its first key."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" ").rstrip())
    return "\n".join(lines).strip()


def as_number(text: str) -> float | None:
    """The number that a person means by `1e-3` (which YAML 1.1 reads as text), or None."""
    if not any(character.isdigit() for character in text):
        return None  # "nan" and "infinity" are words here
    try:
        return float(text)
    except ValueError:
        return None


def yaml_number(value: float) -> str:
    """The number as YAML reads it back: 0.001, 1.0e-05."""
    return yaml.safe_dump(value).split("\n")[0]


def scientific(text: str) -> str:
    """`1e-3` as YAML wants it: 1.0e-3."""
    mantissa, _, exponent = text.lower().partition("e")
    if not exponent:
        return yaml_number(float(text))
    sign = "" if exponent[0] in "+-" else "+"
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{sign}{exponent}"


def otherwise_read(text: str, value: Any) -> str:
    """What to write for a number that YAML 1.1 takes for another than it looks like (017 is 15, 1:20 is 80); "" for
    others."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    digits = text.replace("_", "").lstrip("+-")
    if ":" in digits:
        return f'"{text}" for the text, {yaml_number(value)} for the number'
    if isinstance(value, int) and digits != "0" and digits[:1] == "0":
        return f"{digits.lstrip('0') or 0} or {value}" if digits.isdigit() else str(value)
    return ""


def read_yaml(path: Path, shown: str) -> Source:
    """Read one file. `shown` is how messages call it. Mistakes of content are collected in `problems`."""
    source = Source()
    try:
        text = _text(path)
        loader = LimitedLoader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                source.values = _Reader(loader, shown, source).value(node, ())
        finally:
            loader.dispose()
    except OSError as error:
        source.problems.append(Problem((), f"cannot be read: {error.strerror}", Place(shown)))
    except UnicodeDecodeError:
        source.problems.append(Problem((), "is not a text file in UTF-8", Place(shown)))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(shown, mark.line + 1) if mark else Place(shown)
        source.problems.append(Problem((), f"not YAML: {reason(error)}", place))
    return source


def reason(error: yaml.YAMLError) -> str:
    """What is wrong, in one line."""
    context = getattr(error, "context", None)
    return f"{getattr(error, 'problem', None) or error}{f' ({context})' if context else ''}"


def _text(path: Path) -> str:
    """No more of the file than one character too many."""
    with open(path, encoding="utf-8-sig") as file:
        return file.read(LARGEST + 1)


def read_override(text: str) -> Source:
    """The value of `key=value` as YAML, with 1e-3 as the number that a person means. Raises yaml.YAMLError."""
    source = Source()
    loader = LimitedLoader(text)
    try:
        node = loader.get_single_node()
        if node is not None:
            source.values = _Reader(loader, "command line", source, typed=True).value(node, ())
    finally:
        loader.dispose()
    return source


class _Reader:
    """Turns YAML nodes into values; notes places and problems in `source`. `typed`: on a command line."""

    def __init__(self, loader: LimitedLoader, shown: str, source: Source, typed: bool = False) -> None:
        self.loader, self.shown, self.source, self.typed = loader, shown, source, typed
        self.inside: set[int] = set()  # nodes being read, to refuse an alias that contains itself

    def problem(self, key: Key, text: str, node: yaml.Node) -> None:
        self.source.problems.append(Problem(key, text, Place(self.shown, node.start_mark.line + 1)))

    def value(self, node: yaml.Node, key: Key) -> Any:
        if key:
            self.source.places.setdefault(key, Place(self.shown, node.start_mark.line + 1))
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, key)
        if id(node) in self.inside:
            self.problem(key, "is an alias that contains itself", node)
            return None
        self.inside.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*key, index)) for index, item in enumerate(node.value)]
            return self.mapping(node, key)
        finally:
            self.inside.discard(id(node))

    def scalar(self, node: yaml.ScalarNode, key: Key) -> Any:
        try:
            value = self.loader.construct_object(node)
        except ValueError as error:  # a date of the 45th, a number of thousands of digits
            self.problem(key, f"is {node.value[:40]}, which YAML cannot read ({error})", node)
            return None
        if isinstance(value, int) and value.bit_length() > 64:
            self.problem(key, f"is {node.value[:40]}, a whole number of more than 64 bits", node)
            return None
        if isinstance(value, str) and not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            self.problem(key, "holds half a surrogate pair, which is no character", node)
            return None
        plain = node.style is None and isinstance(value, str)
        if plain and (number := as_number(value)) is not None:
            if not self.typed:
                hint = f"is {value}, which YAML reads as text. As a number write {scientific(value)}"
                self.problem(key, f'{hint} (as text: "{value}")', node)
            return number
        if node.style is None and (other := otherwise_read(node.value, value)):
            self.problem(key, f"is {node.value}, which YAML reads as {yaml_number(value)}. Write {other}", node)
        return value

    def mapping(self, node: yaml.MappingNode, key: Key) -> dict:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if name_node.tag == MERGE:
                self.problem(key, "uses a YAML merge key (<<). Write `extends: other.yaml` instead", name_node)
                continue
            if name_node.tag not in (TEXT, BOOL):
                written = name_node.value if isinstance(name_node, yaml.ScalarNode) else "?"
                text = f'has the key {written}, which YAML does not read as text. Write "{written}"'
                if written.isdigit() and isinstance(value_node, yaml.ScalarNode) and not value_node.value:
                    text += f"; if it follows a decimal comma, write a point: 0.{written}"
                self.problem(key, text, name_node)
                continue
            name = name_node.value
            inner = (*key, name)
            if name in values:
                text = f"is given twice, on lines {lines[name]} and {line}. Keep one of them"
                self.problem(inner, text, name_node)
            lines[name] = line
            self.source.places[inner] = Place(self.shown, line)
            values[name] = self.value(value_node, inner)
        return values
