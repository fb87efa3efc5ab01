"""Builds contact candidates with their provenance from what a source said; unusable values give none (spec 8.4)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from socialanalyzer_dagster.domain.emails import canonical_email, contact_emails, is_contact_address
from socialanalyzer_dagster.domain.hosts import may_be_looked_up, parse_web_url
from socialanalyzer_dagster.domain.leads import Candidate, CandidateKind
from socialanalyzer_dagster.domain.link_shapes import Link
from socialanalyzer_dagster.domain.link_text import links_in_text
from socialanalyzer_dagster.domain.links import classify
from socialanalyzer_dagster.domain.outside_text import known_text, one_line
from socialanalyzer_dagster.domain.phones import canonical_phone
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import EvidenceId

MAX_VALUE_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where values come from: step "discovery", "list" or a letter; provider; page or profile; when it was read."""

    step: str
    provider: str
    source_url: str | None
    fetched_at: datetime
    evidence_id: EvidenceId | None = None

    def candidate(self, field: str, value: str, canonical: str, kind: CandidateKind) -> Candidate:
        """One value of this source."""
        return Candidate(
            field=field,
            value=value,
            canonical=canonical,
            kind=kind,
            step=self.step,
            provider=self.provider,
            source_url=self.source_url,
            fetched_at=self.fetched_at,
            evidence_id=self.evidence_id,
        )


def email_candidates(
    addresses: Iterable[str | None], source: Source, kind: CandidateKind, policy: Policy
) -> list[Candidate]:
    """The addresses that may be contacts, distinct by canonical form, in their order."""
    found: dict[str, Candidate] = {}
    for address in addresses:
        written = known_text(address, MAX_VALUE_CHARS)
        canonical = canonical_email(written) if written else None
        if written and canonical and is_contact_address(canonical, policy.emails):
            found.setdefault(canonical, source.candidate("email", written, canonical, kind))
    return list(found.values())


def text_email_candidates(text: str | None, source: Source, policy: Policy) -> list[Candidate]:
    """The addresses in a text, each with the way it was written (mailto, plain, obfuscated)."""
    return [
        one
        for found in contact_emails(text, policy.emails)
        for one in email_candidates([found.address], source, found.kind, policy)
    ]


def link_candidates(urls: Iterable[str | None], source: Source, kind: CandidateKind, policy: Policy) -> list[Candidate]:
    """The addresses that are profiles, websites, link pages or feeds, under their kind of spec 6.5."""
    links = (classify(url, policy.hosts) for url in urls if url)
    return [link_candidate(link, source, kind) for link in dict.fromkeys(link for link in links if link is not None)]


def text_link_candidates(text: str | None, source: Source, kind: CandidateKind, policy: Policy) -> list[Candidate]:
    """The accepted links that a text names."""
    return [link_candidate(link, source, kind) for link in links_in_text(text, policy.hosts)]


def site_root(website: str, policy: Policy) -> str:
    """The first page of a site that has its own domain; a tenant of a shared host keeps its path."""
    parts = parse_web_url(website)
    if parts is None or not may_be_looked_up(website, policy.hosts, policy.emails):
        return website
    return f"{parts.scheme}://{parts.netloc}"


def link_candidate(link: Link, source: Source, kind: CandidateKind) -> Candidate:
    """One accepted link."""
    return source.candidate(link.kind.value, link.url, link.url, kind)


def phone_candidates(numbers: Iterable[str | None], source: Source, kind: CandidateKind) -> list[Candidate]:
    """The texts that are telephone numbers, distinct by their canonical form."""
    found: dict[str, Candidate] = {}
    for number in numbers:
        written = known_text(number, 60)
        canonical = canonical_phone(written) if written else None
        if written and canonical:
            found.setdefault(canonical, source.candidate("phone", written, canonical, kind))
    return list(found.values())


def text_candidates(field: str, value: str | None, source: Source, kind: CandidateKind) -> list[Candidate]:
    """A name or a place as one line; none when it is empty."""
    written = known_text(one_line(value) if value else None, MAX_VALUE_CHARS)
    return [source.candidate(field, written, written.casefold(), kind)] if written else []
