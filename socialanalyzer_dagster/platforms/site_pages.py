"""Reading a website's usual contact pages directly, where the crawler is off or unavailable (spec 8.2)."""

from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser

from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.vendors.apify_items import CrawledPage
from socialanalyzer_dagster.vendors.pages import Page

_MAX_LINKS = 200
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
    hrefs = [href for node in tree.css("a[href]") if (href := node.attributes.get("href"))]
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
        text=body,
        links=tuple(dict.fromkeys(links))[:_MAX_LINKS],
        mailto=tuple(dict.fromkeys(mailto))[:_MAX_LINKS],
    )


def _absolute(base: str, href: str) -> str | None:
    try:
        absolute = urljoin(base, href.strip())
    except ValueError:
        return None
    return absolute if absolute.startswith(("http://", "https://")) else None
