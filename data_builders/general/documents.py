"""What DocVQA and InfographicsVQA share: question files of the Robust Reading Competition, and their parquet form.

Both are scored by ANLS against a list of accepted answers. The answers of the test splits are kept back.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..shared.files import read_json
from .benchmark import Asked, Reading, Request, answers_of, list_of, mapping_of, number_of, text_of
from .originals import PictureFolder, first_file
from .parquet import count_rows, embedded, find_shards, read_rows, told_patterns

PARQUET_SPLIT = "validation"


@dataclass(frozen=True)
class DocumentSet:
    """One of the two. `details` gives what a row says besides question and answers, and its category."""

    title: str
    files: tuple[str, ...]  # candidates for the question file of the val split
    image_folders: tuple[str, ...]
    image_name: Callable[[dict, str], str]  # row and place -> the picture's name in its folder
    parquet_folders: tuple[str, ...]
    columns: tuple[str, ...]  # optional ones of the parquet form
    details: Callable[[dict, str], dict]

    def row_of(self, row: dict, place: str) -> dict:
        return {
            "question_id": number_of(row, "questionId", place),
            "question": text_of(row, "question", place),
            "answer": answers_of(row, "answers", place),
            "split": "val",
            **self.details(row, place),
        }

    def looked_for(self, split: str) -> list[str]:
        return [*self.files, *told_patterns(self.parquet_folders, PARQUET_SPLIT)]

    def original(self, request: Request) -> Reading | None:
        path = first_file(request.root, self.files)
        if path is None:
            return None
        rows = list_of(mapping_of(read_json(path), str(path)).get("data"), f"{path}, data")
        return Reading("original", (path,), len(rows), self._read_original(request, path, rows))

    def _read_original(self, request: Request, path: Path, rows: list) -> Iterator[Asked]:
        folder = PictureFolder(request, self.image_folders, self.title)
        for number, row in enumerate(rows, 1):
            place = f"{path}, row {number}"
            mapping_of(row, place)
            yield Asked(self.row_of(row, place), folder.picture(self.image_name(row, place), place), place)

    def parquet(self, request: Request) -> Reading | None:
        files = find_shards(request.root, self.parquet_folders, PARQUET_SPLIT, allow_partial=request.allow_partial)
        if not files:
            return None
        return Reading("parquet", tuple(files), count_rows(files), self._read_parquet(files))

    def _read_parquet(self, files: list[Path]) -> Iterator[Asked]:
        for place, row in read_rows(files, ("questionId", "question", "answers", "image"), self.columns):
            yield Asked(self.row_of(row, place), embedded(row, "image", place), place)
