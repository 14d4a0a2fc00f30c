"""Options that the builders with a writer share: where texts come from, who writes, what it may cost."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from ..options import Options
from ..shared.errors import UserError
from ..shared.files import sha256_file, user_cache
from ..shared.llm import Budget, Client, Endpoint
from ..shared.llm.keys import KEY_VARIABLES
from ..sources import Source
from . import wikipedia
from .model_writer import ModelWriter
from .rules import RulesWriter
from .subjects import Subject
from .texts import WIKIPEDIA, Text, digest, folder_of, folder_texts, shortened
from .unsaid import unsaid_of
from .writer import Writer

SHOWN = 5  # refused categories named in a message


class WriterOptions(Options):
    not_identity = frozenset(
        [
            "base_url",
            "key_variable",
            "cache",
            "budget",
            "budget_tokens",
            "requests_per_minute",
            "concurrency",
            "timeout",
            "wikipedia_url",
            "titles",
            "contact",
        ]
    )

    texts: str | None = Field(
        None,
        description="folder with a text per category (<category>.txt or class_texts.jsonl; of several sources, each in "
        "a folder of the source's name), or wikipedia (fetched)",
    )
    text_characters: int = Field(6000, ge=100, description="of each text that are used, up to the end of a sentence")
    without_text: Literal["error", "leave_out"] = Field(
        "error",
        description="what happens to categories without a text, or that the model refuses: error or leave_out",
    )
    model: str | None = Field(
        None, description="the endpoint's model that writes; without one, rules over the texts do"
    )
    base_url: str | None = Field(None, description="of an OpenAI-compatible endpoint; default $OPENAI_BASE_URL")
    key_variable: Literal[KEY_VARIABLES] = Field(
        "OPENAI_API_KEY", description="environment variable that holds the endpoint's key"
    )
    temperature: float | None = Field(None, ge=0, description="sent with every request; default the endpoint's own")
    max_tokens: int | None = Field(None, ge=1, description="of an answer; default the endpoint's own")
    accept_no_finish_reason: bool = Field(False, description="a reply that does not say how it ended is whole")
    cache: str | None = Field(None, description="folder of answers and articles; default $XDG_CACHE_HOME/fgtrain")
    budget: int | None = Field(5000, ge=0, description="requests that this run may send, retried ones too")
    budget_tokens: int | None = Field(None, ge=0, description="tokens after which this run sends no further request")
    requests_per_minute: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="that the endpoint allows: they are spread evenly, retried ones too; default no bound",
    )
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
        if self.titles is not None and Path(self.titles).is_file():
            found["titles"] = f"sha256:{sha256_file(Path(self.titles))[:16]}"
        return found

    @property
    def cache_folder(self) -> Path:
        return Path(self.cache) if self.cache else user_cache()

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
                requests_per_minute=self.requests_per_minute,
                concurrency=self.concurrency,
                timeout_seconds=self.timeout,
                temperature=self.temperature,
                max_tokens=self.max_tokens,
                accept_no_finish_reason=self.accept_no_finish_reason,
            )
        )

    def writer(self, client: Client | None, seed: int) -> Writer:
        return RulesWriter(seed) if client is None else ModelWriter(client)

    def subjects(self, source: Source, things: dict[str, str]) -> tuple[list[Subject], dict[str, str]]:
        """Every category with its text, and why others have none."""
        if self.texts is None:
            raise UserError("--texts is needed: a folder with a text per category, or wikipedia")
        if self.texts == WIKIPEDIA:
            titles = wikipedia.read_titles(Path(self.titles)) if self.titles else {}
            reader = wikipedia.Wikipedia(self.cache_folder, self.wikipedia_url, titles, self.contact)
            aliases = source.aliases
            wanted = {name: wikipedia.titles_of(name, thing, aliases.get(name, ())) for name, thing in things.items()}
            texts, lost = reader.texts(wanted)
        else:
            texts, lost = folder_texts(folder_of(Path(self.texts), source.name), things)
        unsaid, found = unsaid_of(source), []
        for category, thing in things.items():
            if category not in texts:
                continue
            body = unsaid.without(shortened(texts[category].body, self.text_characters))
            if not body:
                lost[category] = "every sentence names a category that is held out"
                continue
            aliases = tuple(source.aliases.get(category, ()))
            found.append(Subject(category, aliases, thing, Text(category, body, texts[category].origin), unsaid))
        return found, lost

    def refuse(self, lost: dict[str, str], found: int) -> None:
        """UserError that names every category without a text, unless they may be left out and others have one."""
        if not lost or (self.without_text == "leave_out" and found):
            return
        listed = "; ".join(f"{category} ({reason})" for category, reason in lost.items())
        if self.texts == WIKIPEDIA:
            advice = "Write the titles of their articles into a csv file (category,title): --titles FILE."
        else:
            advice = f"Put each into {self.texts}/<category>.txt, or a line of class_texts.jsonl if that file is there."
        raise UserError(
            f"{len(lost)} categories have no text: {listed}. {advice} "
            "To leave these categories out: --without-text leave_out"
        )

    def refuse_unwritten(self, refused: dict[str, str], found: int) -> None:
        """UserError that names every category for which the model wrote nothing, unless they may be left out."""
        if not refused or (self.without_text == "leave_out" and found):
            return
        listed = "; ".join(f"{category} ({reason})" for category, reason in list(refused.items())[:SHOWN])
        raise UserError(
            f"{self.model} wrote nothing about {len(refused)} categories: {listed}. All others are kept, and the same "
            "command asks only about these again. To leave them out: --without-text leave_out"
        )
