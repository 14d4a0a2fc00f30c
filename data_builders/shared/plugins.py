"""What users add without touching these packages (docs/extending): entry points of packages that they have installed.

An entry point is NAME = "module:object", declared by an installed package under the group of one `Plugins` below.
Nothing else of a user's is executed: no recipe, task file or data set can name a file of code.
"""

import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from .code_imports import Closure
from .errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class Plugins:
    """One kind of thing that users may add. `expected`: what stands behind an entry point, for messages."""

    group: str
    expected: str
    built_in: Collection[str] = ()  # names that are taken
    fits: Callable[[Any], bool] = callable  # is this what is expected?

    def installed(self) -> dict[str, EntryPoint]:
        """Name -> entry point, of the packages that are installed here. UserError where a name is taken already."""
        found: dict[str, EntryPoint] = {}
        for point in _points(self.group, tuple(sys.path)):
            other = "this program has" if point.name in self.built_in else None
            if (before := found.get(point.name)) is not None and before.value != point.value:
                other = f"{package_of(before)} has with {before.value}"
            if other:
                raise UserError(
                    f"{told(point)} takes a name that {other}. Rename it in {package_of(point)}, or uninstall that"
                )
            found[point.name] = point
        return found

    def load(self, name: str) -> Any:
        """What stands behind the entry point of that name. UserError when it cannot be imported, or is another thing.

        KeyError when there is no such entry point.
        """
        point = self.installed()[name]
        try:
            found = point.load()
        except Exception as error:  # whatever a module does when it is imported
            raise UserError(
                f"{told(point)} cannot be imported: {type(error).__name__}: {error}. Expected is {self.expected}"
            ) from error
        if not self.fits(found):
            raise UserError(f"{told(point)} is {_kind(found)}; expected is {self.expected}")
        return found

    def make(self, name: str, options: Mapping[str, Any], place: str, kind: type[T]) -> T:
        """What stands behind the entry point, called with `options`, which stand at `place`. UserError as of `load`,
        for options that it does not take, and when what comes back is no `kind`.
        """
        called = self.load(name)
        try:
            made = called(**options)
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"{place} is {dict(options)}, of which {told(self.installed()[name])} cannot be made: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(made, kind):
            raise UserError(f"{told(self.installed()[name])} makes {_kind(made)}; expected is {self.expected}")
        return made

    def code(self, name: str) -> dict[str, str]:
        """File -> a hash of what it does: of the module that the entry point names, and of all that it imports of its
        own package. Nothing is imported for it. UserError when that cannot be told.
        """
        point = self.installed()[name]
        package = point.module.partition(".")[0]
        spec = find_spec(package)
        places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
        place = next((Path(one) for one in places if one and Path(one).exists()), None)
        if place is None:
            raise UserError(f"{told(point)}: there is no module {point.module}. Install {package_of(point)} anew")
        within = place.parent.parent if place.name == "__init__.py" else place.parent
        try:
            closure = Closure(within, (package,))
            closure.add(point.module)
        except (ValueError, SyntaxError) as error:
            raise UserError(f"{told(point)}: which code it is cannot be told: {error}") from error
        return closure.files()


@lru_cache(maxsize=64)
def _points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(sorted(entry_points(group=group), key=lambda one: (one.name, one.value)))


def package_of(point: EntryPoint) -> str:
    """The package that declares it, with its version."""
    return f"package {point.dist.name} {point.dist.version}" if point.dist is not None else "its package"


def told(point: EntryPoint) -> str:
    """An entry point in words, for messages."""
    return f"{package_of(point)}: entry point {point.name} = {point.value!r} of {point.group}"


def _kind(found: Any) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else f"a {type(found).__name__}"
