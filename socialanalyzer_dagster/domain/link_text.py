"""Web addresses inside free text such as a biography, in order of appearance (spec 6.5, 8.1)."""

import re
from collections.abc import Iterator

from socialanalyzer_dagster.domain.link_shapes import Link
from socialanalyzer_dagster.domain.links import classify
from socialanalyzer_dagster.domain.outside_text import nfkc
from socialanalyzer_dagster.domain.policy_search import HostsPolicy

_ADDRESS = re.compile(r"https?://[^\s<>\"'`{}|\\^\[\]]{4,2000}", re.IGNORECASE)
_BARE = re.compile(
    r"(?<![\w@./\-])(?:[\w\-]{1,63}\.){1,4}[a-z]{2,24}(?:/[^\s<>\"'`{}|\\^\[\]]{0,500})?(?![\w@])", re.IGNORECASE
)
_EVERYDAY_SUFFIXES = frozenset({
    "com", "net", "org", "co", "io", "me", "tv", "info", "biz", "blog", "travel", "shop", "store", "studio", "life",
    "world", "online", "site", "ee", "ai", "bio", "be", "to", "gg", "club", "uk", "au", "ca", "nz", "ie", "eu", "de",
    "fr", "nl", "es", "it", "us",
})  # fmt: skip


def links_in_text(text: str | None, hosts: HostsPolicy) -> list[Link]:
    """The accepted links of a text, distinct, first seen first.

    A bare 'name.travel' counts only under an everyday suffix and in lower case (any case before '.com'), so that a
    missing space after a full stop makes no link.
    """
    if not text:
        return []
    found: dict[str, Link] = {}
    for address in addresses_in_text(text):
        link = classify(address, hosts)
        if link is not None:
            found.setdefault(link.url, link)
    return list(found.values())


def addresses_in_text(text: str) -> list[str]:
    """Raw web addresses of a text, as written without the punctuation of the sentence, in order of appearance."""
    normal = nfkc(text)
    spans = sorted(_spans(normal))
    return list(dict.fromkeys(address for _, address in spans))


def _spans(text: str) -> Iterator[tuple[int, str]]:
    full: list[tuple[int, int]] = []
    for matched in _ADDRESS.finditer(text):
        full.append(matched.span())
        yield matched.start(), _trimmed(matched.group())
    cursor = 0
    for matched in _BARE.finditer(text):
        while cursor < len(full) and full[cursor][1] <= matched.start():
            cursor += 1
        inside = cursor < len(full) and full[cursor][0] <= matched.start()
        address = _trimmed(matched.group())
        host = address.split("/", maxsplit=1)[0]
        plausible = host == host.lower() or "/" in address or host.lower().startswith("www.") or host.endswith(".com")
        if not inside and plausible and host.lower().rsplit(".", maxsplit=1)[-1] in _EVERYDAY_SUFFIXES:
            yield matched.start(), address


def _trimmed(address: str) -> str:
    """Without closing punctuation; a closing parenthesis stays only when one was opened in the address."""
    trimmed = address.rstrip(".,;:!?*_~…")
    while trimmed.endswith(")") and trimmed.count("(") < trimmed.count(")"):
        trimmed = trimmed[:-1].rstrip(".,;:!?*_~…")
    return trimmed
