"""A served checkpoint as evaluation asks it: by the endpoint answerer, known by its weights, not by its address."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from data_builders.shared.code_identity import code_of
from data_builders.shared.errors import UserError
from data_builders.shared.files import sha256_file
from data_builders.shared.llm import Client, Endpoint
from data_builders.shared.pictures import ChangedPicture

from ..asking.answerers.endpoint import EndpointAnswerer
from ..asking.answerers.sent import upright
from ..protocols import Answer, ImageQuestions, Unanswered
from .server import SILENT_SECONDS, Server, serving
from .vllm import KEY_VARIABLE, Settings, Vllm

CONCURRENCY = 128  # requests at once to one server; it answers as many together as its memory holds
BATCH_SIZE = 8 * CONCURRENCY  # questions handed over at once: near the end of a batch the server has less to do
# A reply waits for those before it, and a picture's first question for its encoder.
TIMEOUT_SECONDS = 600.0
# Of a request: the server is on this host, and when it is gone, that is told at once.
TRIES = 3
DECIDES = ("config.json", "chat_template.jinja", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json")


@dataclass(frozen=True)
class VllmModel:
    """A checkpoint that vLLM is to serve. `model_hash`: identity of its weights, which may lie in another folder in
    another form; `picture`: what is sent for a picture's file.
    """

    name: str  # for people
    folder: Path
    model_hash: str
    dtype: str = "bfloat16"
    seed: int = 0
    gpu: str | None = None
    picture: Callable[[Path | ChangedPicture], bytes] = upright
    pictures: Any = "upright"  # what `picture` does, as far as it decides an answer

    @property
    def settings(self) -> Settings:
        folder = self.folder.resolve()
        return Settings(folder, f"checkpoint-{self.model_hash[:16]}", self.dtype, self.seed, self.gpu)


class ServedAnswerer:
    """Implements evaluation.protocols.Answerer. A server gives no probabilities: answers have no `options`."""

    measures_text = False
    measures_names = False

    def __init__(self, server: Server, model: VllmModel, vllm: Vllm, endpoint: EndpointAnswerer) -> None:
        self.server, self.endpoint = server, endpoint
        self.name, self.model_hash = model.name, model.model_hash
        self.unanswered: list[Unanswered] = []
        files = {name: sha256_file(path)[:16] for name in DECIDES if (path := model.folder / name).is_file()}
        self.settings = {
            "answerer": "vllm",
            "version": vllm.version,
            "dtype": model.dtype,
            "seed": model.seed,
            "files": files,
            "pictures": model.pictures,
            "decoding": "greedy",
            "batch_invariant": os.environ.get("VLLM_BATCH_INVARIANT") == "1",  # which the server inherits
            "code": code_of(__name__).hash,
        }

    def answer(self, groups: list[ImageQuestions]) -> list[list[Answer | Unanswered]]:
        """UserError with the end of its log when the server has ended."""
        self.server.refuse_if_gone("before all was asked; what was answered is kept")
        try:
            replies = self.endpoint.answer(groups)
        except UserError:
            self._refuse_if_ended()
            raise
        unanswered = [reply for group in replies for reply in group if isinstance(reply, Unanswered)]
        if unanswered:
            self._refuse_if_ended()
        self.unanswered += unanswered
        return replies

    def _refuse_if_ended(self) -> None:
        """A request has failed: was it the request, or is the server about to end?"""
        self.server.refuse_unless_well("in the middle of its work; what was answered before is kept: start again")

    def text_log_likelihood(self, texts: list[str]) -> list[tuple[float, int]]:
        raise UserError(f"{self.name}, served by vLLM, gives no probabilities of a text")

    def refuse_unanswered(self) -> None:
        """UserError where questions got no answer: scores without them would say too much."""
        if self.unanswered:
            raise UserError(
                f"{len(self.unanswered):,} questions got no answer of vLLM ({self.unanswered[0].reason}); all others "
                f"are kept, and the same command asks only these again. What the server says: {self.server.log.path}"
            )


@contextmanager
def served(
    vllm: Vllm, model: VllmModel, log: Path, *, silent_seconds: float = SILENT_SECONDS
) -> Iterator[ServedAnswerer]:
    """The checkpoint served on this host, to be asked inside. UserError when it cannot be."""
    with serving(vllm, model.settings, log, silent_seconds=silent_seconds) as server:
        endpoint = Endpoint(
            model=model.settings.name,
            cache=None,  # nothing is paid, and what was answered stands in the answers
            base_url=server.url,
            key_variable=KEY_VARIABLE,
            concurrency=CONCURRENCY,
            timeout_seconds=TIMEOUT_SECONDS,
            tries=TRIES,
            patience_seconds=0.0,  # an unfinished batch is asked again in any case
            checkpoint=model.model_hash,
        )
        picture = lru_cache(CONCURRENCY)(model.picture)  # of the questions under way, many are about the same one
        asked = EndpointAnswerer(Client(endpoint), picture=picture, may_be_empty=True)
        yield ServedAnswerer(server, model, vllm, asked)
