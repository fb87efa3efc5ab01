"""Leads made of the world's creators with just the facts a test wants known, and stand-ins for vendors' answers."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from socialanalyzer_dagster.domain.emails import canonical_email
from socialanalyzer_dagster.domain.leads import AudienceKind, Candidate, CandidateKind, LeadRecord
from socialanalyzer_dagster.domain.ports import LeadWork
from socialanalyzer_dagster.domain.types import PlatformKey
from socialanalyzer_dagster.sandbox.world.models import Creator
from socialanalyzer_dagster.sandbox.world.world import World

SEEN_AT = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)
_AUDIENCES = {
    "instagram": AudienceKind.FOLLOWERS,
    "patreon": AudienceKind.PATRONS,
    "facebook": AudienceKind.MEMBERS,
}


def creators(world: World, platform: str, count: int = 400) -> Iterator[Creator]:
    """The first creators of a platform."""
    make = {"instagram": world.instagram, "patreon": world.patreon, "facebook": world.facebook}[platform]
    return (make(index) for index in range(20_000 - count, 20_000))


def record_of(creator: Creator, links: Mapping[str, str] | None = None, **facts: object) -> LeadRecord:
    """A record that knows the creator's name, bio and the given links only."""
    known = {
        "platform": PlatformKey(creator.platform),
        "platform_id": creator.handle,
        "handle": creator.handle,
        "profile_url": getattr(creator, "url", f"https://www.example-host.com/{creator.handle}"),
        "display_name": creator.display_name or creator.handle,
        "bio": creator.bio,
        "links": dict(links or {}),
        "audience_kind": _AUDIENCES[creator.platform],
    }
    return LeadRecord.model_validate({**known, **facts})


def work_of(record: LeadRecord, position: int = 0, *candidates: Candidate) -> LeadWork:
    """The work of one lead; the record's links are its only candidates beside the given ones."""
    links = [candidate(kind, url) for kind, url in record.links.items()]
    return LeadWork(uid=record.uid, position=position, record=record, candidates=(*links, *candidates))


def candidate(field: str, value: str, kind: CandidateKind = CandidateKind.DISCOVERY) -> Candidate:
    """A value as discovery would have supplied it."""
    canonical = canonical_email(value) if field == "email" else value
    return Candidate(
        field=field, value=value, canonical=canonical or value, kind=kind, step="discovery", provider="test",
        source_url="https://www.example-host.com", fetched_at=SEEN_AT,
    )  # fmt: skip
