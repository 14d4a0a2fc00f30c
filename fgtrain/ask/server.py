"""The page over HTTP, for this machine's own browser alone.

It listens on loopback. What names another host (a name that was made to point here: DNS rebinding) or comes from
another site's page is refused, and no path of a request is one of a file.
"""

import errno
import json
import sys
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fgtrain.errors import UserError

from .page import Page

LOOPBACK = "127.0.0.1"
MOST_BYTES = 64 << 20  # of a photo
PATIENCE_SECONDS = 60  # with a browser that stops in the middle
HERE = Path(__file__).parent / "web"
FILES = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
PHOTO = "application/octet-stream"  # no page of another site may send this without asking first, and is told no


class RefusedError(Exception):
    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class AskServer(ThreadingHTTPServer):
    daemon_threads = True
    page: Page

    @property
    def hosts(self) -> tuple[str, str]:
        """What a browser may call it."""
        return f"{LOOPBACK}:{self.server_port}", f"localhost:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A tab that is closed before its answer comes is no error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def server_at(port: int) -> AskServer:
    """One that listens; `page` is to be set before it serves. UserError where the port cannot be had."""
    try:
        return AskServer((LOOPBACK, port), Handler)
    except OSError as error:
        why = {errno.EADDRINUSE: "is taken", errno.EACCES: "needs rights that you do not have"}.get(error.errno)
        if why is None:
            raise
        raise UserError(f"port {port} {why}. Write --port N for another, or --port 0 for any that is free") from None


class Handler(BaseHTTPRequestHandler):
    server: AskServer
    timeout = PATIENCE_SECONDS
    server_version, sys_version = "fgtrain", ""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _get(self) -> tuple[bytes, str]:
        path = urlsplit(self.path).path
        if path == "/about":
            return _json(self.server.page.about())
        if path not in FILES:
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")
        name, kind = FILES[path]
        return (HERE / name).read_bytes(), kind

    def _post(self) -> tuple[bytes, str]:
        address = urlsplit(self.path)
        if address.path != "/ask":
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")
        if self.headers.get("Content-Type") != PHOTO:
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"a photo comes as {PHOTO}")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "a photo comes with its length")
        if len(length) > 12 or int(length) > MOST_BYTES:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a photo may have {MOST_BYTES >> 20} MiB")
        picture = self.rfile.read(int(length))
        if len(picture) < int(length):
            raise ConnectionError("the browser has gone in the middle of its photo")
        question = parse_qs(address.query).get("question", [""])[0]
        return _json({"replies": self.server.page.ask(picture, question)})

    def _answer(self, work: Any) -> None:
        status = HTTPStatus.OK
        try:
            self._refuse_strangers()
            body, kind = work()
        except RefusedError as refused:
            status, (body, kind) = refused.status, _json({"error": str(refused)})
        except UserError as error:
            status, (body, kind) = HTTPStatus.BAD_REQUEST, _json({"error": str(error)})
        except OSError:  # the browser has gone
            self.close_connection = True
            return
        except Exception as error:
            traceback.print_exc()
            status, (body, kind) = (
                HTTPStatus.INTERNAL_SERVER_ERROR,
                _json({"error": f"{type(error).__name__}: {error}"}),
            )
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": f"{kind}; charset=utf-8", "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def _refuse_strangers(self) -> None:
        hosts, origin = self.server.hosts, self.headers.get("Origin")
        if self.headers.get("Host") not in hosts:
            raise RefusedError(HTTPStatus.FORBIDDEN, f"this page is http://{hosts[0]}, for this machine alone")
        if origin is not None and origin not in [f"http://{host}" for host in hosts]:
            raise RefusedError(HTTPStatus.FORBIDDEN, "pages of other sites may not ask")

    def log_message(self, *words: Any) -> None:
        """Nobody reads a line a request."""


def _json(value: Any) -> tuple[bytes, str]:
    return json.dumps(value).encode(), "application/json"
