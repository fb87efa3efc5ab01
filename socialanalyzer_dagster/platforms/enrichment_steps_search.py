"""Steps A and H: contact facts from the results of web searches for a lead's name (spec 8.1)."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from socialanalyzer_dagster.domain.found_text import neutral_words
from socialanalyzer_dagster.domain.hosts import domain_name
from socialanalyzer_dagster.domain.leads import Candidate, CandidateKind
from socialanalyzer_dagster.domain.link_shapes import LinkKind
from socialanalyzer_dagster.domain.links import classify
from socialanalyzer_dagster.domain.names import name_at_start, name_from_profile, name_tokens, names_beside_role
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.platforms.contact_candidates import (
    Source,
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
from socialanalyzer_dagster.vendors.apify_actors import GoogleSearch
from socialanalyzer_dagster.vendors.apify_items import GoogleResult

Queries = Callable[[str], tuple[str, ...]]
MAX_SNIPPET_CHARS = 500
"""A search result's snippet is short; what is longer is not read for names."""
_PROFILES = frozenset({LinkKind.LINKEDIN, LinkKind.INSTAGRAM, LinkKind.TWITTER, LinkKind.YOUTUBE})


def bridge_queries(name: str) -> tuple[str, ...]:
    """Step A: the website and e-mail of a group, and the person behind it."""
    return (f'"{name}" website contact email', f'"{name}" organizer OR founder OR leader site:linkedin.com')


def contact_queries(name: str) -> tuple[str, ...]:
    """Step H: contact pages, the person, and how to get in touch."""
    return (
        f'"{name}" email website contact',
        f'"{name}" site:linkedin.com',
        f'"{name}" contact OR "reach me" OR "get in touch"',
    )


def has_no_contact(view: LeadView, _policy: Policy) -> bool:
    """The condition of both steps: a name to search for, and neither e-mail nor website nor LinkedIn profile."""
    known = view.email or view.value(LinkKind.PERSONAL_WEBSITE) or view.value(LinkKind.LINKEDIN)
    return known is None and len(search_name(view)) > 1


def search_name(view: LeadView) -> str:
    """The name as plain words: a name may hold search operators (I-67); '' when there is none."""
    return neutral_words(view.name or "", 80)


def search_step(letter: str, wave: int, queries: Queries) -> EnrichmentStep:
    """One of the two steps; a call holds as many leads as its queries allow."""
    per_lead = len(queries("x"))

    async def run(call: StepCall) -> Findings:
        return await _search(call, queries)

    def price(policy: Policy) -> int:
        return per_lead * unit_micros("apify.google_search", policy)

    return EnrichmentStep(
        letter=letter,
        wave=wave,
        is_configured=lambda context: context.vendors.apify is not None,
        applies=has_no_contact,
        price_micros=price,
        run=run,
        leads_per_call=lambda policy: max(1, policy.enrichment.search_steps[letter].queries_per_call // per_lead),
    )


async def _search(call: StepCall, queries: Queries) -> Findings:
    policy = call.context.policy
    settings = policy.enrichment.search_steps[call.letter]
    asked = {view.uid: queries(search_name(view)) for view in call.views}
    search = GoogleSearch(queries=_all_queries(call, asked), results_per_page=settings.results_per_query)
    answer = await call.run_job(apify_of(call.context).google_search(search, run_limits(settings.seconds, policy)))
    results: dict[str, list[GoogleResult]] = {}
    for page in readable(answer, policy):
        results.setdefault(page.query, []).extend(page.results)
    shares = shared_cost(answer.cost_micros, call.views)
    origin = Source(step=call.letter, provider="google_search", source_url=None, fetched_at=answer.fetched_at)
    found: dict[LeadUid, Finding] = {}
    for view in call.views:
        if not any(query in results for query in asked[view.uid]):
            found[view.uid] = silence(answer, shares[view.uid])
            continue
        own = [result for query in asked[view.uid] for result in results.get(query, [])]
        candidates = [one for result in own for one in result_candidates(view, result, origin, policy)]
        found[view.uid] = finding(candidates, shares[view.uid], {"results": len(own)}, partial=answer.partial)
    return found


def _all_queries(call: StepCall, asked: Mapping[LeadUid, tuple[str, ...]]) -> tuple[str, ...]:
    """The queries of the group; of a stored job all its own, so that every page of it finds its query."""
    if call.stored is None:
        return tuple(query for own in asked.values() for query in own)
    actor_input = call.stored.request.get("input")
    lines = actor_input.get("queries") if isinstance(actor_input, Mapping) else None
    return tuple(lines.split("\n")) if isinstance(lines, str) else ()


def result_candidates(view: LeadView, result: GoogleResult, source: Source, policy: Policy) -> list[Candidate]:
    """What one result says about the lead; a result that does not name the lead says nothing.

    A site counts as the lead's own only when its domain shares a word with the name: directories list everybody.
    """
    source = replace(source, source_url=result.url)
    tokens = name_tokens([view.name])
    said = " ".join(part for part in (result.title, result.description) if part)
    if not tokens or not tokens <= name_tokens([said]):
        return []
    found = text_email_candidates(result.description, source, policy)
    link = classify(result.url, policy.hosts) if result.url else None
    if link is not None and link.kind is LinkKind.PERSONAL_WEBSITE and _is_namesake(link.url, tokens):
        found.append(link_candidate(replace(link, url=site_root(link.url, policy)), source, CandidateKind.STRUCTURED))
    elif link is not None and link.kind in _PROFILES:
        found.append(link_candidate(link, source, CandidateKind.STRUCTURED))
    for name in _names(result, policy):
        found += text_candidates("name", name, source, CandidateKind.TEXT)
    return found


def _is_namesake(url: str, tokens: frozenset[str]) -> bool:
    label = domain_name(url) or ""
    return any(len(token) > 3 and token in label for token in tokens)


def _names(result: GoogleResult, policy: Policy) -> list[str]:
    """People the result names as behind the lead: a guess, of low rank (spec 8.3)."""
    link = classify(result.url, policy.hosts) if result.url else None
    names: list[str | None] = list(names_beside_role((result.description or "")[:MAX_SNIPPET_CHARS], policy.emails))
    if link is not None and link.kind is LinkKind.LINKEDIN:
        names += [name_at_start(result.title, policy.emails), name_from_profile(link.url)]
    return [name for name in dict.fromkeys(names) if name]
