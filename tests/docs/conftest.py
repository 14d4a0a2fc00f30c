import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from documented import DOCS, REPOSITORY

VERDICT = {"Item_accuracy": "a bird", "Item_accuracy_score": 1, "Fact_accuracy": "some", "Fact_accuracy_score": 2}
VERDICT["final_score"] = 3


@pytest.fixture(scope="session")
def from_code():
    """The package that makes the reference's pages."""
    sys.path.insert(0, str(DOCS))
    try:
        import from_code
    finally:
        sys.path.remove(str(DOCS))
    return from_code


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder, in which processes of the reader's find the program."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


class Says(BaseHTTPRequestHandler):
    """An endpoint that says yes to everything, and grades what it is asked to grade."""

    def log_message(self, *words) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = json.dumps(VERDICT) if "Item_accuracy" in json.dumps(asked["messages"]) else "yes"
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        reply = {"id": "1", "object": "chat.completion", "created": 0, "model": asked["model"], "usage": usage}
        body = json.dumps(reply | {"choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Says)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
