"""One answer that is to be judged."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Candidate:
    """One answer. `image_path` is None where the data folder was not given."""

    question_id: int | str
    image: str
    image_path: Path | None
    name: str
    question: str
    reference: str
    answer: str
    thoughts: int = 0  # characters of thoughts that came with the answer and are left out

    @property
    def key(self) -> tuple[str, str]:
        return self.image, self.question
