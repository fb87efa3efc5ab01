"""Text from outside inside Markdown: shown letter by letter, never as markup, links or further cells (I-65)."""

import re

from socialanalyzer_dagster.domain.outside_text import printable

MOST_CHARS = 300
_MARKUP = re.compile(r"[\\`*{}\[\]()<>#|!~&$:@]|(?<!\w)[_+]|_(?!\w)|(?<=www)\.", re.IGNORECASE)


def plain(text: str) -> str:
    """The text for one cell or line: markup escaped, addresses no links, on one line, cut to MOST_CHARS characters."""
    line = " ".join(printable(text).split())
    shown = line if len(line) <= MOST_CHARS else f"{line[:MOST_CHARS]}…"
    return _MARKUP.sub(lambda found: f"\\{found.group()}", shown)
