"""Token usage of a request: text by bytes, pictures by the tile formula, and whether a picture can be fetched."""

import base64
import binascii
import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from socialanalyzer_dagster.sandbox.media import is_signature_valid, media_file, size_of_picture
from socialanalyzer_dagster.sandbox.vendors.openai_wire import RefusedError
from socialanalyzer_dagster.sandbox.wire import Call

_BYTES_PER_TOKEN = 4
_TOKENS_PER_MESSAGE = 4
_LOW_DETAIL_TOKENS, _TILE_TOKENS, _TILE_SIDE = 85, 170, 512
_BOX_SIDE, _SHORT_SIDE = 2048, 768
_HEADER_CHARACTERS = 349_528
"""Base64 characters read of a data URL to find a picture's size (256 KiB)."""


def text_tokens(byte_count: int) -> int:
    """Tokens of some bytes of text, rounded up."""
    return -(-byte_count // _BYTES_PER_TOKEN)


def texts_of(messages: list[Any]) -> Iterator[str]:
    """Every text of the messages, in order."""
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            yield content
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                yield part["text"]


def prompt_tokens(call: Call, messages: list[Any]) -> int:
    """Bytes of all text / 4 rounded up, 4 per message, and the pictures; RefusedError 400 for an unreadable picture."""
    text_bytes = sum(len(text.encode()) for text in texts_of(messages))
    pictures = sum(picture_tokens(call, image) for image in _images_of(messages))
    return text_tokens(text_bytes) + _TOKENS_PER_MESSAGE * len(messages) + pictures


def _images_of(messages: list[Any]) -> Iterator[dict[str, Any]]:
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") == "image_url":
                image = part.get("image_url")
                yield image if isinstance(image, dict) else {"url": image}


def picture_tokens(call: Call, image: dict[str, Any]) -> int:
    """Tokens of one picture: 85 at low detail, else 85 + 170 per 512-pixel tile after scaling."""
    width, height = _size(call, str(image.get("url", "")))
    if image.get("detail") == "low":
        return _LOW_DETAIL_TOKENS
    scale = min(1.0, _BOX_SIDE / max(width, height))
    scale = min(scale, _SHORT_SIDE / min(width, height))
    tiles = math.ceil(round(width * scale, 6) / _TILE_SIDE) * math.ceil(round(height * scale, 6) / _TILE_SIDE)
    return _LOW_DETAIL_TOKENS + _TILE_TOKENS * tiles


def _size(call: Call, url: str) -> tuple[int, int]:
    if url.startswith("data:"):
        size = size_of_picture(_data_head(url))
    else:
        body = _fetched(call, url)
        size = None if body is None else size_of_picture(body)
        if body is None:
            raise RefusedError(400, f"Error while downloading {url.partition('?')[0]}.", code="invalid_image_url")
    if size is None:
        message = "You uploaded an unsupported image. Please make sure your image is one of: png, jpeg, gif, webp."
        raise RefusedError(400, message, code="invalid_image_format")
    return size


def _data_head(url: str) -> bytes:
    head, _, packed = url.partition(",")
    if not head.endswith(";base64"):
        raise RefusedError(400, "Invalid base64 image_url.", code="invalid_base64")
    try:
        return base64.b64decode(packed[:_HEADER_CHARACTERS] + "=" * (-len(packed[:_HEADER_CHARACTERS]) % 4))
    except binascii.Error as error:
        raise RefusedError(400, "Invalid base64 image_url.", code="invalid_base64") from error


def _fetched(call: Call, url: str) -> bytes | None:
    """What a download of the address gives; only the sandbox's own media and stored objects can be reached."""
    parts = urlsplit(url)
    if f"{parts.scheme}://{parts.netloc}" != call.base_url:
        return None
    if parts.path.startswith("/r2/"):
        bucket, _, key = parts.path.removeprefix("/r2/").partition("/")
        return call.state.store.get_blob(f"r2:{bucket}", unquote(key))
    query = dict(pair.partition("=")[::2] for pair in parts.query.split("&"))
    expires, signature = query.get("expires", ""), query.get("signature", "")
    if not is_signature_valid(parts.path, seed=call.state.config.seed, expires=expires, signature=signature):
        return None
    if int(expires) < call.state.clock.timestamp():
        return None
    found = media_file(call.state.world, parts.path)
    return None if found is None else found[0]
