"""Steps B, C, D, G and I: contact facts from feeds, link pages, channel pages and the lead's own website (spec 8.1)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from socialanalyzer_dagster.domain.hosts import is_own_website
from socialanalyzer_dagster.domain.leads import Candidate, CandidateKind
from socialanalyzer_dagster.domain.link_shapes import LinkKind
from socialanalyzer_dagster.domain.links import classify
from socialanalyzer_dagster.domain.outcomes import StepState
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Answer
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.platforms.contact_candidates import (
    Source,
    email_candidates,
    link_candidate,
    site_root,
    text_candidates,
    text_email_candidates,
)
from socialanalyzer_dagster.platforms.enrichment_leads import Finding, LeadView
from socialanalyzer_dagster.platforms.enrichment_sources import (
    apify_of,
    finding,
    readable,
    run_limits,
    shared_cost,
    silence,
    unit_micros,
)
from socialanalyzer_dagster.platforms.enrichment_waves import EnrichmentStep, Findings, StepCall
from socialanalyzer_dagster.platforms.site_pages import direct_pages
from socialanalyzer_dagster.vendors.apify_actors import Crawl, CrawlStart, Extract
from socialanalyzer_dagster.vendors.apify_items import ActorResult, CrawledPage

Read = Callable[[CrawledPage, Source, Policy], list[Candidate]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageKind:
    """One kind of page: which address of the lead, how the actor reads it, and what its text may fill."""

    extract: Extract
    address: Callable[[LeadView, Policy], str | None]
    read: Read
    whole_site: bool = False


def page_step(letter: str, wave: int, kind: PageKind) -> EnrichmentStep:
    """A step that loads one address per lead, all of a chunk in one run."""

    async def run(call: StepCall) -> Findings:
        return await (_crawl_or_read(kind, call) if kind.whole_site else _crawl(kind, call))

    def price(policy: Policy) -> int:
        return unit_micros("apify.cheerio", policy) * _pages_per_lead(kind, policy)

    return EnrichmentStep(
        letter=letter,
        wave=wave,
        is_configured=lambda context: context.vendors.apify is not None or kind.whole_site,
        applies=lambda view, policy: kind.address(view, policy) is not None,
        price_micros=price,
        run=run,
    )


def _pages_per_lead(kind: PageKind, policy: Policy) -> int:
    return policy.enrichment.crawl_pages if kind.whole_site else 1


async def _crawl(kind: PageKind, call: StepCall) -> Findings:
    policy = call.context.policy
    answer = await _load(kind, call)
    pages: dict[str, list[CrawledPage]] = {}
    for page in readable(answer, policy):
        pages.setdefault(page.label, []).append(page)
    shares = shared_cost(answer.cost_micros, call.views)
    origin = Source(step=call.letter, provider="cheerio", source_url=None, fetched_at=answer.fetched_at)
    found: dict[LeadUid, Finding] = {}
    for view in call.views:
        asked = _Asked(kind, view, policy, answer.partial)
        if view.uid not in pages and answer.partial is not None:
            silent = silence(answer, shares[view.uid])
            found[view.uid] = replace(silent, detail={**silent.detail, "address": asked.address})
            continue
        found[view.uid] = _finding(pages.get(view.uid, []), origin, shares[view.uid], asked)
    return found


async def _load(kind: PageKind, call: StepCall) -> Answer[ActorResult[CrawledPage]]:
    policy = call.context.policy
    settings = policy.enrichment.page_steps[call.letter]
    crawl = Crawl(
        extract=kind.extract,
        starts=tuple(CrawlStart(view.uid, kind.address(view, policy) or "") for view in call.views),
        max_concurrency=settings.concurrency,
        text_chars=settings.text_chars,
        max_links=settings.links,
        pages_per_start=_pages_per_lead(kind, policy),
        crawl_words=policy.hosts.crawl_words if kind.whole_site else (),
        crawl_paths=policy.hosts.crawl_paths if kind.whole_site else (),
    )
    return await call.run_job(apify_of(call.context).cheerio(crawl, run_limits(settings.seconds, policy)))


async def _crawl_or_read(kind: PageKind, call: StepCall) -> Findings:
    """The site crawl, or the direct fetch of spec 8.2 where the crawler is off or unavailable."""
    try:
        return await _crawl(kind, call)
    except ProviderUnavailable:
        findings = await asyncio.gather(*(_read_directly(kind, view, call) for view in call.views))
        return {view.uid: found for view, found in zip(call.views, findings, strict=True)}


async def _read_directly(kind: PageKind, view: LeadView, call: StepCall) -> Finding:
    """Root and the usual contact pages, one after the other."""
    context = call.context
    pages = await direct_pages(kind.address(view, context.policy) or "", view.uid, step=call.letter, context=context)
    origin = Source(step=call.letter, provider="page_fetcher", source_url=None, fetched_at=context.clock.now())
    return _finding(pages, origin, 0, _Asked(kind, view, context.policy))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked about whom, and why the run ended before it had every page."""

    kind: PageKind
    view: LeadView
    policy: Policy
    partial: str | None = None

    @property
    def address(self) -> str | None:
        return self.kind.address(self.view, self.policy)


