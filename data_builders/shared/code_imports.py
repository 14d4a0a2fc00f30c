"""Follows import statements from module to module without importing anything. Used by code_identity.

A package's `__init__` that does nothing but import names is looked through: whoever takes a name from it depends on the
module that has the name, not on all that the package offers. So printing the plan otherwise retrains nothing, though
training takes its numbers from the same package. An `__init__` with code of its own counts whole.
"""

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PACKAGES = ("data_builders", "evaluation", "fgtrain")
# Places in a file, and what a reader alone sees.
NOT_CODE = {"lineno", "col_offset", "end_lineno", "end_col_offset", "type_comment", "kind", "ctx", "type_ignores"}


@dataclass(frozen=True)
class Import:
    """`import module` (`name` None) or `from module import name`; both absolute."""

    module: str
    name: str | None = None


@dataclass(frozen=True)
class SourceFile:
    """One module. `exports`: name -> where it is from, of an `__init__` that only imports names; else None."""

    hash: str
    imports: tuple[Import, ...]
    exports: dict[str, Import] | None


class Closure:
    """The files under `top` that modules of `packages` depend on; by default of ours."""

    def __init__(self, top: Path, packages: tuple[str, ...] = PACKAGES) -> None:
        self.top, self.packages = top, packages
        self._files: dict[str, str] = {}
        self._taken: dict[str, set[str]] = {}  # an __init__ that is looked through -> what was taken from it
        self._seen: set[Import] = set()

    def add(self, module: str) -> None:
        """ValueError when it is no module of ours."""
        if _path(self.top, module) is None:
            raise ValueError(f"no module {module} in {self.top}")
        self._follow(Import(module))

    def add_alone(self, module: str) -> None:
        """The module's own file, and nothing that it imports. ValueError when it is no module of ours."""
        path = _path(self.top, module)
        if path is None:
            raise ValueError(f"no module {module} in {self.top}")
        file = source_file(path, module, path.name == "__init__.py")
        self._files[path.relative_to(self.top).as_posix()] = file.hash

    def files(self) -> dict[str, str]:
        taken = {path: _hash("\n".join(sorted(lines))) for path, lines in self._taken.items()}
        return dict(sorted({**self._files, **taken}.items()))

    def _follow(self, first: Import) -> None:
        waiting = [first]
        while waiting:
            found = waiting.pop()
            if found in self._seen or found.module.split(".")[0] not in self.packages:
                continue
            self._seen.add(found)
            waiting += self._one(found)

    def _one(self, found: Import) -> Iterator[Import]:
        module, name = found.module, found.name
        path = _path(self.top, module)
        if path is None:
            raise ValueError(f"{found} is imported, but there is no such module in {self.top}")
        above = module.rpartition(".")[0]
        if above and (init := _path(self.top, above)) is not None:  # it is run first
            file = source_file(init, above, True)
            if file.exports is None:
                yield Import(above)
        file = source_file(path, module, path.name == "__init__.py")
        submodule = name is not None and _path(self.top, f"{module}.{name}") is not None
        if file.exports is None:
            self._files[path.relative_to(self.top).as_posix()] = file.hash
            yield from file.imports
        elif name in file.exports:
            origin = file.exports[name]
            lines = self._taken.setdefault(path.relative_to(self.top).as_posix(), set())
            lines.add(f"{name} {origin.module} {origin.name}")
            yield origin
            return
        elif not submodule:
            yield from file.imports
        if submodule:
            yield Import(f"{module}.{name}")


def _path(top: Path, module: str) -> Path | None:
    base = top.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@lru_cache(maxsize=1024)
def source_file(path: Path, module: str, package: bool) -> SourceFile:
    tree = ast.parse(path.read_bytes(), str(path))
    imports = tuple(_imports(tree, path, module, module if package else module.rpartition(".")[0]))
    exports = {one.name: one for one in imports} if package and _only_imports(tree) else None
    return SourceFile(hash_of_tree(tree), imports, exports)


def _only_imports(tree: ast.Module) -> bool:
    """Is there nothing but `from x import y` under its own name, `__all__`, and a docstring?"""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            if any(one.name == "*" or one.asname not in (None, one.name) for one in node.names):
                return False
        elif isinstance(node, ast.Assign):
            if [getattr(target, "id", None) for target in node.targets] != ["__all__"]:
                return False
        elif not _is_text(node):
            return False
    return True


def _imports(tree: ast.Module, path: Path, module: str, package: str) -> Iterator[Import]:
    """Every import that the module can come to, in whatever function."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (Import(one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parts = package.split(".")
                origin = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])
            yield from (Import(origin, None if one.name == "*" else one.name) for one in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "import_module":
            yield from _imported_by_name(node, path, package)
        elif isinstance(node, ast.If) and _type_checking(node.test):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)


def _type_checking(test: ast.expr) -> bool:
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"


def _imported_by_name(call: ast.Call, path: Path, package: str) -> Iterator[Import]:
    """What `import_module(f".{name}", __package__)` may import: every module that the text fits."""
    parts = call.args[0].values if isinstance(call.args[0], ast.JoinedStr) else [call.args[0]]
    constants = [part.value if isinstance(part, ast.Constant) else None for part in parts]
    if constants[0] is None:
        raise ValueError(f"{path}, line {call.lineno}: which module is imported here cannot be told from the text")
    if len(constants) == 1:
        yield Import(package + constants[0] if constants[0].startswith(".") else constants[0])
        return
    if not constants[0].startswith("."):
        raise ValueError(f"{path}, line {call.lineno}: a module that is imported by name must lie in the same package")
    fits = re.compile("".join(re.escape(text) if text is not None else r"[\w.]+" for text in constants))
    for other in sorted(path.parent.rglob("*.py")):
        name = other.relative_to(path.parent).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        if fits.fullmatch(f".{name}") and name not in ("__init__", "__main__"):
            yield Import(f"{package}.{name}")


def hash_of_tree(tree: ast.Module) -> str:
    """A hash of what Python would run. Several times faster than over `ast.dump`; bytecode would differ by version."""
    words: list[str] = []
    waiting: list[object] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.AST):
            words.append(type(node).__name__)
            for field in node._fields:
                value = getattr(node, field, None)
                # What is empty is left out, so that a field that a later Python adds changes nothing.
                if value is not None and value != [] and field not in NOT_CODE:
                    words.append(field)
                    waiting.append(value)
        elif isinstance(node, list):
            kept = [one for one in node if not _is_text(one)]
            words.append(f"[{len(kept)}")
            waiting.extend(kept)
        else:
            words.append(repr(node))
    return _hash("\n".join(words))


def _is_text(node: object) -> bool:
    """A statement that is nothing but a text: a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
