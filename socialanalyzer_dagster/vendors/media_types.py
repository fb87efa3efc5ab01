"""What kind of media some bytes are, told from the bytes themselves, and how long they play."""

from collections.abc import Iterator
from decimal import Decimal

_SUFFIXES = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "video/mp4": "mp4",
    "audio/mp4": "m4a",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
}
_AUDIO_BRANDS = {b"M4A ", b"M4B "}
_MOST_BOXES = 10_000


def sniff(data: bytes) -> str | None:
    """The content type of the kinds we use; None for everything else, whatever a header says."""
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if data[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(data[8:12])
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        return "audio/mp4" if brand in _AUDIO_BRANDS else "video/quicktime" if brand == b"qt  " else "video/mp4"
    return _sniff_streams(data)


def _sniff_streams(data: bytes) -> str | None:
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm"
    if data[:4] == b"OggS":
        return "audio/ogg"
    is_mp3 = data[:3] == b"ID3" or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2)
    return "audio/mpeg" if is_mp3 else None


def suffix_of(content_type: str) -> str:
    """The file name suffix of a content type; `bin` when it is none of ours."""
    return _SUFFIXES.get(content_type.partition(";")[0].strip().lower(), "bin")


def media_seconds(data: bytes) -> Decimal | None:
    """How long an MP4, M4A or WAV file plays, from its container header; None when that cannot be read (spec 12.3)."""
    seconds = _wav_seconds(data) if data[:4] == b"RIFF" else _mp4_seconds(data)
    return seconds if seconds is not None and seconds > 0 else None


def _mp4_seconds(data: bytes) -> Decimal | None:
    header = next((box for kind, box in _boxes(data) if kind == b"moov"), None)
    movie = None if header is None else next((box for kind, box in _boxes(header) if kind == b"mvhd"), None)
    if movie is None or len(movie) < 32:
        return None
    wide = movie[0] == 1
    scale_at, length = (20, 8) if wide else (12, 4)
    scale = int.from_bytes(movie[scale_at : scale_at + 4], "big")
    duration = int.from_bytes(movie[scale_at + 4 : scale_at + 4 + length], "big")
    unknown = (1 << (8 * length)) - 1
    if scale == 0 or duration == unknown:
        return None
    return Decimal(duration) / scale


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of one level of an ISO media file, kind and content; stops at the first that makes no sense."""
    position = 0
    for _ in range(_MOST_BOXES):
        size, start = int.from_bytes(data[position : position + 4], "big"), position + 8
        kind = data[position + 4 : position + 8]
        if len(kind) < 4:
            return
        if size == 1:
            size, start = int.from_bytes(data[position + 8 : position + 16], "big"), position + 16
        elif size == 0:
            size = len(data) - position
        if size < start - position:
            return
        yield kind, data[start : position + size]
        position += size


def _wav_seconds(data: bytes) -> Decimal | None:
    """Length of the data chunk divided by the bytes per second of the format chunk."""
    rate, position = 0, 12
    for _ in range(_MOST_BOXES):
        kind, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if len(kind) < 4:
            return None
        if kind == b"fmt ":
            rate = int.from_bytes(data[position + 16 : position + 20], "little")
        if kind == b"data":
            return Decimal(size) / rate if rate else None
        position += 8 + size + size % 2
    return None
