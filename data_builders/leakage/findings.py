"""What was found, as rows of findings.jsonl and as lines to read."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..shared.files import write_jsonl

FILE = "findings.jsonl"
# kind -> what it is; those of a benchmark are listed and are nobody's leak
KINDS = {
    "test_image": "training images that their source's own test split lists",
    "identical_image": "training images whose bytes are a test image's",
    "near_image": "training images nearly identical to a test image",
    "question": "training questions that are a benchmark's open questions",
    "question_and_image": "benchmark questions trained on with their image",
    "label": "groups of byte-identical training images with different labels",
    "benchmark_answer": "groups of byte-identical benchmark images with different answers",
}
LISTED_ONLY = ("benchmark_answer",)
SHOWN = 3  # of each kind


@dataclass
class Finding:
    """`about` has the kind's own fields; `rows` the training rows concerned, as line number (from 0) -> id."""

    kind: str
    where: str  # training set, or benchmark
    against: str
    about: dict
    rows: dict[int, object] = field(default_factory=dict)

    def as_row(self) -> dict:
        row = {"kind": self.kind, "in": self.where, "against": self.against, **self.about}
        return {**row, "rows": list(self.rows.values())} if self.rows else row

    def __str__(self) -> str:
        about, whose = self.about, f" [{self.against}]" if self.against else ""
        if self.kind in ("label", "benchmark_answer"):
            pairs = [*zip(about["images"], about.get("labels") or about["answers"], strict=True)]
            more = f" = {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
            return f"{self.where}: " + " = ".join(f"{image} ({label})" for image, label in pairs[:SHOWN]) + more
        if self.kind in ("question", "question_and_image"):
            image = f" of {about['image']}" if "image" in about else ""
            return f"{self.where}: {about['question']!r}{image} ~ {about['other_question']!r}{whose}"
        how = f", {about['bits']} bits apart{', mirrored' if about['mirrored'] else ''}" if "bits" in about else ""
        other = f" = {about['other_image']}" if "other_image" in about else ""
        return f"{self.where}: {about['image']}{other}{how}{whose}"


def leaks(findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one.kind not in LISTED_ONLY]


def lines(findings: list[Finding]) -> list[str]:
    """A line for each kind, the first few findings under it."""
    counts, found = Counter(one.kind for one in findings), []
    for kind, what in KINDS.items():
        if not counts[kind]:
            continue
        found.append(f"{what}: {counts[kind]:,}")
        of_kind = [one for one in findings if one.kind == kind]
        found += [f"  {one}" for one in of_kind[:SHOWN]]
        if len(of_kind) > SHOWN:
            found.append(f"  ... and {len(of_kind) - SHOWN:,} more")
    return found


def write_findings(folder: Path, findings: list[Finding]) -> Path:
    """All of them into <folder>/findings.jsonl; no file where there are none."""
    path = folder / FILE
    if findings:
        write_jsonl(path, (one.as_row() for one in findings))
    else:
        path.unlink(missing_ok=True)
    return path
