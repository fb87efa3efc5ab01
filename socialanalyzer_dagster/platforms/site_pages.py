"""Reading a website's usual contact pages directly, where the crawler is off or unavailable (spec 8.2)."""

from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser

from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.vendors.apify_items import CrawledPage
from socialanalyzer_dagster.vendors.pages import Page

_MAX_LINKS, _MAX_LINK_CHARS, _MAX_TEXT_CHARS = 200, 2_000, 50_000
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
        found.append(parsed_page(answer.value, lead))
    return found


def parsed_page(page: Page, label: str) -> CrawledPage:
    """Visible text, absolute links and mail addresses of a page's HTML."""
    tree = LexborHTMLParser(page.text)
    hrefs = _hrefs(tree)
    title = tree.css_first("title")
    name = title.text(strip=True) if title is not None else None
    tree.strip_tags(_INVISIBLE.split(", "))
    body = tree.body.text(separator=" ", strip=True) if tree.body is not None else ""
    mailto = [href[len("mailto:") :].partition("?")[0] for href in hrefs if href.lower().startswith("mailto:")]
    links = [absolute for href in hrefs if (absolute := _absolute(page.url, href)) is not None]
    return CrawledPage(
        label=label,
        url=page.url,
        title=name,
        text=body[:_MAX_TEXT_CHARS],
        links=tuple(dict.fromkeys(links)),
        mailto=tuple(dict.fromkeys(mailto)),
    )


def _hrefs(tree: LexborHTMLParser) -> list[str]:
    """The first distinct ones: what a page may make us read is bounded before anything is done with it."""
    found: dict[str, None] = {}
    for node in tree.css("a[href]"):
        href = node.attributes.get("href")
        if href and len(href) <= _MAX_LINK_CHARS:
            found[href] = None
        if len(found) == _MAX_LINKS:
            break
    return list(found)


def _absolute(base: str, href: str) -> str | None:
    try:
        absolute = urljoin(base, href.strip())
    except ValueError:
        return None
    return absolute if absolute.startswith(("http://", "https://")) else None
