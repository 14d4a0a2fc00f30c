"""DocVQA (single page): questions about scanned documents; the answers are spans of their text."""

from pathlib import PurePosixPath

from ..sources import About
from .benchmark import Benchmark, Official, text_of, texts_of
from .documents import DocumentSet


def details(row: dict, place: str) -> dict:
    """A question may be of several types; the first stands as its category."""
    types = texts_of(row, "question_types", place)
    return {
        "category": types[0] if types else "document",
        "question_types": types,
        "doc_id": row.get("docId"),
        "ucsf_document_id": row.get("ucsf_document_id"),
        "ucsf_document_page_no": row.get("ucsf_document_page_no"),
    }


def image_name(row: dict, place: str) -> str:
    """The file names the picture as documents/<name>, wherever the pictures were unpacked."""
    name = text_of(row, "image", place)
    path = PurePosixPath(name)
    return path.name if path.parts[:1] == ("documents",) and len(path.parts) == 2 else name


SET = DocumentSet(
    title="DocVQA",
    files=(
        "spdocvqa_qas/val_v1.0_withQT.json",
        "qas/val_v1.0_withQT.json",
        "val_v1.0_withQT.json",
        "val/val_v1.0_withQT.json",
        "val/val_v1.0.json",
        "val_v1.0.json",
    ),
    image_folders=("spdocvqa_images", "val/documents", "documents", "images", "val/images"),
    image_name=image_name,
    # Beside DocVQA/ lies InfographicVQA/ in the same repository, so no folder "data" is looked into first.
    parquet_folders=("DocVQA", "", "data", "default"),
    columns=("question_types", "docId", "ucsf_document_id", "ucsf_document_page_no"),
    details=details,
)

BENCHMARK = Benchmark(
    name="docvqa",
    about=About(
        "DocVQA",
        "https://rrc.cvc.uab.es/?ch=17 (original: task 1, after registration) or "
        "huggingface.co/datasets/lmms-lab/DocVQA (parquet)",
        "spdocvqa_qas/val_v1.0_withQT.json and spdocvqa_images/, or DocVQA/validation-*.parquet",
    ),
    splits={"val": Official(5349)},
    original=SET.original,
    parquet=SET.parquet,
    looked_for=SET.looked_for,
    without_answers=("test",),
)
