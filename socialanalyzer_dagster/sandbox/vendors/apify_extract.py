"""What the project's page functions return for a page; the actor recognises them by `customData.extract`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import unquote, urljoin

from selectolax.lexbor import LexborHTMLParser

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Cut:
    """How much of a page a page function keeps: characters of text and number of links."""

    text_chars: int
    links: int


CUTS: Mapping[str, Cut] = {
    "feed": Cut(6_000, 0),
    "link_page": Cut(8_000, 200),
    "youtube_about": Cut(10_000, 300),
    "site": Cut(10_000, 300),
}
"""Spec 8.1, steps B, C, D and I."""

_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class LoadedPage:
    """A page as the crawler got it: address after redirects, status, content type, body."""

    url: str
    requested_url: str
    content_type: str
    body: str

    @property
    def is_feed(self) -> bool:
        """Whether the page is XML, as feeds are."""
        return "xml" in self.content_type


def extracted(page: LoadedPage, *, extract: str | None, label: object) -> JsonObject:
    """Return the item of one page: the project's common item, or {url, title, text} for any other page function."""
    if extract is None or extract not in CUTS:
        tree = LexborHTMLParser(page.body)
        return {"url": page.url, "title": _title(tree), "text": _text(tree)}
    cut = CUTS[extract]
    item: JsonObject = {"label": label, "url": page.url, "requestedUrl": page.requested_url}
    if extract == "feed":
        channel = page.body.partition("<item")[0]
        text = page.body[: cut.text_chars]
        item |= {"title": _tag(channel, "title"), "text": text, "links": [], "mailto": []}
        return {**item, "feed": _feed(channel) if page.is_feed else None}
    tree = LexborHTMLParser(page.body)
    hrefs = page_links(page)
    mailto = [address for address in map(_mailto, hrefs) if address]
    links = [href for href in hrefs if not href.lower().startswith("mailto:")]
    return {
        **item,
        "title": _title(tree),
        "text": _text(tree)[: cut.text_chars],
        "links": links[: cut.links],
        "mailto": list(dict.fromkeys(mailto)),
    }


def page_links(page: LoadedPage) -> list[str]:
    """Return the absolute addresses of all links of a page, each once, in page order."""
    tree = LexborHTMLParser(page.body)
    hrefs = [node.attributes.get("href") for node in tree.css("a[href]")]
    return list(dict.fromkeys(urljoin(page.url, href.strip()) for href in hrefs if href and href.strip()))


def _title(tree: LexborHTMLParser) -> str:
    node = tree.css_first("title")
    return _SPACE.sub(" ", node.text()).strip() if node is not None else ""


def _text(tree: LexborHTMLParser) -> str:
    if tree.body is None:
        return ""
    for node in tree.css("script, style, noscript"):
        node.decompose()
    return _SPACE.sub(" ", tree.body.text(separator=" ")).strip()


def _mailto(href: str) -> str | None:
    if not href.lower().startswith("mailto:"):
        return None
    return unquote(href[len("mailto:") :].partition("?")[0]).strip() or None


def _feed(channel: str) -> JsonObject:
    return {
        "owner_email": _tag(channel, "itunes:email") or None,
        "author": _tag(channel, "itunes:author") or _tag(channel, "author") or None,
        "owner_name": _tag(channel, "itunes:name") or None,
        "link": _tag(channel, "link") or None,
    }


def _tag(text: str, name: str) -> str:
    found = re.search(rf"<{name}(?:\s[^>]*)?>(.*?)</{name}>", text, re.DOTALL)
    content = found.group(1).strip() if found else ""
    return unescape(content.removeprefix("<![CDATA[").removesuffix("]]>").strip())
