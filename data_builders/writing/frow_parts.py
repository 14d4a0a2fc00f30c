"""The options of `frow`, and the data sets of one command."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ..builder_code import builder_code, changed_code
from ..built_from import changed_since
from ..options import CheckOptions, WhichSource, split_pairs
from ..shared.errors import UserError
from ..shared.files import read_json, safe_join, sha256_file
from ..shared.seeding import address_hash
from .benchmark_files import BENCHMARK, ENDING, question_files
from .writer_options import WriterOptions

PUBLISHED_NAMES = {"dogs": "dog"}  # sources that FROW calls otherwise


def folders(value: object) -> object:
    """ "cub=DIR,dog=DIR" as a mapping."""
    pairs = split_pairs(value)
    if not isinstance(pairs, dict) or not all(pairs.values()):
        raise ValueError("write data sets with their folders: cub=DIR,dog=DIR")
    return pairs


class FrowOptions(WriterOptions, CheckOptions):
    not_identity = frozenset({"check_images", "image_roots"})

    source: WhichSource | None = Field(
        None,
        description="the data set at --root, whose test images are asked about, or several in folders of it: "
        "cub=CUB_200_2011,cars=stanford_cars",
    )
    dataset: str | None = Field(None, description="the data set's name in the files; default as FROW names it")
    seed: int = Field(0, description="of every draw")
    check_images: bool = Field(True, description="look whether every listed image is there")
    show_image: bool = Field(False, description="send the test image with the request for the reference answer")
    images: Literal["copy", "link"] = Field(
        "copy", description="copy, or link (symbolic links to the data set's files)"
    )
    from_published: str | None = Field(
        None, description="folder with FROW's own *_with_reference.jsonl to import instead of writing questions"
    )
    image_roots: Annotated[dict[str, str], BeforeValidator(folders)] = Field(
        {}, description="with --from-published, where its images lie if not beside it: cub=DIR,dog=DIR"
    )
    named: Literal["error", "keep"] = Field(
        "error", description="with --from-published: questions that name their category are an error, or kept"
    )

    def identity(self) -> dict:
        found = super().identity()
        if self.from_published is not None and Path(self.from_published).is_dir():
            hashes = [sha256_file(path) for path in question_files(Path(self.from_published))]
            found["from_published"] = f"sha256:{address_hash(*hashes):032x}"
        return found


@dataclass(frozen=True)
class Part:
    """One data set: what one manifest vouches for. `options` are those that would build it alone."""

    root: Path
    options: FrowOptions

    @property
    def dataset(self) -> str:
        return dataset_name(self.options)

    def folder(self, out: Path) -> Path:
        return out / BENCHMARK / "built" / self.dataset

    def review(self, out: Path) -> Path:
        return out / BENCHMARK / f"{self.dataset}_review.csv"

    def questions(self, out: Path) -> Path:
        return out / BENCHMARK / f"{self.dataset}{ENDING}"

    def edited(self, out: Path) -> bool:
        """Has the review file been changed since the questions were written?"""
        review, manifest = self.review(out), self.folder(out) / "manifest.json"
        if self.options.from_published is not None or not review.exists() or not manifest.exists():
            return False
        return sha256_file(review) != read_json(manifest).get("review_sha256")

    def is_built(self, out: Path) -> bool:
        """By this code, from the source and the review as they are: UserError when with other options."""
        path = self.folder(out) / "manifest.json"
        if not path.exists():
            return False
        manifest = read_json(path)
        was, now = manifest.get("options", {}), self.options.identity()
        if changed := [f"{key} was {was.get(key)!r}, is {now[key]!r}" for key in now if was.get(key) != now[key]]:
            raise UserError(
                f"{path.parent} was built otherwise: {'; '.join(changed)}. Choose another --out, or delete it"
            )
        same = not changed_code(manifest, builder_code("frow")) and not changed_since(path.parent, self.root)
        return same and not self.edited(out)


def parts(root: Path, options: FrowOptions) -> list[Part]:
    """UserError where an option fits one data set only."""
    if not isinstance(options.source, dict):
        return [Part(root, options)]
    if len(options.source) > 1 and options.dataset is not None:
        raise UserError(f"dataset is of one data set, and source names {len(options.source)}: run one at a time")
    return [
        Part(safe_join(root, folder), options.model_copy(update={"source": source}))
        for source, folder in options.source.items()
    ]


def dataset_name(options: FrowOptions) -> str:
    if options.from_published is not None:
        return "published"
    name = options.dataset or PUBLISHED_NAMES.get(options.source or "", options.source)
    if name is None:
        raise UserError("frow needs --source (a data set to write questions about) or --from-published DIR")
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"dataset is {name!r}; write a plain name of letters, digits, _ and -")
    return name
