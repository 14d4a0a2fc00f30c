"""What the source says of a section's keys: the comment behind a key, or the one above it."""

import ast
import inspect
import io
import textwrap
import tokenize

from pydantic import BaseModel


def comments_of(section: type[BaseModel]) -> dict[str, str]:
    """Key -> its comment, of the keys that the class itself declares and that have one.

    A comment behind a key (on any of its lines) is the key's; whole lines of comment are the key's below them, and both
    are joined.
    """
    text = textwrap.dedent(inspect.getsource(section))
    behind: dict[int, str] = {}
    whole: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            (whole if alone else behind)[token.start[0]] = token.string.lstrip("# ").rstrip()
    found = {}
    for node in ast.parse(text).body[0].body:
        if not isinstance(node, ast.AnnAssign):
            continue
        above, line = [], node.lineno - 1
        while line in whole:
            above.insert(0, whole[line])
            line -= 1
        on = [behind[line] for line in range(node.lineno, node.end_lineno + 1) if line in behind]
        if told := " ".join(above + on):
            found[node.target.id] = told
    return found
