"""How the bytes of a text file become characters: UTF-8, UTF-16 and single-byte files, also mixed (spec 5.11)."""

import codecs
import io
from pathlib import Path
from typing import IO

from charset_normalizer import from_bytes

from socialanalyzer_dagster.domain.list_columns import ListRefused

SAMPLE_BYTES = 262_144
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = "cp1252"
_LEGACY = [_WESTERN, "cp1251", "shift_jis", "gb18030", "big5", "euc_kr"]
_ENOUGH_TO_GUESS = 8
_RESCUE = "socialanalyzer.windows-1252"
_BINARY_STARTS = {
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls)",
    b"\x1f\x8b": "a compressed file",
    b"PK\x03\x04": "a ZIP archive that is no XLSX workbook",
    b"SQLite": "a database",
}


def detect_encoding(path: Path) -> str:
    """The Python name of a text file's encoding; raises ListRefused for empty and binary files.

    A byte order mark decides; UTF-16 without one is told by its NUL bytes; a sample that is UTF-8 but for a few stray
    bytes is UTF-8; otherwise charset-normalizer chooses among the usual legacy encodings, Windows-1252 in doubt.
    """
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    if not sample.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise ListRefused("the file is empty")
    for start, what in _BINARY_STARTS.items():
        if sample.startswith(start):
            raise ListRefused(f"the file is {what}; save the list as CSV, JSON or XLSX")
    for mark, name in _BOMS:
        if sample.startswith(mark):
            return name
    if b"\x00" in sample:
        return _utf16_without_mark(sample)
    return "utf-8" if _is_mostly_utf8(sample) else _legacy_encoding(sample)


def open_text(path: Path, encoding: str) -> IO[str]:
    """The file as text with its line ends untouched; stray bytes in UTF-8 are read as Windows-1252."""
    errors = "replace"
    if encoding in {"utf-8", "utf-8-sig"}:
        codecs.register_error(_RESCUE, _as_windows_1252)
        errors = _RESCUE
    return io.TextIOWrapper(path.open("rb"), encoding=encoding, errors=errors, newline="")


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode(_WESTERN, "replace"), error.end


def _utf16_without_mark(sample: bytes) -> str:
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    for name, nuls, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if nuls > len(sample) // 8 and others < nuls // 8:
            return name
    raise ListRefused("the file is binary, not text; save the list as CSV, JSON or XLSX")


def _is_mostly_utf8(sample: bytes) -> bool:
    """True when multi-byte characters are UTF-8 and stray bytes are the exception; the sample may end inside one."""
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(sample)
    stray = text.count("\ufffd")
    return stray == 0 or sum(ord(char) > 127 for char in text) > 2 * stray


def _legacy_encoding(sample: bytes) -> str:
    if sum(byte > 127 for byte in sample) < _ENOUGH_TO_GUESS:
        return _WESTERN
    best = from_bytes(sample, cp_isolation=_LEGACY).best()
    return _WESTERN if best is None or _WESTERN in best.could_be_from_charset else best.encoding