def _finding(pages: Sequence[CrawledPage], source: Source, cost_micros: int, asked: _Asked) -> Finding:
    """What the pages gave; no page at all means that nothing could be read, not that nothing is there."""
    if not pages:
        detail = {"reason": "page_not_read", "address": asked.address}
        return Finding(cost_micros=cost_micros, detail=detail, state=StepState.ERROR)
    candidates = [
        one for page in pages for one in asked.kind.read(page, replace(source, source_url=page.url), asked.policy)
    ]
    found = finding(candidates, cost_micros, {"pages": [page.url for page in pages]}, partial=asked.partial)
    return replace(found, detail={**found.detail, "address": asked.address})


def feed_address(view: LeadView, _policy: Policy) -> str | None:
    """The lead's feed."""
    return view.value(LinkKind.RSS)


def link_page_address(view: LeadView, _policy: Policy) -> str | None:
    """The lead's page at a link aggregator."""
    return view.value(LinkKind.LINK_AGGREGATOR)


def new_link_page_address(view: LeadView, policy: Policy) -> str | None:
    """Step G: a link page found since step C, for a lead that still has no e-mail."""
    address = link_page_address(view, policy)
    is_new = address is not None and address != view.details.get("C", {}).get("address")
    return address if is_new and view.email is None else None


def channel_about_address(view: LeadView, _policy: Policy) -> str | None:
    """The about page of the lead's channel."""
    channel = view.value(LinkKind.YOUTUBE)
    return f"{channel}/about" if channel else None


def own_site_address(view: LeadView, policy: Policy) -> str | None:
    """The first page of the lead's own website, which no aggregator and no social site is."""
    website = view.value(LinkKind.PERSONAL_WEBSITE)
    return site_root(website, policy) if website and is_own_website(website, policy.hosts) else None


def read_feed(page: CrawledPage, source: Source, policy: Policy) -> list[Candidate]:
    """The owner's address, name and site; without an owner address any address near the feed's start."""
    facts = page.feed
    owner = email_candidates([facts.owner_email if facts else None], source, CandidateKind.STRUCTURED, policy)
    found = owner or text_email_candidates(page.text, source, policy)
    if facts is not None:
        found += text_candidates("name", facts.owner_name or facts.author, source, CandidateKind.STRUCTURED)
        found += _links([facts.link], source, policy, (LinkKind.PERSONAL_WEBSITE,))
    return found


def read_link_page(page: CrawledPage, source: Source, policy: Policy) -> list[Candidate]:
    """Addresses and every profile or site the page lists; other pages of the aggregator are not the lead's."""
    wanted = tuple(kind for kind in LinkKind if kind is not LinkKind.LINK_AGGREGATOR)
    return [*_emails(page, source, policy), *_links(page.links, source, policy, wanted)]


def read_channel(page: CrawledPage, source: Source, policy: Policy) -> list[Candidate]:
    """Addresses, the listed links and the channel's name."""
    wanted = (LinkKind.LINKEDIN, LinkKind.LINK_AGGREGATOR, LinkKind.PERSONAL_WEBSITE)
    name = (page.title or "").removesuffix(" - YouTube").strip()
    return [
        *_emails(page, source, policy),
        *_links(page.links, source, policy, wanted),
        *text_candidates("name", name or None, source, CandidateKind.STRUCTURED),
    ]


def read_site(page: CrawledPage, source: Source, policy: Policy) -> list[Candidate]:
    """Addresses and profiles on the lead's own pages; other websites they link to are not the lead's."""
    wanted = tuple(kind for kind in LinkKind if kind is not LinkKind.PERSONAL_WEBSITE)
    return [*_emails(page, source, policy), *_links(page.links, source, policy, wanted)]


def _emails(page: CrawledPage, source: Source, policy: Policy) -> list[Candidate]:
    listed = email_candidates(page.mailto, source, CandidateKind.MAILTO, policy)
    written = text_email_candidates(page.text, source, policy)
    known: Mapping[str, Candidate] = {one.canonical: one for one in listed}
    return [*listed, *(one for one in written if one.canonical not in known)]


def _links(urls: Sequence[str | None], source: Source, policy: Policy, wanted: Sequence[LinkKind]) -> list[Candidate]:
    """Links of the wanted kinds; the first of each profile kind, because a page shows its owner's accounts first."""
    found: dict[LinkKind, Candidate] = {}
    for url in urls:
        link = classify(url, policy.hosts) if url else None
        if link is not None and link.kind in wanted and link.url != source.source_url:
            found.setdefault(link.kind, link_candidate(link, source, CandidateKind.STRUCTURED))
    return list(found.values())


PAGE_KINDS: Mapping[str, PageKind] = {
    "B": PageKind(extract=Extract.FEED, address=feed_address, read=read_feed),
    "C": PageKind(extract=Extract.LINK_PAGE, address=link_page_address, read=read_link_page),
    "D": PageKind(extract=Extract.YOUTUBE_ABOUT, address=channel_about_address, read=read_channel),
    "G": PageKind(extract=Extract.LINK_PAGE, address=new_link_page_address, read=read_link_page),
    "I": PageKind(extract=Extract.SITE, address=own_site_address, read=read_site, whole_site=True),
}
