"""What the readers of original layouts share: finding a file among the places known for it, and the pictures."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ..shared.errors import UserError
from ..shared.files import safe_join
from ..sources.reading import files_in
from .benchmark import Picture, Request


def first_file(root: Path, candidates: Iterable[str]) -> Path | None:
    """The first of the candidates that is a file below the root."""
    return next((root / one for one in candidates if (root / one).is_file()), None)


class PictureFolder:
    """The folder that holds the pictures of an original layout, found by the first picture that is asked about."""

    def __init__(self, request: Request, candidates: Iterable[str], what: str):
        self.what = what
        # A folder that the user names is the only one looked into.
        self.places = [request.images] if request.images else [request.root / one for one in candidates]
        if request.images and not request.images.is_dir():
            raise UserError(f"images is {request.images}, which is no folder; name the folder of {what}'s images")
        self.folder: Path | None = None
        self.listed: dict[Path, set[str]] = {}

    def picture(self, name: str, place: str) -> Picture:
        """The picture of that name. UserError naming `place` when it is not there or its name leaves the folder."""
        try:
            safe_join(Path("images"), name)
        except UserError as error:
            raise UserError(f"{place}: {error}") from None
        for folder in [self.folder] if self.folder else self.places:
            path = folder / name
            if path.name in self._names(path.parent):
                self.folder = folder
                return Picture(place, str(PurePosixPath(name)), path=path, key=str(path))
        where = " or ".join(str(folder) for folder in ([self.folder] if self.folder else self.places))
        raise UserError(
            f"{place}: no image {name} in {where}. Unpack the images of {self.what} there, or name their folder: "
            "--images DIR"
        )

    def _names(self, folder: Path) -> set[str]:
        # One listing per folder: asking for each of thousands of files takes long on a network file system.
        if folder not in self.listed:
            self.listed[folder] = files_in(folder)
        return self.listed[folder]
