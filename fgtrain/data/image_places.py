"""Where the images of a training set may lie: one from elsewhere shows the model none of the user's other pictures."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from data_builders.shared.pictures import near
from fgtrain.errors import UserError


class ImagePlaces:
    """Folders inside which images must lie, links followed."""

    def __init__(self, data_set: str, folders: Iterable[Path]) -> None:
        self.data_set = data_set
        self.folders = tuple(dict.fromkeys(Path(os.path.realpath(folder)) for folder in folders))
        self._inside: dict[str, bool] = {}  # folder -> is it inside?

    def check(self, image: Path) -> None:
        """UserError when there is no such file, or it lies elsewhere."""
        try:
            found = os.lstat(image)
        except OSError:
            raise UserError(f"no image {image}{near(image)}") from None
        if stat.S_ISLNK(found.st_mode):
            target = Path(os.path.realpath(image))
            if not target.is_file():
                raise UserError(f"no image {image}{near(image)}")
            self._refuse(image, target, self._may(target.parent))
        elif not stat.S_ISREG(found.st_mode):
            raise UserError(f"no image {image}{near(image)}")
        else:
            parent = str(image.parent)
            if parent not in self._inside:
                self._inside[parent] = self._may(Path(os.path.realpath(parent)))
            self._refuse(image, Path(parent), self._inside[parent])

    def _may(self, folder: Path) -> bool:
        return any(folder.is_relative_to(allowed) for allowed in self.folders)

    def _refuse(self, image: Path, place: Path, inside: bool) -> None:
        if not inside:
            raise UserError(
                f"image {image} lies in {place if place.is_dir() else place.parent}, outside of data_root, built_root "
                f"and the data set's own folder. If that is meant, write data.{self.data_set}.images_in: [DIR]"
            )
