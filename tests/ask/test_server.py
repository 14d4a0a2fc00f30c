"""The page: over HTTP for this machine alone, and in a real browser."""

import base64
import http.client
import json
import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import fgtrain
from fgtrain.__main__ import main
from fgtrain.ask.page import Page
from fgtrain.ask.place import names_for
from fgtrain.ask.server import FILES, MOST_BYTES, PHOTO, AskServer, server_at
from fgtrain.errors import UserError

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def server(world: Path) -> Iterator[AskServer]:
    """Two checkpoints: a stage of the run, and the same one as a model that belongs to no run."""
    shutil.copytree(world / "runs" / "tiny" / "sft" / "checkpoint", world / "base")
    models = [fgtrain.load(world / "runs" / "tiny"), fgtrain.load(world / "base")]
    with server_at(0) as server:
        server.page = Page(models, names_for([one.place for one in models], None), always=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def sent(server: AskServer, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    found = answer.status, dict(answer.headers), answer.read()
    connection.close()
    return found


def test_both_checkpoints_answer(server: AskServer, world: Path):
    photo = world / "own" / "red wug" / "0.png"
    status, _, body = sent(server, "POST", "/ask?question=", photo.read_bytes(), Content_Type=PHOTO)
    assert status == 200
    replies = json.loads(body)["replies"]
    assert [one["checkpoint"] for one in replies] == [str(world / "runs" / "tiny"), str(world / "base")]
    assert replies[0]["named"] == replies[1]["named"], "the base weighs the run's names"
    known = fgtrain.load(world / "runs" / "tiny").ask(photo)
    assert replies[0]["named"]["likeliest"][0][0] == known.names.likeliest[0][0]
    status, _, body = sent(server, "POST", "/ask?question=What%20colour%3F", photo.read_bytes(), Content_Type=PHOTO)
    told = json.loads(body)["replies"][0]
    assert (status, told["question"], told["named"]) == (200, "What colour?", None)
    about = json.loads(sent(server, "GET", "/about")[2])
    assert about["names"] == {"source": "folder", "count": 5}
    for path, (_, kind) in FILES.items():
        status, headers, body = sent(server, "GET", path)
        assert (status, headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert body


def test_others_are_refused(server: AskServer, world: Path):
    """Names that point here, pages of other sites, paths, and what is no photo or too large."""
    photo, mine = (world / "own" / "red wug" / "0.png").read_bytes(), {"Content_Type": PHOTO}
    assert server.server_address[0] == "127.0.0.1"
    port = server.server_port
    for status, method, path, body, headers in (
        (403, "GET", "/", b"", {"Host": "evil.example"}),
        (403, "GET", "/", b"", {"Host": f"evil.example:{port}"}),
        (403, "POST", "/ask", photo, {**mine, "Host": f"evil.example:{port}"}),
        (403, "POST", "/ask", photo, {**mine, "Origin": "http://evil.example"}),
        (403, "POST", "/ask", photo, {**mine, "Origin": "null"}),
        (200, "GET", "/", b"", {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"}),
        (404, "GET", "/../conftest.py", b"", {}),
        (404, "GET", "/%2e%2e/server.py", b"", {}),
        (404, "GET", "//etc/passwd", b"", {}),
        (404, "POST", "/", photo, mine),
        (415, "POST", "/ask", photo, {"Content_Type": "text/plain"}),
        (411, "POST", "/ask", b"", {**mine, "Content_Length": "-1"}),
        (413, "POST", "/ask", b"", {**mine, "Content_Length": str(MOST_BYTES + 1)}),
        (413, "POST", "/ask", b"", {**mine, "Content_Length": "9" * 5000}),
        (400, "POST", "/ask", photo[: len(photo) // 2], mine),
        (400, "POST", "/ask", b"%!PS-Adobe-3.0 EPSF-3.0", mine),
        (400, "POST", "/ask", b"", mine),
        (400, "POST", "/ask?question=" + "a" * 5000, photo, mine),
        (501, "OPTIONS", "/ask", b"", mine),
    ):
        found, _, told = sent(server, method, path, body, **headers)
        assert (found, method, path) == (status, method, path), told
        assert b"Traceback" not in told


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_closed_tab_is_no_error(
    server: AskServer, world: Path, share: float, capfd: pytest.CaptureFixture, monkeypatch
):
    """Gone in the middle of its photo, or before its answer."""
    photo, done = (world / "own" / "red wug" / "0.png").read_bytes(), threading.Event()
    closing = server.shutdown_request
    monkeypatch.setattr(server, "shutdown_request", lambda request: (closing(request), done.set()))
    lines = (f"Host: {server.hosts[0]}", f"Content-Type: {PHOTO}", f"Content-Length: {len(photo)}")
    head = "\r\n".join(("POST /ask HTTP/1.1", *lines, "", ""))
    tab = socket.create_connection(server.server_address)
    tab.sendall(head.encode() + photo[: int(share * len(photo))])
    tab.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, as a killed browser does
    tab.close()
    assert done.wait(60)
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_is_said_at_once(world: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} is taken. Write --port N"):
            main(["ask", str(world / "runs" / "tiny"), "--serve", "--port", str(port)])


def test_the_command_serves_until_it_is_interrupted(world: Path, monkeypatch, capsys: pytest.CaptureFixture):
    """A checkpoint without names of its own is served as well: it is asked questions."""
    served = []

    def serve(server: AskServer) -> None:
        served.append((server.hosts[0], server.page.about()))
        raise KeyboardInterrupt

    monkeypatch.setattr(AskServer, "serve_forever", serve)
    stage = str(world / "runs" / "tiny" / "sft")
    shutil.copytree(f"{stage}/checkpoint", world / "alone")
    assert main(["ask", str(world / "alone"), "--serve", "--port", "0"]) == 0
    [(host, about)] = served
    assert about == {"checkpoints": [str(world / "alone")], "names": None}
    said = capsys.readouterr().out
    assert f"http://{host} shows the page" in said
    assert said.endswith("\nended\n")


READY = """new Promise((done, broken) => {
  let left = 1000;
  const look = () => {
    if (document.querySelector("#question")?.placeholder) done();
    else if (left-- > 0) setTimeout(look, 50);
    else broken(new Error("the page is not ready"));
  };
  look();
})"""


class Browser:
    """Chromium, spoken to in its own protocol through two pipes."""

    def __init__(self, profile: Path) -> None:
        ours_in, self.theirs = os.pipe()
        self.ours, theirs_out = os.pipe()
        # It reads from 3 and writes to 4.
        shell = f"exec {CHROMIUM} --headless --no-sandbox --disable-gpu --user-data-dir={profile} "
        shell += f"--remote-debugging-pipe about:blank 3<&{ours_in} 4>&{theirs_out}"
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(
            ["bash", "-c", shell], pass_fds=(ours_in, theirs_out), stdout=quiet, stderr=quiet
        )
        os.close(ours_in)
        os.close(theirs_out)
        self.incoming = os.fdopen(self.ours, "rb")
        self.outgoing = os.fdopen(self.theirs, "wb")
        self.number, self.session = 0, {}
        [page] = [one for one in self.do("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        session = self.do("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        self.session = {"sessionId": session}

    def do(self, method: str, **parameters: object) -> dict:
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters, **self.session}
        self.outgoing.write(json.dumps(message).encode() + b"\0")
        self.outgoing.flush()
        while True:
            told = b""
            while not told.endswith(b"\0"):
                byte = self.incoming.read1(1)
                assert byte, "the browser has ended"
                told += byte
            if (found := json.loads(told[:-1])).get("id") == self.number:
                assert "result" in found, found
                return found["result"]

    def run(self, script: str) -> object:
        """What a script in the page comes to; it may wait."""
        found = self.do("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def close(self) -> None:
        self.outgoing.close()
        self.process.kill()
        self.process.wait()
        self.incoming.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
@pytest.mark.slow
def test_a_photo_is_dropped_in_a_browser(server: AskServer, world: Path, tmp_path: Path):
    """Dropped, asked without and with a question, then something that is no photo."""
    photo = base64.b64encode((world / "own" / "red wug" / "0.png").read_bytes()).decode()
    drop = """(async () => {
      const bytes = Uint8Array.from(atob("%s"), (one) => one.charCodeAt(0));
      const held = new DataTransfer();
      held.items.add(new File([bytes], "creature.png", { type: "image/png" }));
      dispatchEvent(new DragEvent("drop", { dataTransfer: held, cancelable: true }));
      at("question").value = "%s";
      await ask();
      return [at("state").textContent, at("state").className, at("replies").innerText];
    })()"""
    browser = Browser(tmp_path / "profile")
    try:
        browser.do("Page.enable")
        browser.do("Page.navigate", url=f"http://127.0.0.1:{server.server_port}/")
        browser.run(READY)
        state, kind, replies = browser.run(drop % (photo, ""))
        assert ("species" in state, kind) == (True, "")
        assert replies.count("In its own words") == 2
        assert str(world / "base") in replies
        assert "red wug" in replies
        assert browser.run("at('photo').naturalWidth") == 50
        for dark in ("light", "dark"):
            browser.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": dark}])
            picture = browser.do("Page.captureScreenshot", captureBeyondViewport=True)["data"]
            (tmp_path / f"{dark}.png").write_bytes(base64.b64decode(picture))
        browser.do("Emulation.setDeviceMetricsOverride", width=360, height=1200, deviceScaleFactor=1, mobile=True)
        assert browser.run("document.documentElement.scrollWidth") <= 360
        (tmp_path / "phone.png").write_bytes(base64.b64decode(browser.do("Page.captureScreenshot")["data"]))
        state, kind, replies = browser.run(drop % (photo, "What colour is it?"))
        assert (state, kind) == ("What colour is it?", "")
        assert "In its own words" not in replies
        state, kind, replies = browser.run(drop % (base64.b64encode(b"no photo").decode(), ""))
        assert kind == "error"
        assert "this photo cannot be read" in state
        assert replies == ""
    finally:
        browser.close()
