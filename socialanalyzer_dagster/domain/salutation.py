"""How an e-mail greets a creator when no model could say it (spec 9.4, S-11)."""

from socialanalyzer_dagster.domain.outside_text import one_line, storable

NOBODY = "there"
_LONGEST = 60


def fallback_salutation(display_name: str | None) -> str:
    """The first word of the display name that holds a letter, else "there"; never fails a lead."""
    words = one_line(storable(display_name or "")).split(" ")
    trimmed = (word.strip(".,;:!?|()[]{}<>\"'«»“”·•-–—_/\\~*#@+&") for word in words)
    return next((word[:_LONGEST] for word in trimmed if any(letter.isalpha() for letter in word)), NOBODY)
