"""A program that speaks as `vllm serve` does, without vLLM: log lines, /health, /v1/models, /v1/chat/completions.

STAND_IN (JSON) in the environment says how it behaves; it leaves what it was started with, a line a start, in
`starts`. An answer tells what was asked, so that a test can see that.
"""

import base64
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOW = json.loads(os.environ.get("STAND_IN", "{}"))


def log(*lines: str) -> None:
    for line in lines:
        print(f"(APIServer pid={os.getpid()}) {line}", flush=True)


def failing(error: str) -> None:
    log("INFO 11-30 vLLM API server version 0.33.0", f"ERROR {error}")
    log("RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}")
    sys.exit(1)


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def numbered_start() -> int:
    """How many were started before; notes this one, with a process of its own that it leaves to whoever ends it."""
    path, child = HOW["starts"], None
    with open(path, "a+") as file:
        file.seek(0)
        before = len(file.readlines())
    if HOW.get("engine"):  # vLLM computes in a process beside the one that answers
        stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-I", "-c", stubborn]).pid
    with open(path, "a") as file:
        told = {"pid": os.getpid(), "engine": child, "words": sys.argv[1:], "environment": dict(os.environ)}
        file.write(json.dumps(told) + "\n")
    return before


class Handler(BaseHTTPRequestHandler):
    polls, answered, lock = 0, 0, threading.Lock()

    def log_message(self, *_: object) -> None:
        return

    def reply(self, status: int, body: object = None) -> None:
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def allowed(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {os.environ['VLLM_API_KEY']}":
            return True
        self.reply(401, {"error": "Unauthorized"})
        return False

    def do_GET(self) -> None:
        if self.path == "/health":
            Handler.polls += 1
            if Handler.polls <= HOW.get("slow", 0):
                log(f"INFO Loading safetensors checkpoint shards: {Handler.polls}/{HOW['slow']}")
                return self.reply(503)
            return self.reply(200)
        if self.allowed():
            root = HOW.get("root", sys.argv[2])
            listed = {"id": option("--served-model-name"), "object": "model", "owned_by": "vllm", "root": root}
            self.reply(200, {"object": "list", "data": [listed]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.allowed():
            return
        with Handler.lock:
            Handler.answered += 1
            if Handler.answered > HOW.get("crash_after", 1 << 30):
                log("ERROR EngineCore encountered a fatal error.", "ERROR torch.AcceleratorError: an illegal access")
                os._exit(1)
        text, ending = answer(body)
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": ending, "stop_reason": None}
        told = {"model": body["model"], "system_fingerprint": "vllm-0.33.0-tp1", "choices": [choice]}
        self.reply(200, {"id": "chatcmpl-1", "object": "chat.completion", "usage": {"total_tokens": 5}, **told})


def answer(body: dict) -> tuple[str, str]:
    """("yes" for an even number of signs in the question, else "no"), or what `says` tells."""
    content = body["messages"][0]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    question = next(part["text"] for part in parts if part["type"] == "text")
    if HOW.get("says") == "picture":
        from PIL import Image

        data = parts[0]["image_url"]["url"].partition(",")[2]
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        return f"{picture.format} {picture.size[0]} x {picture.size[1]}, {body['max_tokens']} tokens", "stop"
    if HOW.get("says") == "model":
        return MODEL[0].answer(body)
    if HOW.get("says") == "late":
        time.sleep(600)
    if HOW.get("says") == "nothing":
        return "", "stop"
    if HOW.get("says") == "refused":
        return "", "abort"
    return "yes" if len(question) % 2 == 0 else "no", "length" if HOW.get("says") == "cut" else "stop"


class Model:
    """The served folder, as transformers alone opens it: its template, its processor, greedy."""

    def __init__(self, folder: str) -> None:
        sys.path.insert(0, HOW["helpers"])
        import torch
        from alone import processor_of
        from transformers import AutoModelForImageTextToText, AutoTokenizer

        torch.set_num_threads(1)
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=getattr(torch, option("--dtype")))
        self.tokenizer, self.processor = AutoTokenizer.from_pretrained(folder), processor_of(Path(folder))
        self.lock = threading.Lock()

    def answer(self, body: dict) -> tuple[str, str]:
        import torch
        from PIL import Image

        [message] = body["messages"]
        parts = message["content"]
        parts = [{"type": "text", "text": parts}] if isinstance(parts, str) else parts
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        pictures = [Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB") for url in urls]
        # As vLLM hands them to a template of the form "openai".
        content = [{"type": "image"} if part["type"] == "image_url" else part for part in parts]
        template = Path(option("--chat-template")).read_text()
        text = self.tokenizer.apply_chat_template(
            [{**message, "content": content}], chat_template=template, tokenize=False, add_generation_prompt=True
        )
        images = {"images": [pictures]} if pictures else {}
        with self.lock, torch.inference_mode():
            made = self.processor(text=[text], add_special_tokens=False, return_tensors="pt", **images)
            made.pop("num_patches", None)
            ids = made["input_ids"]
            if "image_grid_thw" in made:
                made["mm_token_type_ids"] = (ids == self.model.config.image_token_id).int()
            found = self.model.generate(**made, do_sample=False, max_new_tokens=body["max_tokens"])[0, ids.shape[1] :]
        ends = self.model.generation_config.eos_token_id
        ended = int(found[-1]) in (ends if isinstance(ends, list) else [ends])
        return self.tokenizer.decode(found, skip_special_tokens=True), "stop" if ended else "length"


MODEL: list[Model] = []


def main() -> None:
    if sys.argv[1:] == ["--version"]:
        return print("0.33.0")
    before = numbered_start()
    if HOW.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "fails" in HOW:
        failing(HOW["fails"])
    if before < HOW.get("port_taken", 0):
        failing("OSError: [Errno 98] Address already in use")
    log("INFO vLLM API server version 0.33.0", f"INFO Starting to load model {sys.argv[2]}...")
    if HOW.get("says") == "model":
        MODEL.append(Model(sys.argv[2]))
    while HOW.get("hangs"):
        time.sleep(600)
    server = ThreadingHTTPServer((option("--host"), int(option("--port"))), Handler)
    server.daemon_threads = True
    server.request_queue_size = 256
    log("INFO Application startup complete.")
    server.serve_forever()


if __name__ == "__main__":
    main()
