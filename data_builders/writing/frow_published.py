"""FROW as published: question files checked, their pictures found and put where the rows say they are."""

from pathlib import Path

from ..naming import named_in
from ..shared.errors import UserError
from ..shared.files import safe_join, sha256_file, write_bytes
from ..shared.progress import progress
from .benchmark_files import BENCHMARK, checked_rows, dataset_of, put_image, question_files

PUBLISHED = {"aircraft": 100, "cub": 200, "dog": 120, "flowers102": 102, "food101": 100, "vegfru": 237}  # questions


def read_published(folder: Path, named: str) -> dict[str, tuple[Path, list[dict]]]:
    """data set -> its file and rows. UserError for broken rows, a category twice, or one that its question names."""
    files = question_files(folder)
    if not files:
        raise UserError(f"{folder} holds no *_with_reference.jsonl (nor do its FROW/ and benchmark/)")
    found: dict[str, tuple[Path, list[dict]]] = {}
    for path in files:
        dataset, rows, faults, places = dataset_of(path), [], [], {}
        if dataset in found:
            raise UserError(f"{path}: {dataset} is there twice; name the folder of one of them")
        found[dataset] = path, rows
        for place, row in checked_rows(path):
            if row["name"] in places:
                raise UserError(f"{place}: {row['name']!r} has a question already, {places[row['name']]}")
            places[row["name"]] = place
            if named == "error" and named_in(row["question"], [row["name"]]):
                faults.append(f"{place}: {row['question']!r} names {row['name']!r}")
            rows.append(row)
        if faults:
            raise UserError("; ".join(faults[:10]) + ". To keep such questions: --named keep")
    return found


def find_image(dataset: str, image: str, folder: Path, roots: dict[str, str]) -> Path | None:
    """The picture of a row: under the data set's own folder where one is named, or beside the question files."""
    places = [Path(roots[dataset])] if dataset in roots else []
    places += [folder, folder / BENCHMARK, folder / dataset]
    # The published paths are not always those of the data sets' own archives.
    tail = image.removeprefix("images/")
    for place in places:
        for path in (image, f"data/{image}", f"Images/{tail}", f"jpg/{tail}"):
            if safe_join(place, path).is_file():
                return place / path
    return None


def import_published(out: Path, folder: Path, roots: dict[str, str], how: str, named: str) -> dict:
    """Write all data sets into <out>/FROW; return what the manifest says of them. UserError lists missing pictures."""
    found = read_published(folder, named)
    if unknown := [name for name in roots if name not in found]:
        raise UserError(f"image_roots names {', '.join(unknown)}; {folder} has questions about {', '.join(found)}")
    sources, missing = {}, []
    for dataset, (_, rows) in found.items():
        for row in rows:
            path = find_image(dataset, row["image"], folder, roots)
            if path is None:
                missing.append((dataset, row["image"]))
            sources[dataset, row["image"]] = path
    if missing:
        count = {name: sum(dataset == name for dataset, _ in missing) for name, _ in missing}
        listed = ", ".join(f"{name} ({number} of {len(found[name][1])})" for name, number in count.items())
        raise UserError(
            f"pictures are not there: {listed}; the first: {missing[0][1]} of {missing[0][0]}. Say where each data set "
            "lies: --image-roots " + ",".join(f"{name}=DIR" for name in count)
        )
    benchmark = out / BENCHMARK
    for path, _ in found.values():
        there = benchmark / path.name
        if there.exists() and sha256_file(there) != sha256_file(path):
            raise UserError(f"{there} holds other questions than {path}; choose another --out")
    with progress("importing FROW", "pictures", len(sources)) as advance:
        for (_, image), path in sources.items():
            put_image(path, benchmark, image, how)
            advance(1)
    files = {}
    for dataset, (path, rows) in found.items():
        write_bytes(benchmark / path.name, path.read_bytes())
        files[path.name] = {"rows": len(rows), "sha256": sha256_file(path)}
        if dataset in PUBLISHED:
            files[path.name]["published_rows"] = PUBLISHED[dataset]
    return {
        "rows": sum(len(rows) for _, rows in found.values()),
        "images": len(sources),
        "sources": list(found),
        "files": files,
    }
