"""What an outside server sends as a body: unpacked within its bound while it is read, then told as text (I-63)."""

import codecs
import re
import zlib
from collections.abc import Callable

import httpx

from socialanalyzer_dagster.vendors.page_routes import PageRefusedError

_GZIP = ("gzip", "x-gzip")
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CHARSETS = frozenset({
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "ascii", "big5", "big5hkscs", "cp866", "cp874", "cp949", "cp932",
    "euc_jp", "euc_kr", "gb18030", "gb2312", "gbk", "iso2022_jp", "koi8-r", "koi8-u", "mac-roman", "shift_jis",
    "tis-620", *(f"cp125{number}" for number in range(9)), *(f"iso8859-{number}" for number in range(1, 17)),
})  # fmt: skip
"""Python's names of the charsets of web pages; its other codecs (`punycode`, `unicode_escape`, `utf-7`) are traps."""


async def read_bounded(response: httpx.Response, most_bytes: int) -> bytes:
    """The unpacked body, counted while reading, both as sent and unpacked.

    Raises PageRefusedError above the limit, and where the packing is unknown, damaged or ends too early.
    """
    unpacker = _unpacker(response.headers.get("content-encoding", ""))
    received, data = 0, bytearray()
    async for chunk in response.aiter_raw():
        received += len(chunk)
        data += unpacker.unpack(chunk, most_bytes + 1 - len(data))
        if received > most_bytes or len(data) > most_bytes:
            raise PageRefusedError("too_large")
    if not unpacker.is_complete:
        raise PageRefusedError("damaged_content")
    return bytes(data)


class _Plain:
    """A body that is not packed."""

    is_complete = True

    def unpack(self, chunk: bytes, _most: int) -> bytes:
        return chunk


class _Unpacker:
    """Unpacks chunk by chunk, never more than asked for: one member after the other, zero padding left out."""

    def __init__(self, new_machine: Callable[[], "zlib._Decompress"]) -> None:
        self._new_machine = new_machine
        self._machine = new_machine()
        self._has_begun = False

    @property
    def is_complete(self) -> bool:
        """True between two members: before the first byte, or after the checksum of the last."""
        return not self._has_begun

    def unpack(self, chunk: bytes, most: int) -> bytes:
        """At most `most` bytes, one or more; a caller that gets as many as it asked for reads no further."""
        found, rest = bytearray(), self._machine.unconsumed_tail + chunk
        while rest and len(found) < most:
            if not self._has_begun and not (rest := rest.lstrip(b"\0")):
                break
            self._has_begun = True
            try:
                found += self._machine.decompress(rest, most - len(found))
            except zlib.error:
                raise PageRefusedError("damaged_content") from None
            if not self._machine.eof:
                break
            rest = self._machine.unused_data
            self._machine, self._has_begun = self._new_machine(), False
        return bytes(found)


def _unpacker(encoding: str) -> _Plain | _Unpacker:
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _Plain()
    if name in (*_GZIP, "deflate"):
        return _Unpacker(lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 32))
    raise PageRefusedError("encoding_not_allowed")


def text_of(data: bytes, content_type: str) -> str:
    """The text by its byte order mark, else its declared charset, else UTF-8; unreadable bytes become a mark."""
    for mark, charset in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(charset, errors="replace")
    declared = _CHARSET.search(content_type)
    return data.decode(_known_charset(declared[1] if declared else "utf-8"), errors="replace")


def _known_charset(label: str) -> str:
    try:
        name = codecs.lookup(label).name
    except LookupError:
        return "utf-8"
    return name if name in _CHARSETS else "utf-8"
