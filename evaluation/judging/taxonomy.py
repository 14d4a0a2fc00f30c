"""What else a category is called, and what it is a kind of: as its reference answer and name tell, or a taxonomy."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from data_builders.naming import singular, words
from data_builders.shared.errors import UserError

from .mentions import forms, same

ALIAS_LEAD = re.compile(
    r"(?:also|sometimes|formerly|commonly|scientifically|otherwise|popularly)"
    r"(?: \w+ly| sometimes| often)? (?:known|called|referred to|goes|named)(?: (?:as|by|to as))?(.{0,200})",
    re.DOTALL,
)
LIST_LEAD = re.compile(
    r"^[\s,:]*(?:(?:its|the|their|several|other|common|scientific|old|former|simply|a|an|names?|alias(?:es)?|"
    r"synonyms?|including|such as|as|by)\b[\s,:]*)*"
)
SCIENTIFIC = re.compile(r"\(([A-Z][a-z]+(?: [a-z]+){1,2})\)")
LONGEST_ALIAS_WORDS = 4


@lru_cache(1 << 12)
def aliases(name: str, reference: str) -> tuple[str, ...]:
    """Other names of the category that the reference gives: scientific names and what follows "also known as"."""
    plain = re.sub(r"[*_]", "", reference)
    found = SCIENTIFIC.findall(plain)
    own = [singular(one) for one in words(name)]
    for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z])", plain):
        # a sentence that does not say whose name it gives may give that of a part ("patches, also known as epaulets")
        if own and own[-1] in map(singular, words(sentence)):
            for listed in ALIAS_LEAD.findall(sentence):
                found += listed_names(listed)
    cleaned = [one.strip(" .") for one in found]
    # a short single word is too often something else, and a part of the name is only coarser
    return tuple(
        one
        for one in dict.fromkeys(cleaned)
        if len(one) > 4 and words(one) and not set(map(singular, words(one))) <= set(own)
    )


def listed_names(text: str) -> list[str]:
    """The names at the beginning of `text`, up to where the sentence goes on; quoted ones if it begins with a quote."""
    text = LIST_LEAD.sub("", text)
    quoted = re.match(r'["“]([^"”]+)["”]', text)
    if quoted:
        return [quoted.group(1).strip(" ,")]
    names = []
    for part in re.split(r",|;|\bor\b|\band\b|\(|\)", text.replace('"', "")):
        part = LIST_LEAD.sub("", part).strip()
        if len(words(part)) > LONGEST_ALIAS_WORDS:
            break
        if part:
            names.append(part)
    return names


@lru_cache(1 << 12)
def coarser(name: str, reference: str) -> tuple[str, ...]:
    """What the name itself says the category is a kind of: "albatross", "737" of "737-600", its genus, its maker."""
    parts = words(name)
    found = []
    if any(sign.isdigit() for sign in name):
        # designations run from coarse to fine: 737-600 is a 737, Cessna 172 a Cessna
        found += [" ".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)]
        maker = re.search(rf"\b([A-Z][a-zA-Z]+) {re.escape(name)}", reference)
        found += [maker.group(1)] if maker else []
    elif len(parts) > 1:
        found.append(parts[-1])
    found += [one.split()[0] for one in aliases(name, reference) if re.fullmatch(r"[A-Z][a-z]+(?: [a-z]+)+", one)]
    return tuple(one for one in dict.fromkeys(found) if len(one) > 2 and not same(one, name))


@dataclass(frozen=True)
class Kin:
    aliases: tuple[str, ...] = ()
    ancestors: tuple[str, ...] = ()  # nearest first
    members: tuple[str, ...] = ()  # what lies under it, with all their names: whoever names one has named it


@dataclass(frozen=True)
class Taxonomy:
    """Category -> its kin. Without one, names and references alone tell.

    `levels`: the categories' own level, then those of their ancestors, nearest first. `loose`: further names of the
    data set, of which it is not known what they are a kind of.
    """

    kin: dict[str, Kin] = field(default_factory=dict)
    source: str = ""
    levels: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # of the categories, as they are written
    loose: tuple[str, ...] = ()

    @property
    def coarser(self) -> tuple[str, ...]:
        """Its levels but the categories' own, the finest first."""
        return self.levels[1:]

    def of(self, name: str) -> Kin:
        """What a name is kin to; nothing where it is not known."""
        return self.kin.get(key_of(name), Kin())

    def check(self, names: Iterable[str]) -> None:
        """UserError when the taxonomy lacks one of the categories."""
        missing = self.missing(names) if self.kin else []
        if missing:
            raise UserError(f"{self.source} has no line for {len(missing)} categories, the first: {missing[0]!r}")

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of the names that it has no line for, in order."""
        return sorted({name for name in names if key_of(name) not in self.kin})

    def at(self, level: str) -> "Taxonomy":
        """The taxonomy of that level's labels. UserError when it has no such level."""
        if level not in self.levels:
            raise UserError(f"{self.source} has no level {level}; its levels are {', '.join(reversed(self.levels))}")
        place = self.levels.index(level)
        if place == 0:
            return self
        above: dict[str, tuple[str, ...]] = {}
        members: dict[str, list[str]] = {}
        for name in self.names:
            kin = self.of(name)
            label = kin.ancestors[place - 1]
            above[label] = kin.ancestors[place:]
            between = kin.ancestors[: place - 1]
            members.setdefault(label, []).extend([name, *kin.aliases, *between])
        kin = {key_of(one): Kin((), above[one], tuple(dict.fromkeys(members[one]))) for one in above}
        return Taxonomy(kin, self.source, self.levels[place:], tuple(above))


NO_TAXONOMY = Taxonomy()


def key_of(name: str) -> str:
    """One spelling for all forms of a name (plural, hyphens, case), by which names are found; "" of a blank one."""
    return min(forms(name)[1], default="")


def taxonomy_of(
    levels: Iterable[str],
    parents: Mapping[str, tuple[str, ...]],
    source: str,
    aliases: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    loose: Iterable[str] = (),
) -> Taxonomy:
    """From category -> its ancestors, nearest first, at `levels` (the categories' own first)."""
    kin = {key_of(name): Kin(tuple(aliases.get(name, ())), tuple(above)) for name, above in parents.items()}
    more = tuple(name for name in dict.fromkeys(loose) if key_of(name) not in kin)
    return Taxonomy(kin, source, tuple(levels), tuple(parents), more)


def read_taxonomy(what: str) -> Taxonomy:
    """From a csv file (category, level, level, ... from fine to coarse, aliases), or SOURCE=FOLDER: what a data set's
    own files say. UserError for a file that is no tree."""
    name, given, folder = what.partition("=")
    if given:
        from data_builders.sources import load_source

        source = load_source(name, Path(folder), look_for_images=False)
        parents = {row.category: tuple(reversed(row.parents.values())) for row in source.images}
        levels = [level.published or level.name for level in reversed(source.levels)]
        return taxonomy_of(levels, parents, what, source.aliases)
    from data_builders.sources.folder import read_taxonomy as read

    path = Path(what)
    if not path.is_file():
        raise UserError(f"--taxonomy {what}: no such file, and not of the form SOURCE=FOLDER (cub=CUB_200_2011)")
    levels, entries = read(path)
    parents = {one.name: tuple(reversed(one.parents.values())) for one in entries.values()}
    return taxonomy_of(reversed(levels), parents, str(path), {one.name: one.aliases for one in entries.values()})
