"""As much of a W&B server as the client needs to log a run: it takes everything and remembers what was sent."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from wandb_artifacts import artifact_data


@dataclass
class Received:
    """What a server has been sent, in the order in which it came."""

    url: str = ""
    upserts: list[dict] = field(default_factory=list)  # variables of each run's creation and updates
    rows: list[tuple[str, str, dict]] = field(default_factory=list)  # (run id, writer, figures)
    histories: dict[str, dict[int, dict]] = field(default_factory=dict)  # run id -> line -> figures, as files are kept
    ended_by: dict[str, list[str]] = field(default_factory=dict)  # run id -> writers that have ended it
    keys: set[str] = field(default_factory=set)  # that requests carried
    views: dict[str, dict] = field(default_factory=dict)  # name -> what was saved of it last
    takes_artifacts: bool = True
    files: dict[str, bytes] = field(default_factory=dict)  # path -> what was put there

    @property
    def runs(self) -> list[str]:
        return list(dict.fromkeys(one["name"] for one in self.upserts))

    def figures(self, run: str) -> list[dict]:
        """Rows of one run, without what the client adds itself."""
        return [figures for name, _, figures in self.rows if name == run]


@contextmanager
def wandb_server() -> Iterator[Received]:
    received = Received()
    handler = type("Handler", (_Handler,), {"received": received})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    received.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    received: Received

    def log_message(self, *words: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self._body()
        if self.path.endswith("/file_stream"):
            self._stream(body)
            self._answer({})
        elif "query" in body:
            name = body["query"].split("(")[0].split("{")[0].split()[-1]
            self._answer({"data": self._data(name, body.get("variables") or {})})
        else:
            self._answer({})

    def do_PUT(self) -> None:
        self.received.files[self.path.removeprefix("/")] = self._raw()
        self._answer({})

    def do_GET(self) -> None:
        self._answer(json.loads(self.received.files.get(self.path.removeprefix("/"), b"{}")))

    def _raw(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _body(self) -> dict:
        raw = self._raw()
        if self.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        if header := self.headers.get("Authorization"):
            self.received.keys.add(header)
        return json.loads(raw) if raw[:1] == b"{" else {}

    def _stream(self, body: dict) -> None:
        run, writer = self.path.split("/")[-2], self.headers.get("X-WANDB-ASYNC-CLIENT-ID", "")
        sent = body.get("files", {}).get("wandb-history.jsonl", {"offset": 0, "content": []})
        for number, line in enumerate(sent["content"], sent["offset"]):
            figures = {key: value for key, value in json.loads(line).items() if not key.startswith("_")}
            self.received.rows.append((run, writer, figures))
            self.received.histories.setdefault(run, {})[number] = figures
        if body.get("complete"):
            self.received.ended_by.setdefault(run, []).append(writer)

    def _data(self, name: str, variables: dict) -> dict:
        who = {"id": "entity", "name": variables.get("entity") or "somebody"}
        project = {"id": "project", "name": variables.get("project") or "none", "entity": who}
        match name:
            case "UpsertBucket":
                inserted = variables["name"] not in self.received.runs
                self.received.upserts.append(variables)
                bucket = {"id": f"stored-{variables['name']}", "name": variables["name"], "config": "{}"}
                bucket |= {"displayName": variables.get("displayName"), "project": project, "historyLineCount": 0}
                return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}
            case "CreateRunFiles":
                files = [{"name": file, "uploadUrl": f"{self.received.url}/{file}"} for file in variables["files"]]
                return {"createRunFiles": {"runID": "run", "uploadHeaders": [], "files": files}}
            case "ServerFeaturesQuery":
                return {"serverInfo": {"features": []}}
            case "Viewer":
                return {"viewer": {"id": "viewer", "entity": "somebody", "flags": "{}", "teams": {"edges": []}}}
            case "UpsertView2":
                view = {"id": variables.get("id") or f"view-{len(self.received.views)}", "name": variables["name"]}
                self.received.views[view["name"]] = view | variables
                return {"upsertView": {"view": view, "inserted": "id" not in variables}}
            case "View":
                views = [one for one in self.received.views.values() if one["name"] == variables["viewName"]]
                return {"project": {"allViews": {"edges": [{"node": one} for one in views]}}}
        return artifact_data(self.received.url, name, variables) if self.received.takes_artifacts else {}

    def _answer(self, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
