"""One data set in one track of FG-BMK: what options name, and where its manifest lies."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..builder_code import builder_code, changed_code
from ..built_from import changed_since
from ..fgbmk_layout import HUMAN, dataset_of
from ..fgbmk_layout import NAME as BENCHMARK
from ..shared.errors import UserError
from ..shared.files import safe_join
from ..shared.state_files import read_state
from ..sources import ALL_LEVELS, FINEST_LEVEL
from .published import PUBLISHED
from .task import TRACKS, FgbmkOptions


@dataclass(frozen=True)
class Part:
    """One data set in one track: what one manifest vouches for. `options` are those that would build it alone."""

    source: str
    root: Path
    dataset: str
    track: str
    options: FgbmkOptions

    def track_folder(self, out: Path) -> Path:
        return out / BENCHMARK / HUMAN / TRACKS[self.track]

    def folder(self, out: Path) -> Path:
        return self.track_folder(out) / self.dataset


def parts(root: Path, options: FgbmkOptions) -> list[Part]:
    """UserError where options fit one data set only, and for names that cannot be a folder."""
    if isinstance(options.source, str):
        sources = {options.source: root}
    else:
        sources = {name: safe_join(root, folder) for name, folder in options.source.items()}
        for option in ("dataset", "labels", "levels"):
            of_any = option == "levels" and options.levels in ((ALL_LEVELS,), (FINEST_LEVEL,))
            if len(sources) > 1 and getattr(options, option) is not None and not of_any:
                fit = "; of several write levels all or finest" if option == "levels" else ""
                raise UserError(f"{option} is of one data set, and source names {len(sources)}: run one at a time{fit}")
    found = []
    for source, folder in sources.items():
        dataset = options.dataset or dataset_of(source)
        if not re.fullmatch(r"\w[\w.-]*", dataset):
            raise UserError(f"dataset is {dataset!r}; write a plain name of letters, digits, _ and -")
        if dataset in PUBLISHED and not options.as_published:
            raise UserError(
                f"{options.options} options with negatives {options.negatives} are another test than FG-BMK's of "
                f"{dataset}; give it a name of its own: --dataset {dataset}_{options.options}way"
            )
        for track in dict.fromkeys(options.tracks):
            alone = options.model_copy(update={"source": source, "tracks": (track,)})
            found.append(Part(source, folder, dataset, track, alone))
    return found


def manifest_folder(out: Path, options: FgbmkOptions) -> Path:
    found = parts(Path(), options)
    if len(found) == 1 and isinstance(options.source, str):
        return found[0].folder(out)
    names = (dict.fromkeys(part.dataset for part in found), dict.fromkeys(part.track for part in found))
    return out / BENCHMARK / "built" / ".".join("+".join(one) for one in names)


def is_built(part: Part, out: Path) -> bool:
    """By this code, from the source as it is, and with these options: UserError when by others."""
    path = part.folder(out) / "manifest.json"
    if not path.exists():
        return False
    manifest = read_state(path, dict[str, Any], f"Delete {path.parent}, and it is built again")
    was, now = manifest.get("options", {}), part.options.identity()
    changed = [f"{key} was {was.get(key)!r}, is {now[key]!r}" for key in now if was.get(key) != now[key]]
    if changed:
        beside = [str(part.folder(out) / name) for name in manifest.get("files", {}) if name.startswith("..")]
        raise UserError(
            f"{path.parent} was built otherwise: {'; '.join(changed)}. Choose another --out, or delete "
            f"{' and '.join(['the folder', *beside])}."
        )
    return not changed_code(manifest, builder_code("fgbmk")) and not changed_since(part.folder(out), part.root)
