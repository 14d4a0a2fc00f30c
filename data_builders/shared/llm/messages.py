"""Chat messages. A picture is named by its file and becomes bytes only when the request leaves."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from ..errors import UserError

Message = dict[str, Any]
# What a file begins with -> how it is declared. The name's suffix is not asked: many a jpg is a png.
SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)


def system(text: str) -> Message:
    """What the model is told before the user speaks, as a message."""
    return {"role": "system", "content": text}


def user(text: str, *images: Path | dict[str, Any]) -> Message:
    """A user's message; pictures (files, or parts of a message) go before the text."""
    if not images:
        return {"role": "user", "content": text}
    return {"role": "user", "content": [*map(as_part, images), {"type": "text", "text": text}]}


def image(path: Path) -> dict[str, Any]:
    """A picture as a part of a message."""
    return {"type": "image_file", "path": str(path)}


def image_bytes(data: bytes, path: Path) -> dict[str, Any]:
    """A picture as a part of a message, by other bytes than its file's."""
    return {"type": "image_file", "path": str(path), "data": data}


def as_part(picture: Path | dict[str, Any]) -> dict[str, Any]:
    return picture if isinstance(picture, dict) else image(picture)


def media_type(data: bytes, path: str) -> str:
    """Of a picture's bytes (image/png and the like). UserError, naming `path`, for what endpoints do not take."""
    for start, name in SIGNATURES:
        if data.startswith(start):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise UserError(f"image {path} is no JPEG, PNG, WebP, GIF or BMP file; it cannot be sent")


def bytes_of(part: dict[str, Any]) -> bytes:
    return part["data"] if "data" in part else read_image(part["path"])


def read_image(path: str) -> bytes:
    """The file's bytes. UserError where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"image {path} cannot be read: {error.strerror}") from None


def converted(messages: list[Message], part_of: Any) -> list[Message]:
    """The messages with `part_of(bytes, path)` in place of every picture."""
    done = []
    for message in messages:
        content = message["content"]
        if isinstance(content, list):
            content = [
                part_of(bytes_of(part), part["path"]) if part["type"] == "image_file" else part for part in content
            ]
        done.append({**message, "content": content})
    return done


def as_sent(messages: list[Message]) -> list[Message]:
    """As an endpoint takes them: each picture as a data URL of its file's own bytes."""

    def data_url(data: bytes, path: str) -> dict:
        url = f"data:{media_type(data, path)};base64,{base64.b64encode(data).decode()}"
        return {"type": "image_url", "image_url": {"url": url}}

    return converted(messages, data_url)


def as_kept(messages: list[Message]) -> list[Message]:
    """As the cache knows them: each picture by its content, wherever the file lies."""
    return converted(messages, lambda data, path: {"type": "image", "sha256": hashlib.sha256(data).hexdigest()})
