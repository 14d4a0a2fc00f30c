"""Texts from Wikipedia through the MediaWiki API: one request at a time, each article kept on disk with its origin."""

import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..shared.csv_tables import csv_rows
from ..shared.errors import UserError
from ..shared.files import read_json, write_json
from ..shared.llm.waiting import backoff, pause, retry_after
from ..shared.progress import progress
from ..shared.seeding import address_hash
from ..sources import same_name
from .texts import Text

API = "https://en.wikipedia.org/w/api.php"
LICENCE = "CC BY-SA 4.0, Wikipedia contributors"
TRIES = 5
TIMEOUT_SECONDS = 30
AGENT = "fgtrain-data-builders/0.1 (a text per category for a training set)"


@dataclass
class Wikipedia:
    """`titles` says which article is a category's where its name is not (see `read_titles`)."""

    cache: Path
    api: str = API
    titles: dict[str, str] = field(default_factory=dict)
    contact: str = ""  # an address, as Wikimedia asks of programs
    pause_seconds: float = 0.2  # between requests
    requests: int = 0

    def __post_init__(self) -> None:
        # urlopen would also read files.
        if urllib.parse.urlsplit(self.api).scheme not in ("http", "https"):
            raise UserError(f"the address of the MediaWiki API is {self.api!r}; write https://.../api.php")

    def texts(self, categories: dict[str, list[str]]) -> tuple[dict[str, Text], dict[str, str]]:
        """The texts, and why other categories have none. `categories`: category -> titles to try, in order."""
        texts, lost = {}, {}
        with progress("reading Wikipedia", "articles", len(categories)) as advance:
            for category, titles in categories.items():
                article = self.article(category, titles)
                if "text" in article:
                    origin = {name: str(article[name]) for name in ("title", "revision", "url", "licence")}
                    texts[category] = Text(category, article["text"], origin)
                else:
                    lost[category] = article["reason"]
                advance(1)
        return texts, lost

    def article(self, category: str, titles: list[str]) -> dict:
        """title, revision, url, licence and text; or `reason` why there is none (not kept: it may come to be)."""
        tried = [self.titles[same_name(category)]] if same_name(category) in self.titles else titles
        name = f"{same_name(category).replace(' ', '_')[:80]}-{address_hash(self.api, *tried):032x}"[:120]
        path = self.cache / "wikipedia" / f"{name}.json"
        if path.exists():
            return read_json(path)
        found, reason = self.find(tried)
        if found is None:
            return {"reason": reason}
        page = self.get(prop="extracts|info", explaintext="1", inprop="url", pageids=str(found))["pages"][0]
        if not page.get("extract", "").strip():
            return {"reason": f"the article {page.get('title')!r} is empty"}
        article = {
            "title": page["title"],
            "revision": page.get("lastrevid", ""),
            "url": page.get("fullurl", ""),
            "licence": LICENCE,
            "text": page["extract"].strip(),
        }
        write_json(path, article)
        return article

    def find(self, titles: list[str]) -> tuple[int | None, str]:
        """The id of the first of these articles that is there and is one; else None and the reason."""
        query = self.get(prop="info|pageprops", ppprop="disambiguation", redirects="1", titles="|".join(titles))
        leads = {row["from"]: row["to"] for name in ("normalized", "redirects") for row in query.get(name, [])}
        pages = {page["title"]: page for page in query.get("pages", []) if not page.get("missing")}
        reason = f"no article {' or '.join(titles[:3])}"
        for title in titles:
            for _ in range(5):  # normalised, then redirected
                title = leads.get(title, title)
            page = pages.get(title)
            if page is None:
                continue
            if "disambiguation" in page.get("pageprops", {}):
                reason = f"{title!r} lists several meanings"
                continue
            return page["pageid"], ""
        return None, reason

    def get(self, **parameters: str) -> dict:
        """The `query` of one answer. UserError without a network, or when the answer is not the API's."""
        asked = {"action": "query", "format": "json", "formatversion": "2", "maxlag": "5", **parameters}
        request = urllib.request.Request(
            f"{self.api}?{urllib.parse.urlencode(asked)}", headers={"User-Agent": self.agent}
        )
        trouble = ""
        for attempt in range(TRIES):
            if self.requests:
                pause(self.pause_seconds, "", threading.Event())
            self.requests += 1
            wait = None
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as reply:
                    answer = json.load(reply)
                    wait = retry_after(reply.headers)
                if "query" in answer:
                    return answer["query"]
                error = answer.get("error", {})
                trouble = f"{self.api} answered {error.get('code')}: {error.get('info')}"
                if error.get("code") not in ("maxlag", "ratelimited", "readonly"):
                    raise UserError(trouble)
            except urllib.error.HTTPError as error:
                trouble, wait = f"{self.api} answered {error.code}", retry_after(error.headers)
                if error.code != 429 and error.code < 500:
                    raise UserError(trouble) from None
            except (OSError, ValueError) as error:
                trouble = f"{self.api} cannot be read ({error})"
            if attempt + 1 < TRIES:
                pause(
                    backoff(attempt, self.pause_seconds, self.api) if wait is None else wait, trouble, threading.Event()
                )
        raise UserError(
            f"{trouble}; asked {TRIES} times. Articles read so far are kept. Without a network: --texts DIR"
        )

    @property
    def agent(self) -> str:
        return f"{AGENT} {self.contact}".strip()


def titles_of(category: str, thing: str, aliases: Iterable[str]) -> list[str]:
    """Titles under which a category's article may stand, best first; sources write names without hyphens and capitals.

    "Cardinal (bird)" goes before "Cardinal", which may be about something else.
    """
    parts = category.split()
    found = [f"{category} ({thing})", category, category.title(), *aliases]
    if thing == "dog":
        found.insert(1, f"{category} (dog breed)")
    if len(parts) > 2:
        found.append(f"{parts[0]}-{' '.join(parts[1:])}")
    found = [title[:1].upper() + title[1:] for title in found if title and "|" not in title and "#" not in title]
    return list(dict.fromkeys(found))[:20]


def read_titles(path: Path) -> dict[str, str]:
    """A csv file with the columns category and title. UserError with the line."""
    rows = {}
    for number, row in csv_rows(path, ("category", "title")):
        if not row["category"] or not row["title"]:
            raise UserError(f"{path}, line {number}: expected a category and the title of its article")
        rows[same_name(row["category"])] = row["title"]
    return rows
