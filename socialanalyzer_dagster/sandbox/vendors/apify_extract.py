"""What the project's page function returns and enqueues; the actor recognises its readings by `customData.extract`."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """Which reading of a page `customData` asks for, how much of it is kept, and what of its site comes next."""

    name: str | None
    text_chars: int = 10_000
    links: int = 300
    pages_per_site: int = 1
    crawl_words: tuple[str, ...] = ()
    crawl_paths: tuple[str, ...] = ()

    @classmethod
    def of(cls, custom: Mapping[str, Any] | None) -> "Reading":
        """Read `customData`; a name that is not ours means somebody else's page function."""
        given = custom or {}
        name = given.get("extract")
        return cls(
            name=name if name in _READERS else None,
            text_chars=int(given.get("textChars", cls.text_chars)),
            links=int(given.get("maxLinks", cls.links)),
            pages_per_site=int(given.get("pagesPerSite", cls.pages_per_site)),
            crawl_words=tuple(given.get("crawlWords") or ()),
            crawl_paths=tuple(given.get("crawlPaths") or ()),
        )


@dataclass(frozen=True)
class LoadedPage:
    """A page as the crawler got it: address after redirects, address asked for, content type, body."""

    url: str
    requested_url: str
    content_type: str
    body: str

    def tree(self) -> LexborHTMLParser:
        """Parse the body."""
        return LexborHTMLParser(self.body)

    def absolute(self, href: str | None) -> str | None:
        """Return a link as a whole web address, or None when it is none."""
        url = urljoin(self.url, (href or "").strip())
        return url if href and href.strip() and url.lower().startswith(("http://", "https://")) else None


@dataclass(frozen=True)
class _Found:
    title: str
    text: str
    links: list[str]
    mailto: list[str]
    feed: JsonObject | None = None


def extracted(page: LoadedPage, reading: Reading, label: object) -> JsonObject:
    """Return the item of one page: the project's common item, or {url, title, text} of any other page function."""
    if reading.name is None:
        tree = page.tree()
        return {"url": page.url, "title": _title(tree), "text": _text(tree)}
    found = _READERS[reading.name](page)
    return {
        "label": label,
        "url": page.url,
        "requestedUrl": page.requested_url,
        "title": found.title,
        "text": found.text[: reading.text_chars],
        "links": found.links[: reading.links],
        "mailto": found.mailto[: reading.links],
        "feed": found.feed,
    }


def page_links(page: LoadedPage) -> list[str]:
    """Return the web addresses a page links to, each once, in page order."""
    return _distinct(page.absolute(href) for href in _hrefs(page.tree()))


def pages_of_site(page: LoadedPage, reading: Reading) -> list[str]:
    """Return what the page function enqueues from a start page: promising pages of the same site, else usual paths."""
    if reading.name != "site":
        return []
    own = [link for link in page_links(page) if _host(link) == _host(page.url)]
    promising = [link for link in own if any(word in urlsplit(link).path.lower() for word in reading.crawl_words)]
    usual = (page.absolute(f"/{path}") for path in reading.crawl_paths)
    return (promising or _distinct(usual))[: reading.pages_per_site - 1]


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.")


def _distinct(links: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(link for link in links if link))


def _hrefs(tree: LexborHTMLParser) -> list[str]:
    return [node.attributes.get("href") or "" for node in tree.css("a[href]")]


def _one_line(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def _title(tree: LexborHTMLParser) -> str:
    node = tree.css_first("title")
    return _one_line(node.text()) if node is not None else ""


def _meta(tree: LexborHTMLParser, selector: str) -> str:
    node = tree.css_first(selector)
    return (node.attributes.get("content") or "") if node is not None else ""


def _text(tree: LexborHTMLParser) -> str:
    for node in tree.css("script, style, noscript, template"):
        node.decompose()
    return _one_line(tree.body.text(separator=" ")) if tree.body is not None else ""


def _mail_addresses(tree: LexborHTMLParser) -> list[str]:
    written = (href[len("mailto:") :] for href in _hrefs(tree) if href.lower().startswith("mailto:"))
    return _distinct(unquote(address.partition("?")[0]).strip() for address in written)


def _read_page(page: LoadedPage) -> _Found:
    tree = page.tree()
    mailto = _mail_addresses(tree)
    return _Found(_title(tree), _text(tree), page_links(page), mailto)


def _read_youtube_about(page: LoadedPage) -> _Found:
    tree = page.tree()
    title = _meta(tree, "meta[property='og:title']") or _title(tree)
    described = _meta(tree, "meta[name='description']")
    quoted = dict.fromkeys(map(_unquoted, _QUOTED.findall(page.body)))
    outward = (page.absolute(unquote(target)) for target in _OUTWARD.findall(page.body))
    links = _distinct([*outward, *page_links(page)])
    mailto = _mail_addresses(tree)
    text = _one_line(" ".join([described, *quoted, _text(tree)]))
    return _Found(_one_line(title), text, links, mailto)


def _unquoted(text: str) -> str:
    """Return a JSON text's value; "" when it is none, as the page function does."""
    try:
        return str(json.loads(text))
    except ValueError:
        return ""


def _read_feed(page: LoadedPage) -> _Found:
    head = page.body.partition("<item")[0]
    author = _tag(head, "author")
    link = page.absolute(_tag(head, "link"))
    feed = {
        "owner_email": _tag(_tag(head, "itunes:owner"), "itunes:email") or _tag(author, "email"),
        "author": _tag(head, "itunes:author") or _tag(author, "name"),
        "owner_name": _tag(_tag(head, "itunes:owner"), "itunes:name"),
        "link": link,
    }
    feed["owner_email"] = feed["owner_email"] or _tag(head, "managingEditor")
    text = _one_line(unescape(_TAGS.sub(" ", _CDATA.sub(" ", page.body))))
    return _Found(_one_line(_tag(head, "title")), text, [link] if link else [], [], feed)


def _tag(text: str, name: str) -> str:
    found = re.search(rf"<{name}(?:\s[^>]*)?>(.*?)</{name}>", text, re.DOTALL)
    return unescape(_CDATA.sub("", found.group(1))).strip() if found else ""


_SPACE = re.compile(r"\s+")
_TAGS = re.compile(r"<[^>]+>")
_CDATA = re.compile(r"<!\[CDATA\[|\]\]>")
_QUOTED = re.compile(r'"(?:description|simpleText|content)":("(?:[^"\\]|\\.)*")')
_OUTWARD = re.compile(r"redirect\?[^\"'\s<>]*?q=([^\"'&\\\s<>]+)")
_READERS = {"feed": _read_feed, "link_page": _read_page, "youtube_about": _read_youtube_about, "site": _read_page}
