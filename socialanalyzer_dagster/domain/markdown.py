"""Text from outside inside Markdown: shown letter by letter, never as markup, links or further cells (I-65)."""

import re

from socialanalyzer_dagster.domain.outside_text import printable

MOST_CELL_CHARS = 300
_MARKUP = re.compile(r"[\\`*\[\]<>|~&@]|^#|(?<!\w)_|_(?!\w)|:(?=//)|(?<=www)\.", re.IGNORECASE)


def plain(text: str) -> str:
    """The text on one line with its markup escaped; addresses in it become no links."""
    return _MARKUP.sub(lambda found: f"\\{found.group()}", " ".join(printable(text).split()))


def cell(text: str | None) -> str:
    """The start of a text for a cell of a table; empty when there is none."""
    shown = text or ""
    return plain(shown if len(shown) <= MOST_CELL_CHARS else f"{shown[:MOST_CELL_CHARS]}…")
