"""Pictures: decoding what strangers published within limits, and composing the two images models look at (I-64)."""

import asyncio
import base64
import hashlib
import io
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import ParamSpec

from isal import isal_zlib
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

P = ParamSpec("P")
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
MOST_PIXELS = 40_000_000
_TYPES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
"""Pillow reads a JPEG with further views inside as MPO; its first view is the picture."""
_UNREADABLE = (
    UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)  # fmt: skip
WIDTH, HEIGHT = 1200, 1600
_BACKGROUND, _GREY, _BLACK = (255, 255, 255), (200, 200, 200), (20, 20, 20)
_THUMB, _THUMB_COLUMNS, _THUMB_ROWS, _GAP = 200, 5, 2, 20
_TILE, _TILE_COLUMNS, _TILE_ROWS, _QUALITY = 400, 3, 4, 85
_MARGIN, _HEADER_TOP, _BIO_TOP, _BIO_LINES, _BIO_LINE_CHARS = 60, 60, 190, 4, 72
_THUMBS_TOP = 500


class ImageRefusedError(ValueError):
    """The bytes are no picture we accept: another format, too many pixels or damaged."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture as it is sent to a model; `sha256` is the hex digest of its content.

    The content of a PNG of ours is its pixels: how they are compressed depends on the processor, and the same question
    must not be bought again on another machine. That of any other picture is its bytes.
    """

    data: bytes
    content_type: str
    width: int
    height: int
    sha256: str

    @cached_property
    def base64_text(self) -> str:
        """The bytes for an inline data URL."""
        return base64.b64encode(self.data).decode("ascii")


class PictureThreads(ThreadPoolExecutor):
    """Threads of their own: pictures keep a processor busy, and who waits for the database must not wait for them."""

    def __init__(self) -> None:
        super().__init__(max_workers=os.cpu_count(), thread_name_prefix="pictures")


@cache
def _threads() -> PictureThreads:
    return PictureThreads()


async def composed(compose: Callable[P, Picture], *args: P.args, **kwargs: P.kwargs) -> Picture:
    """What a function of this module composes, as many at once as there are processors."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), partial(compose, *args, **kwargs))


def read_picture(data: bytes) -> Picture:
    """The picture as it is, decoded once to see that it can be; raises ImageRefusedError, also for one that moves."""
    with _opened(data) as image:
        picture = Picture(data, _TYPES[image.format or ""], image.width, image.height, hashlib.sha256(data).hexdigest())
        if picture.content_type != "image/jpeg" and getattr(image, "is_animated", False):
            raise ImageRefusedError("the picture is animated")
        try:
            image.draft("RGB", (_TILE, _TILE))
            image.load()
        except _UNREADABLE:
            raise ImageRefusedError("the picture is damaged") from None
        return picture


def triage_picture(
    *, handle: str, followers: int | None, bio: str | None, thumbnails: Sequence[bytes | None]
) -> Picture:
    """PNG of spec 7.3: @handle, followers, up to four lines of bio, up to ten thumbnails; grey where one is missing."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT), _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    draw.text((_MARGIN, _HEADER_TOP), f"@{handle}"[:40], fill=_BLACK, font=_font(48))
    count = "followers not known" if followers is None else f"{followers:,} followers"
    draw.text((_MARGIN, _HEADER_TOP + 70), count, fill=_BLACK, font=_font(32))
    for number, line in enumerate(bio_lines(bio)):
        draw.text((_MARGIN, _BIO_TOP + number * 50), line, fill=_BLACK, font=_font(30))
    left = (WIDTH - _THUMB_COLUMNS * _THUMB - (_THUMB_COLUMNS - 1) * _GAP) // 2
    for index, data in enumerate(thumbnails[: _THUMB_COLUMNS * _THUMB_ROWS]):
        row, column = divmod(index, _THUMB_COLUMNS)
        position = (left + column * (_THUMB + _GAP), _THUMBS_TOP + row * (_THUMB + _GAP))
        canvas.paste(_tile(data, _THUMB), position)
    return _as_png(canvas)


def evidence_grid(thumbnails: Sequence[bytes | None]) -> Picture:
    """JPEG of spec 9.2: up to twelve thumbnails of 400 pixels in three columns, grey where one is missing."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT), _GREY)
    for index, data in enumerate(thumbnails[: _TILE_COLUMNS * _TILE_ROWS]):
        row, column = divmod(index, _TILE_COLUMNS)
        canvas.paste(_tile(data, _TILE), (column * _TILE, row * _TILE))
    return _as_jpeg(canvas)


def bio_lines(bio: str | None) -> list[str]:
    """The bio in at most four lines that fit the header, cut without mercy."""
    words = " ".join((bio or "").split())
    lines: list[str] = []
    while words and len(lines) < _BIO_LINES:
        cut = words if len(words) <= _BIO_LINE_CHARS else words[: _BIO_LINE_CHARS + 1].rpartition(" ")[0]
        line = cut or words[:_BIO_LINE_CHARS]
        lines.append(line)
        words = words[len(line) :].lstrip()
    return lines


def _opened(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except _UNREADABLE:
        raise ImageRefusedError("not a picture in an accepted format") from None
    if image.width * image.height > MOST_PIXELS:
        raise ImageRefusedError("the picture has too many pixels")
    return image


def _tile(data: bytes | None, side: int) -> Image.Image:
    """A square of the picture's middle; grey when there is none or it cannot be read."""
    if data is not None:
        with suppress(*_UNREADABLE), _opened(data) as image:  # a refusal of ours is one too
            image.draft("RGB", (side, side))
            colours = image if image.mode == "RGB" else image.convert("RGB")
            return ImageOps.fit(colours, (side, side), method=Image.Resampling.BILINEAR)
    return Image.new("RGB", (side, side), _GREY)


def _as_jpeg(canvas: Image.Image) -> Picture:
    target = io.BytesIO()
    canvas.save(target, "JPEG", quality=_QUALITY)
    data = target.getvalue()
    return Picture(data, "image/jpeg", canvas.width, canvas.height, hashlib.sha256(data).hexdigest())


def _as_png(canvas: Image.Image) -> Picture:
    """Rows without filters, compressed by ISA-L: a fifth of the time Pillow takes, which tries every filter."""
    row = 3 * canvas.width
    pixels = memoryview(canvas.tobytes("raw", "RGB", row + 1))  # the zero after each row tells the filter of the next
    deflate = isal_zlib.compressobj(level=1)
    rows = deflate.compress(b"\0") + deflate.compress(pixels[:-1]) + deflate.flush()
    size = struct.pack(">IIBBBBB", canvas.width, canvas.height, 8, 2, 0, 0, 0)  # 8 bits of each of 3 colours
    chunks = _png_chunk(b"IHDR", size) + _png_chunk(b"IDAT", rows) + _png_chunk(b"IEND", b"")
    digest = hashlib.sha256(pixels).hexdigest()
    return Picture(b"\x89PNG\r\n\x1a\n" + chunks, "image/png", canvas.width, canvas.height, digest)


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    """Length, kind, body and checksum (PNG specification, 5.3)."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
