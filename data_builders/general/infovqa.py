"""InfographicsVQA: questions about infographics; answers may be spans, lists of spans or numbers not in the picture."""

from ..sources import About
from .benchmark import Benchmark, Official, text_of, texts_of
from .documents import DocumentSet


def details(row: dict, place: str) -> dict:
    """An answer may be of several types; the first stands as the category."""
    types = texts_of(row, "answer_type", place)
    return {
        "category": types[0] if types else "infographic",
        "answer_type": types,
        "operations": texts_of(row, "operation/reasoning", place),
        "image_url": row.get("image_url"),
    }


SET = DocumentSet(
    title="InfographicsVQA",
    files=(
        "infographicsvqa_qas/infographicsVQA_val_v1.0_withQT.json",
        "qas/infographicsVQA_val_v1.0_withQT.json",
        "infographicsVQA_val_v1.0_withQT.json",
        "infographicsVQA_val_v1.0.json",
    ),
    image_folders=("infographicsvqa_images", "images", "infographicVQA_val_v1.0_images"),
    image_name=lambda row, place: text_of(row, "image_local_name", place),
    parquet_folders=("InfographicVQA", "", "data", "default"),
    columns=("answer_type", "operation/reasoning", "image_url"),
    details=details,
)

BENCHMARK = Benchmark(
    name="infovqa",
    about=About(
        "InfographicsVQA",
        "https://rrc.cvc.uab.es/?ch=17 (original: task 3, after registration) or "
        "huggingface.co/datasets/lmms-lab/DocVQA (parquet)",
        "infographicsvqa_qas/infographicsVQA_val_v1.0_withQT.json and infographicsvqa_images/, or "
        "InfographicVQA/validation-*.parquet",
    ),
    splits={"val": Official(2801)},
    original=SET.original,
    parquet=SET.parquet,
    looked_for=SET.looked_for,
    without_answers=("test",),
)
