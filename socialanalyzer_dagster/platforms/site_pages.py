"""Reading a website's usual contact pages directly, where the crawler is off or unavailable (spec 8.2)."""

import asyncio
import re
from itertools import islice
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser

from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.vendors.apify_items import CrawledPage
from socialanalyzer_dagster.vendors.pages import Page

_MAX_LINKS, _MAX_LINK_CHARS, _MAX_TEXT_CHARS = 200, 2_000, 50_000
_MAX_TAGS, _MAX_HTML_CHARS = 15_000, 300_000
"""What the parser is given: it takes the square of the open elements, and of the attributes of one."""
_TAG = re.compile(r"<[a-zA-Z]")
_CODE, _CODE_END = (re.compile(pattern, re.IGNORECASE) for pattern in (r"<(?:script|style)\b", r"</(?:script|style)\b"))
_INVISIBLE = "script, style, noscript, template"


async def direct_pages(website: str, lead: LeadUid, *, step: str, context: StageContext) -> list[CrawledPage]:
    """Root and the policy's direct paths that could be read, in that order; [] when none could."""
    parts = urlsplit(website)
    root = f"{parts.scheme}://{parts.netloc}"
    found: list[CrawledPage] = []
    for path in context.policy.hosts.direct_paths:
        try:
            call = context.vendors.pages.page(f"{root}/{path}" if path else root)
            answer = await context.gate.call(call, leads=[lead], step=step)
        except CallFailed:
            continue
        found.append(await asyncio.to_thread(parsed_page, answer.value, lead))
    return found


def parsed_page(page: Page, label: str) -> CrawledPage:
    """Visible text, absolute links and mail addresses of a page's HTML."""
    tree = LexborHTMLParser(_bounded(page.text))
    hrefs = _hrefs(tree)
    title = tree.css_first("title")
    name = title.text(strip=True) if title is not None else None
    tree.strip_tags(_INVISIBLE.split(", "))
    body = tree.body.text(separator=" ", strip=True) if tree.body is not None else ""
    mailto = [href[len("mailto:") :].partition("?")[0] for href in hrefs if _is_mail(href)]
    links = [absolute for href in hrefs if (absolute := _absolute(page.url, href)) is not None]
    return CrawledPage(
        label=label,
        url=page.url,
        title=name,
        text=body[:_MAX_TEXT_CHARS],
        links=tuple(dict.fromkeys(links)),
        mailto=tuple(dict.fromkeys(mailto)),
    )


def _bounded(html: str) -> str:
    """The start of a page without its scripts and styles, which are most of many pages."""
    first, *others = _CODE_END.split(html)
    parts = [first, *(part.partition(">")[2] for part in others)]
    kept = "".join(_CODE.split(part, maxsplit=1)[0] for part in parts)[:_MAX_HTML_CHARS]
    beyond = next(islice(_TAG.finditer(kept), _MAX_TAGS, None), None)
    return kept if beyond is None else kept[: beyond.start()]


def _hrefs(tree: LexborHTMLParser) -> list[str]:
    """The first distinct links and the first distinct mail addresses, which often stand at the end of a page."""
    links: dict[str, None] = {}
    mails: dict[str, None] = {}
    for node in tree.css("a[href]"):
        href = node.attributes.get("href")
        if href and len(href) <= _MAX_LINK_CHARS:
            found = mails if _is_mail(href) else links
            if len(found) < _MAX_LINKS:
                found[href] = None
    return [*links, *mails]


def _is_mail(href: str) -> bool:
    return href.lower().startswith("mailto:")


def _absolute(base: str, href: str) -> str | None:
    try:
        absolute = urljoin(base, href.strip())
    except ValueError:
        return None
    return absolute if absolute.startswith(("http://", "https://")) else None
