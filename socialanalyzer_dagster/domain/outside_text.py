"""Text from outside made safe to store, hash and compare; it may be null, empty, very long or in any script (I-13)."""

import re
import unicodedata

_SPACES = re.compile(r"\s+")
_MOST_MARKS = 30
"""Combining marks in a row, as in the stream-safe format of UAX #15: sorting them takes the square of their number."""
_LAST_LATIN = "\u02ff"
_MAY_BE_MARKS = re.compile(rf"[^\w\s\x00-\u02ff]{{{_MOST_MARKS + 1},}}")


def storable(text: str) -> str:
    """The text without what a database or JSON refuses: NUL characters go, lone surrogates become '?'."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def printable(text: str) -> str:
    """The text on one line without control and format characters, so that it cannot steer a terminal or a log."""
    return "".join(char if char.isprintable() else " " for char in text)


def known_text(text: str | None, max_chars: int | None = None) -> str | None:
    """Storable, trimmed and cut text; None when nothing is left, because empty is unknown (spec 1.2)."""
    if text is None:
        return None
    kept = storable(text).strip()
    return kept[:max_chars] or None


def account_name(text: str | None, max_chars: int) -> str | None:
    """A lower-case name of an account without @; None for a text that can be none.

    A site allows many characters in names ('18+'), but no white space, control characters or address punctuation; a
    longer text is not cut, because the start of a name is another account's name.
    """
    name = storable(text or "").strip().strip("/@").lower()
    fits = 0 < len(name) <= max_chars and name.isprintable()
    return name if fits and not any(char.isspace() or char in "/?#" for char in name) else None


def nfkc(text: str) -> str:
    """Unicode NFKC in time that grows with the length alone: more than 30 combining marks in a row are cut."""
    return unicodedata.normalize("NFKC", stream_safe(text))


def stream_safe(text: str) -> str:
    """The text with at most 30 combining marks in a row; every known script and name needs far fewer."""
    if text.isascii():
        return text
    plain = text.replace("\uff9e", "\u3099").replace("\uff9f", "\u309a")  # letters by category, marks once decomposed
    if not _may_have_many_marks(plain):
        return plain
    return _MAY_BE_MARKS.sub(lambda run: _with_few_marks(run.group()), plain)


def one_line(text: str) -> str:
    """Unicode NFKC with every run of white space as one space, trimmed."""
    return _SPACES.sub(" ", nfkc(text)).strip()


def comparable(text: str) -> str:
    """The form in which two filter values are equal: NFKC, trimmed, one space, case-folded, no leading # or @ (5.6)."""
    folded = nfkc(one_line(text).casefold())
    return folded.lstrip("#@ ").strip()


def any_case(text: str) -> str:
    """The same for all texts that a pattern which ignores case takes for the same."""
    if text.isascii():
        return text.lower()
    return (
        text.replace("\u0130", "i").replace("\u0131", "i").casefold()
    )  # patterns take both for an i, casefold does not


def _may_have_many_marks(text: str) -> bool:
    """False only when there is no run of so many: one would cover one of these places, and what is around it."""
    length = _MOST_MARKS + 1
    places = enumerate(text[_MOST_MARKS::length])
    return any(
        char > _LAST_LATIN and _MAY_BE_MARKS.search(text, number * length, (number + 2) * length)
        for number, char in places
    )


def _with_few_marks(run: str) -> str:
    kept: list[str] = []
    marks = 0
    for char in run:
        marks = marks + 1 if unicodedata.category(char).startswith("M") else 0
        if marks <= _MOST_MARKS:
            kept.append(char)
    return "".join(kept)
