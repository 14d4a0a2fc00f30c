"""Models that packages of a user's load from their folders (docs/extending/answerers.md, featurizers.md)."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_builders.shared.errors import UserError
from data_builders.shared.plugins import Plugins


def load_by_package(points: Plugins, needs: Sequence[str], folder: Path | str, **options: Any) -> Any | None:
    """What the first of these entry points makes of the folder that knows it, with attributes `needs`; None where none
    does. The hash of its code is among its `settings`, beside what it says there itself.

    UserError, with the entry point: it fails, or makes another thing.
    """
    for name in points.installed():
        place = f"entry point {name} of {points.group}, --model {folder}"
        load = points.load(name)
        try:
            found = load(folder, **options)
        except UserError:
            raise
        except Exception as error:  # whatever their code does
            raise UserError(f"{place}: {type(error).__name__}: {error}") from error
        if found is None:
            continue
        if lacking := [one for one in needs if not hasattr(found, one)]:
            raise UserError(f"{place}: it gave a {type(found).__name__} without {', '.join(lacking)}")
        if "code" not in found.settings:
            code = hashlib.sha256(json.dumps(points.code(name), sort_keys=True).encode()).hexdigest()[:16]
            found.settings = {**found.settings, "code": code}
        return found
    return None
