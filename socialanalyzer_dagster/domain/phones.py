"""Telephone numbers in one spelling, so that two ways to write one number compare equal (spec 19.2)."""

import re
import unicodedata

from socialanalyzer_dagster.domain.outside_text import nfkc

_EXTENSION = re.compile(r"(?:ext\.?|extension|x|#)\s*\d{1,6}\s*$", re.IGNORECASE)
_ALLOWED = re.compile(r"\+?[\d\s().\-/·]+")
_HOME_CALLING_CODE = "1"


def canonical_phone(text: str) -> str | None:
    """'+' and 8 to 15 digits (E.164); a number without country code is read as North American when it has 10 digits.

    None when the text is no telephone number or its country cannot be told.
    """
    plain = _EXTENSION.sub("", nfkc(text).strip().removeprefix("tel:")).strip()
    plain = plain.replace("(0)", "")
    if not _ALLOWED.fullmatch(plain):
        return None
    digits = "".join(str(unicodedata.digit(char)) for char in plain if char.isdigit())
    if plain.startswith("+"):
        return _bounded(digits)
    if digits.startswith("00"):
        return _bounded(digits[2:])
    if len(digits) == 10:
        return f"+{_HOME_CALLING_CODE}{digits}"
    return f"+{digits}" if len(digits) == 11 and digits.startswith(_HOME_CALLING_CODE) else None


def _bounded(digits: str) -> str | None:
    return f"+{digits}" if 8 <= len(digits) <= 15 else None
