"""Steps J and K: paid lookups of a person by the lead's own domain (spec 8.1, 8.5)."""

from dataclasses import replace

from socialanalyzer_dagster.domain.hosts import may_be_looked_up, registered_domain
from socialanalyzer_dagster.domain.leads import Candidate, CandidateKind
from socialanalyzer_dagster.domain.link_shapes import LinkKind
from socialanalyzer_dagster.domain.names import first_and_last, is_full_name, name_tokens
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Answer
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.platforms.contact_candidates import (
    Source,
    email_candidates,
    link_candidates,
    phone_candidates,
    text_candidates,
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
from socialanalyzer_dagster.vendors.apify_items import FoundContact
from socialanalyzer_dagster.vendors.apollo import Apollo, Person, PersonQuery

APOLLO_SITE = "https://www.apollo.io"
FINDER_SITE = "https://apify.com/code_crafter/leads-finder"
_PAID = CandidateKind.PAID_LOOKUP
_PERSON_LINKS = frozenset({LinkKind.LINKEDIN, LinkKind.TWITTER, LinkKind.FACEBOOK})


def own_domain(view: LeadView, policy: Policy) -> str | None:
    """The registered domain of the lead's own website where it may be looked up (spec 8.2)."""
    website = view.value(LinkKind.PERSONAL_WEBSITE)
    if website is None or not may_be_looked_up(website, policy.hosts, policy.emails):
        return None
    return registered_domain(website)


def needs_lookup(view: LeadView, policy: Policy) -> bool:
    """The condition of both steps: no e-mail, and a domain of its own."""
    return view.email is None and own_domain(view, policy) is not None


def person_match_step(wave: int) -> EnrichmentStep:
    """Step J, one lead per call."""
    return EnrichmentStep(
        letter="J",
        wave=wave,
        is_configured=lambda context: context.vendors.apollo is not None,
        applies=needs_lookup,
        price_micros=lambda policy: unit_micros("apollo.people_match", policy),
        run=_match_people,
        leads_per_call=lambda _policy: 1,
        shares_calls=False,
    )


def leads_finder_step(wave: int) -> EnrichmentStep:
    """Step K, one run for all domains of a chunk."""
    return EnrichmentStep(
        letter="K",
        wave=wave,
        is_configured=lambda context: context.vendors.apify is not None,
        applies=needs_lookup,
        price_micros=_finder_price,
        run=_find_leads,
    )


def _finder_price(policy: Policy) -> int:
    """The start of a run and the most leads of one domain: a chunk may hold one lead."""
    leads = unit_micros("apify.leads_finder", policy) * policy.enrichment.finder_leads_per_domain
    return leads + unit_micros("apify.leads_finder.start", policy)


async def _match_people(call: StepCall) -> Findings:
    return {view.uid: await _match_person(view, call.context) for view in call.views}


async def _match_person(view: LeadView, context: StageContext) -> Finding:
    """Attempt 1 with all we know; attempt 2 by first and last name, only after a miss (spec 8.5)."""
    apollo = context.vendors.apollo
    if apollo is None:
        raise ProviderUnavailable("apollo", "not_configured")
    domain = own_domain(view, context.policy)
    first = await _ask(apollo, view, context, _first_query(view, domain, context.policy))
    answers = [first]
    second = _second_query(view, domain, context.policy)
    if first.value is None and second is not None:
        answers.append(await _ask(apollo, view, context, second))
    cost = sum(answer.cost_micros for answer in answers)
    person = answers[-1].value
    if person is None:
        return finding([], cost)
    if not agrees(person, view, domain):
        return Finding(cost_micros=cost, detail={"reason": "another_person"})
    source = Source(
        step="J", provider="apollo", source_url=person.linkedin_url or APOLLO_SITE, fetched_at=answers[-1].fetched_at
    )
    return finding(person_candidates(person, source, context.policy), cost, {"title": person.title})


async def _ask(apollo: Apollo, view: LeadView, context: StageContext, query: PersonQuery) -> Answer[Person | None]:
    return await context.gate.call(apollo.people_match(query), leads=[view.uid], step="J")


def _first_query(view: LeadView, domain: str | None, policy: Policy) -> PersonQuery:
    return PersonQuery(
        name=known_name(view, policy),
        domain=domain,
        organization_name=view.record.display_name,
        linkedin_url=view.value(LinkKind.LINKEDIN),
    )


def _second_query(view: LeadView, domain: str | None, policy: Policy) -> PersonQuery | None:
    name = known_name(view, policy)
    parts = first_and_last(name) if name else None
    return PersonQuery(first_name=parts[0], last_name=parts[1], domain=domain) if parts else None


def known_name(view: LeadView, policy: Policy) -> str | None:
    """A full human name: the resolved one, else the display name; a name goes nowhere without the domain beside it."""
    names = (view.value("name"), view.record.display_name)
    return next((name for name in names if name and is_full_name(name, policy.emails)), None)


def agrees(person: Person, view: LeadView, domain: str | None) -> bool:
    """False when both the name and the domain of the returned person disagree with the lead (spec 8.5)."""
    organization = person.organization
    place = organization.primary_domain if organization else None
    same_domain = place is not None and domain is not None and registered_domain(place) == domain
    mail_domain = registered_domain(person.email.rpartition("@")[2]) if person.email else None
    same_domain = same_domain or (mail_domain is not None and mail_domain == domain)
    theirs = name_tokens([person.name, person.first_name, person.last_name])
    ours = name_tokens([view.value("name"), view.record.display_name])
    return same_domain or bool(theirs & ours)


def person_candidates(person: Person, source: Source, policy: Policy) -> list[Candidate]:
    """Everything a match may fill."""
    named = person.name or " ".join(part for part in (person.first_name, person.last_name) if part)
    texts = {
        "name": named,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "city": person.city,
        "region": person.state,
        "country": person.country,
    }
    urls = (person.linkedin_url, person.twitter_url, person.facebook_url)
    links = link_candidates(urls, source, _PAID, policy)
    return [
        *email_candidates([person.email, *person.personal_emails], source, _PAID, policy),
        *phone_candidates([person.phone], source, _PAID),
        *(link for link in links if link.field in _PERSON_LINKS),
        *(one for field, value in texts.items() for one in text_candidates(field, value, source, _PAID)),
    ]


async def _find_leads(call: StepCall) -> Findings:
    views, policy = call.views, call.context.policy
    domains = {view.uid: own_domain(view, policy) or "" for view in views}
    distinct = tuple(dict.fromkeys(domains.values()))
    most = min(policy.enrichment.finder_leads_per_domain * len(distinct), policy.enrichment.finder_max_leads)
    limits = run_limits(policy.enrichment.finder_seconds, policy)
    job = apify_of(call.context).leads_finder(distinct, fetch_count=most, limits=limits)
    answer = await call.run_job(job)
    contacts: dict[str, list[FoundContact]] = {}
    for contact in readable(answer, policy):
        contacts.setdefault(registered_domain(contact.company_domain) or "", []).append(contact)
    shares = shared_cost(answer.cost_micros, views)
    source = Source(step="K", provider="leads_finder", source_url=None, fetched_at=answer.fetched_at)
    found: dict[LeadUid, Finding] = {}
    for view in views:
        own = contacts.get(domains[view.uid])
        if own is None:
            found[view.uid] = silence(answer, shares[view.uid])
            continue
        candidates = [one for contact in own for one in contact_candidates(contact, source, policy)]
        found[view.uid] = finding(candidates, shares[view.uid], {"people": len(own)}, partial=answer.partial)
    return found


def contact_candidates(contact: FoundContact, source: Source, policy: Policy) -> list[Candidate]:
    """What the leads finder says about one person of the domain."""
    named = contact.full_name or " ".join(part for part in (contact.first_name, contact.last_name) if part)
    own = replace(source, source_url=contact.linkedin or FINDER_SITE)
    links = link_candidates([contact.linkedin], own, _PAID, policy)
    return [
        *email_candidates([contact.email], own, _PAID, policy),
        *phone_candidates([contact.phone], own, _PAID),
        *(link for link in links if link.field in _PERSON_LINKS),
        *text_candidates("name", named, own, _PAID),
    ]
