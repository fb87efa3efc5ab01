"""Text from outside made safe to store, hash and compare; it may be null, empty, very long or in any script (I-13)."""

import re
import unicodedata

_SPACES = re.compile(r"\s+")


def storable(text: str) -> str:
    """The text without what a database or JSON refuses: NUL characters go, lone surrogates become '?'."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def known_text(text: str | None, max_chars: int | None = None) -> str | None:
    """Storable, trimmed and cut text; None when nothing is left, because empty is unknown (spec 1.2)."""
    if text is None:
        return None
    kept = storable(text).strip()
    return kept[:max_chars] or None


def one_line(text: str) -> str:
    """Unicode NFKC with every run of white space as one space, trimmed."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip()


def comparable(text: str) -> str:
    """The form in which two filter values are equal: NFKC, trimmed, one space, case-folded, no leading # or @ (5.6)."""
    folded = unicodedata.normalize("NFKC", one_line(text).casefold())
    return folded.lstrip("#@ ").strip()
