"""Options that the builders with a writer share: where texts come from, who writes, what it may cost."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from ..errors import UserError
from ..llm import Budget, Client, Endpoint
from ..options import Options
from ..sources import Source
from . import wikipedia
from .model import ModelWriter
from .rules import RulesWriter
from .subjects import Subject
from .texts import WIKIPEDIA, Text, digest, folder_texts, missing, shortened
from .writer import Writer


def default_cache() -> Path:
    """Outside what is built: whoever deletes a data set should not pay for its answers again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fgtrain"


class WriterOptions(Options):
    not_identity = frozenset(
        [
            "base_url",
            "key_variable",
            "cache",
            "budget",
            "budget_tokens",
            "concurrency",
            "timeout",
            "wikipedia_url",
            "titles",
            "contact",
        ]
    )

    texts: str | None = Field(
        None,
        description="folder with a text per category (<category>.txt, or class_texts.jsonl), or wikipedia (fetched)",
    )
    text_characters: int = Field(6000, ge=100, description="of each text that are used, up to the end of a sentence")
    without_text: Literal["error", "leave_out"] = Field(
        "error", description="what happens to categories without a text: error or leave_out"
    )
    model: str | None = Field(
        None, description="the endpoint's model that writes; without one, rules over the texts do"
    )
    base_url: str | None = Field(None, description="of an OpenAI-compatible endpoint; default $OPENAI_BASE_URL")
    key_variable: str = Field("OPENAI_API_KEY", description="environment variable that holds the endpoint's key")
    temperature: float | None = Field(None, ge=0, description="sent with every request; default the endpoint's own")
    max_tokens: int | None = Field(None, ge=1, description="of an answer; default the endpoint's own")
    cache: str | None = Field(None, description="folder of answers and articles; default $XDG_CACHE_HOME/fgtrain")
    budget: int | None = Field(5000, ge=0, description="requests that this run may send, retried ones too")
    budget_tokens: int | None = Field(None, ge=0, description="tokens after which this run sends no further request")
    concurrency: int = Field(4, ge=1, le=256, description="requests at the same time")
    timeout: float = Field(120, gt=0, description="seconds to wait for an answer")
    wikipedia_url: str = Field(wikipedia.API, description="address of a MediaWiki API")
    titles: str | None = Field(
        None, description="csv file category,title: articles of categories whose name is another"
    )
    contact: str = Field("", description="an e-mail address, which Wikimedia asks programs to send")

    def identity(self) -> dict:
        """A folder of texts counts by what it holds, not by where it lies."""
        found = super().identity()
        if self.texts not in (None, WIKIPEDIA) and Path(self.texts).is_dir():
            found["texts"] = f"sha256:{digest(Path(self.texts))}"
        return found

    @property
    def cache_folder(self) -> Path:
        return Path(self.cache) if self.cache else default_cache()

    def client(self) -> Client | None:
        """None without a model. UserError when the endpoint's address cannot be right."""
        if self.model is None:
            if self.base_url:
                raise UserError("--base-url without --model: name the model that the endpoint has")
            return None
        return Client(
            Endpoint(
                model=self.model,
                cache=self.cache_folder,
                base_url=self.base_url,
                key_variable=self.key_variable,
                budget=Budget(self.budget, self.budget_tokens),
                concurrency=self.concurrency,
                timeout_seconds=self.timeout,
                temperature=self.temperature,
                max_tokens=self.max_tokens,
            )
        )

    def writer(self, client: Client | None, seed: int) -> Writer:
        return RulesWriter(seed) if client is None else ModelWriter(client)

    def subjects(self, source: Source, things: dict[str, str]) -> tuple[list[Subject], dict[str, str]]:
        """Every category with its text, and why others have none. UserError for these unless they may be left out."""
        if self.texts is None:
            raise UserError("--texts is needed: a folder with a text per category, or wikipedia")
        if self.texts == WIKIPEDIA:
            titles = wikipedia.read_titles(Path(self.titles)) if self.titles else {}
            reader = wikipedia.Wikipedia(self.cache_folder, self.wikipedia_url, titles, self.contact)
            wanted = {
                name: wikipedia.titles_of(name, thing, source.aliases.get(name, ())) for name, thing in things.items()
            }
            texts, lost = reader.texts(wanted)
            advice = "Write the titles of their articles into a csv file (category,title): --titles FILE."
        else:
            texts, lost = folder_texts(Path(self.texts), things)
            advice = (
                f"Put each into {self.texts}/<category>.txt (or a line of class_texts.jsonl, if that file is there)."
            )
        if lost and (self.without_text == "error" or not texts):
            raise missing(lost, advice)
        return [
            Subject(
                category,
                tuple(source.aliases.get(category, ())),
                thing,
                Text(category, shortened(texts[category].body, self.text_characters), texts[category].origin),
            )
            for category, thing in things.items()
            if category in texts
        ], lost
