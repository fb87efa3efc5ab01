"""Steps E and F: contact facts from the public biography of a lead's accounts on other sites (spec 8.1)."""

from collections.abc import Sequence

from socialanalyzer_dagster.domain.leads import Candidate, CandidateKind
from socialanalyzer_dagster.domain.link_shapes import LinkKind
from socialanalyzer_dagster.domain.link_text import links_in_text
from socialanalyzer_dagster.domain.links import classify, social_link
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import JsonValue, LeadUid
from socialanalyzer_dagster.platforms.contact_candidates import (
    Source,
    link_candidate,
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

_WANTED = frozenset({LinkKind.LINK_AGGREGATOR, LinkKind.LINKEDIN, LinkKind.PERSONAL_WEBSITE})


def account_of(view: LeadView, kind: LinkKind) -> str | None:
    """The account name in the lead's link of a kind; None when it has none, or when it is the lead's own platform."""
    address = view.value(kind)
    if address is None or view.record.platform == kind.value:
        return None
    link = social_link(address)
    return link.handle.lower() if link is not None and link.handle else None


def instagram_step(wave: int) -> EnrichmentStep:
    """Step E: name, biography and links of a linked Instagram account."""
    return EnrichmentStep(
        letter="E",
        wave=wave,
        is_configured=lambda context: context.vendors.apify is not None,
        applies=lambda view, _policy: account_of(view, LinkKind.INSTAGRAM) is not None,
        price_micros=lambda policy: unit_micros("apify.instagram_profile", policy),
        run=_instagram,
    )


def twitter_step(wave: int) -> EnrichmentStep:
    """Step F: name, biography and links of a linked X account."""
    return EnrichmentStep(
        letter="F",
        wave=wave,
        is_configured=lambda context: context.vendors.apify is not None,
        applies=lambda view, _policy: account_of(view, LinkKind.TWITTER) is not None,
        price_micros=lambda policy: unit_micros("apify.twitter_user", policy),
        run=_twitter,
    )


async def _instagram(call: StepCall) -> Findings:
    views, context = call.views, call.context
    names = {view.uid: account_of(view, LinkKind.INSTAGRAM) or "" for view in views}
    limits = run_limits(context.policy.enrichment.profile_seconds, context.policy)
    job = apify_of(context).instagram_profiles(tuple(names.values()), limits)
    answer = await call.run_job(job)
    profiles = {profile.username.lower(): profile for profile in readable(answer, context.policy)}
    shares = shared_cost(answer.cost_micros, views)
    found: dict[LeadUid, Finding] = {}
    for view in views:
        profile = profiles.get(names[view.uid])
        if profile is None or profile.missing:
            found[view.uid] = silence(answer, shares[view.uid]) if profile is None else finding([], shares[view.uid])
            continue
        source = Source(
            step="E", provider="instagram_profile", source_url=view.value(LinkKind.INSTAGRAM),
            fetched_at=answer.fetched_at,
        )  # fmt: skip
        urls = [profile.external_url, *profile.external_urls]
        candidates = biography_candidates(profile.biography, urls, source, context.policy)
        candidates += text_candidates("name", profile.full_name, source, CandidateKind.STRUCTURED)
        facts: dict[str, JsonValue] = {"followers": profile.followers_count, "bio": profile.biography}
        found[view.uid] = finding(candidates, shares[view.uid], facts)
    return found


async def _twitter(call: StepCall) -> Findings:
    views, context = call.views, call.context
    names = {view.uid: account_of(view, LinkKind.TWITTER) or "" for view in views}
    limits = run_limits(context.policy.enrichment.profile_seconds, context.policy)
    job = apify_of(context).twitter_users(tuple(names.values()), limits)
    answer = await call.run_job(job)
    users = {user.handle: user for user in readable(answer, context.policy)}
    shares = shared_cost(answer.cost_micros, views)
    found: dict[LeadUid, Finding] = {}
    for view in views:
        user = users.get(names[view.uid])
        if user is None:
            found[view.uid] = silence(answer, shares[view.uid])
            continue
        source = Source(
            step="F", provider="twitter_user", source_url=view.value(LinkKind.TWITTER), fetched_at=answer.fetched_at
        )
        candidates = biography_candidates(user.description, user.expanded_urls, source, context.policy)
        candidates += text_candidates("name", user.name, source, CandidateKind.STRUCTURED)
        facts: dict[str, JsonValue] = {"followers": user.followers, "bio": user.description}
        found[view.uid] = finding(candidates, shares[view.uid], facts)
    return found


def biography_candidates(
    text: str | None, urls: Sequence[str | None], source: Source, policy: Policy
) -> list[Candidate]:
    """Addresses in a biography, and the link pages, sites and LinkedIn profiles it names or is linked to."""
    listed = [classify(url, policy.hosts) for url in urls if url]
    links = dict.fromkeys(link for link in [*listed, *links_in_text(text, policy.hosts)] if link is not None)
    kept = [link_candidate(link, source, CandidateKind.STRUCTURED) for link in links if link.kind in _WANTED]
    return [*text_email_candidates(text, source, policy), *kept]
