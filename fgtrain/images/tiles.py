"""A picture as square tiles in the grid nearest to its shape, and the whole of it as one more (InternVL)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from .spec import ImageSpec, Layout


@dataclass(frozen=True, kw_only=True)
class Tiles(ImageSpec):
    """Rows of pixels are tiles [3, size, size], row by row of the grid; the thumbnail is the last."""

    kind: ClassVar[str] = "tiles"

    size: int  # pixels of a tile's side
    tokens: int  # image tokens (P) of one tile
    max_tiles: int  # per picture, thumbnail not counted
    min_tiles: int = 1

    @property
    def needs_size(self) -> bool:
        return self.max_tiles > 1

    @property
    def fixed_tokens(self) -> int | None:
        return self.tokens if self.max_tiles == 1 else None

    @property
    def most_tokens(self) -> int:
        return self.tokens * (self.max_tiles + (self.max_tiles > 1))

    def grid(self, width: int, height: int) -> tuple[int, int]:
        """(columns, rows) of the tiles."""
        if self.max_tiles == 1:
            return 1, 1
        nearest = None
        found = (1, 1)
        for columns, rows in grids(self.min_tiles, self.max_tiles):
            off = abs(width / height - columns / rows)
            if nearest is None or off < nearest:
                nearest, found = off, (columns, rows)
            elif off == nearest and width * height > 0.5 * self.size**2 * columns * rows:
                # Of equal shapes the larger, unless the picture would be blown up to more than twice its area.
                found = (columns, rows)
        return found

    def layout(self, width: int, height: int, alone: bool = True) -> Layout:
        columns, rows = self.grid(width, height)
        tiles = columns * rows + (columns * rows > 1)
        return Layout(tiles * self.tokens, tiles)

    def pixels(self, picture: Image.Image, alone: bool = True) -> np.ndarray:
        return self.squares(picture, *self.grid(*picture.size), self.size)

    def told(self, width: int, height: int) -> str:
        columns, rows = self.grid(width, height)
        if columns * rows == 1:
            return f"stretched to one tile of {self.size} px"
        return f"stretched to {columns} x {rows} tiles of {self.size} px, and once more to one tile"

    def blank(self) -> tuple[np.ndarray, tuple[int, ...]]:
        return np.zeros((1, 3, self.size, self.size), np.float32), ()

    def settings(self) -> dict[str, Any]:
        return {
            "image_processor_type": "GotOcr2ImageProcessor",
            "crop_to_patches": self.max_tiles > 1,
            "min_patches": self.min_tiles,
            "max_patches": self.max_tiles,
            "size": {"height": self.size, "width": self.size},
            **self.common_settings(),
        }


@lru_cache
def grids(fewest: int, most: int) -> tuple[tuple[int, int], ...]:
    """All (columns, rows) of so many tiles, from few tiles to many; of equally many, few columns first."""
    every = ((columns, rows) for columns in range(1, most + 1) for rows in range(1, most // columns + 1))
    return tuple(sorted((grid for grid in every if grid[0] * grid[1] >= fewest), key=lambda grid: grid[0] * grid[1]))
