"""What the page does behind its buttons: a photo's bytes and a question in, what each checkpoint says out."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from data_builders.shared.files import write_bytes
from data_builders.shared.pictures import read_picture
from fgtrain.errors import UserError

from .model import Model, Reply, why
from .names import Names

LONGEST_QUESTION = 4000  # characters


class Page:
    """`names`: weighed where no question is asked; `always`: behind a question, too."""

    def __init__(self, models: Sequence[Model], names: Names | None, always: bool) -> None:
        self.models, self.names, self.always = models, names, always
        self._one_at_a_time = Lock()

    def about(self) -> dict[str, Any]:
        names = self.names and {"source": self.names.source, "count": len(self.names.all)}
        return {"checkpoints": [one.place.title for one in self.models], "names": names}

    def ask(self, picture: bytes, question: str) -> list[dict[str, Any]]:
        """A reply a checkpoint. UserError for what is no picture, too large, or asked too long."""
        if len(question) > LONGEST_QUESTION:
            raise UserError(f"the question has {len(question):,} characters; {LONGEST_QUESTION:,} are read")
        asked = question.strip() or None
        names = self.names if asked is None or self.always else None
        if not picture:
            raise UserError("this photo is empty (0 bytes); choose another")
        read_picture(picture, "this photo", lambda image: image.load(), "choose another")
        with TemporaryDirectory(prefix="fgtrain-ask-") as folder:
            photo = Path(folder) / "photo"
            write_bytes(photo, picture)
            with self._one_at_a_time:
                return [_shown(reply) for one in self.models for reply in one.ask_all([photo], asked, names)]


def _shown(reply: Reply) -> dict[str, Any]:
    named = reply.names and {**asdict(reply.names), "why": why(reply.names)}
    said = reply.said + " ..." * (not reply.finished)
    return {"checkpoint": reply.checkpoint, "question": reply.question, "said": said, "named": named}
