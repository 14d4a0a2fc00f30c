"""The list of categories that are held out: from training sets' manifests, or from a file of names, one a line."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from data_builders.records import Manifest
from data_builders.shared.errors import UserError
from data_builders.shared.text_files import open_text
from data_builders.sources import same_name

SHOWN = 5


@dataclass(frozen=True)
class HeldOutNames:
    """`names` as `same_name` spells them. `finest`: each data set's finest level, which a manifest tells; a file of
    names tells no level, but every name of it must be a category that is asked about."""

    names: frozenset[str]
    finest: frozenset[str]
    listed: tuple[str, ...] = ()  # as a file spells them
    file: Path | None = None
    sets: tuple[Path, ...] = ()  # training sets that hold them out

    @property
    def identity(self) -> str:
        """Sixteen digits, equal for lists that put every picture on the same side."""
        text = json.dumps([sorted(self.names), sorted(self.finest)])
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def check(self, known: Iterable[str]) -> None:
        """UserError for names of a file that are none of `known`, with those that are near."""
        spelt = {same_name(one): one for one in known}
        missing = [one for one in self.listed if same_name(one) not in spelt]
        if missing:
            told = "; ".join(f"{one!r}{near(one, spelt)}" for one in missing[:SHOWN])
            count = "one name is" if len(missing) == 1 else f"{len(missing)} names are"
            raise UserError(f"{self.file}: {count} no category of these questions: {told}")


def near(name: str, spelt: dict[str, str]) -> str:
    found = get_close_matches(same_name(name), spelt, n=3)
    return f" (is it {' or '.join(repr(spelt[one]) for one in found)}?)" if found else ""


def read_held_out(*places: Path) -> HeldOutNames:
    """Of training sets (folders, or their manifest.json) what all hold out; or a file of names, one a line.

    UserError where there is none.
    """
    folders = [place.parent if place.name == "manifest.json" else place for place in map(Path, places)]
    if len(folders) == 1 and not folders[0].is_dir():
        return read_names(folders[0])
    for folder in folders:
        if not (folder / "manifest.json").is_file():
            what = f"{folder} is no training set" if folder.exists() else f"no folder {folder}"
            raise UserError(f"{what}; name training sets that hold categories out, or one file of names, one a line")
    found = names_of_sets(folders)
    if found is None:
        named = " and ".join(map(str, folders))
        raise UserError(f"{named}: the manifest holds nothing out; build it with --categories hold_out=0.25")
    return found


def read_names(path: Path) -> HeldOutNames:
    if not path.is_file():
        raise UserError(f"no file {path}; name a training set, or a file of names, one a line")
    with open_text(path) as lines:
        listed = tuple(name for name in map(str.strip, lines) if name)
    if not listed:
        raise UserError(f"{path} holds no names; write the categories that are held out, one a line")
    return HeldOutNames(frozenset(map(same_name, listed)), frozenset(), listed, path)


def names_of_sets(folders: Sequence[Path]) -> HeldOutNames | None:
    """What a training on all of these sets is not shown; None where that is nothing."""
    manifests = {folder: Manifest.load(folder) for folder in folders}
    found = names_of_manifests(list(manifests.values()))
    return found and replace(found, sets=tuple(folder for folder, one in manifests.items() if one.held_out))


def names_of_manifests(manifests: Sequence[Manifest]) -> HeldOutNames | None:
    """The same of their manifests.

    A data set's category is held out where every set that is made of this data set holds it out.
    """
    names: set[str] = set()
    finest: set[str] = set()
    for source in dict.fromkeys(source for one in manifests for source in one.held_out):
        made_of_it = [one.held_out.get(source, {}) for one in manifests if source in one.sources]
        common = set.intersection(*({same_name(n) for some in one.values() for n in some} for one in made_of_it))
        if common:
            names |= common
            finest.add(next(reversed(made_of_it[0])))
    return HeldOutNames(frozenset(names), frozenset(finest)) if names else None
