"""Rows of a creator list on a platform: who they name, and what they say with a discovery provider's rank (5.11)."""

from dataclasses import dataclass, replace
from datetime import datetime

from socialanalyzer_dagster.domain.creator_lists import ListRow, UnusableRow
from socialanalyzer_dagster.domain.leads import AudienceKind, Candidate, CandidateKind, FoundItem, LeadRecord
from socialanalyzer_dagster.domain.link_shapes import LinkKind
from socialanalyzer_dagster.domain.links import merge_links
from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import JsonObject, PlatformKey
from socialanalyzer_dagster.platforms.base import Platform
from socialanalyzer_dagster.platforms.contact_candidates import (
    Source,
    email_candidates,
    link_candidates,
    text_candidates,
    text_email_candidates,
    text_link_candidates,
)


def placed(row: ListRow | UnusableRow, platform: Platform, policy: Policy, read_at: datetime) -> ListRow | UnusableRow:
    """The row, or why it names nobody on the platform; known without reading its texts, before anything is made."""
    if isinstance(row, UnusableRow):
        return row
    item = platform.from_list_row(replace(row, about=None, website=None, email=None), policy, read_at)
    if item.record is not None:
        return row
    return UnusableRow(line=row.line, result=ItemResult.NO_IDENTITY, reason=item.problem_text or "it names nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom a row names; links of the `own` kind are the account itself."""

    platform: PlatformKey
    handle: str
    profile_url: str
    audience_kind: AudienceKind
    own: LinkKind


def lead_in(row: ListRow, account: Account, policy: Policy, read_at: datetime) -> FoundItem:
    """The found item of a row with the account it names; what the row does not say is unknown."""
    candidates = list_candidates(row, policy, read_at, own=account.own)
    record = LeadRecord(
        platform=account.platform,
        platform_id=account.handle,
        handle=account.handle,
        profile_url=account.profile_url,
        display_name=row.name,
        bio=row.about,
        links=links_of(candidates),
        audience_size=row.audience_size,
        audience_kind=account.audience_kind,
    )
    return FoundItem(item_no=row.line, record=record, candidates=tuple(candidates), raw=raw_row(row))


def nobody_in(row: ListRow, *, wanted: str) -> FoundItem:
    """The found item of a row without the account that is wanted, with its sentence for the person."""
    shown = " and ".join(repr(text[:100]) for text in (row.handle, row.url) if text)
    reason = f"{shown} is not {wanted}"
    return FoundItem(
        item_no=row.line, record=None, problem=ItemResult.NO_IDENTITY, problem_text=reason, raw=raw_row(row)
    )


def list_candidates(row: ListRow, policy: Policy, read_at: datetime, *, own: LinkKind | None) -> list[Candidate]:
    """Address, website, and what the about text holds, with the row as source; links of the `own` kind are left out."""
    source = Source(step="list", provider="list", source_url=f"list:row-{row.line}", fetched_at=read_at)
    kind = CandidateKind.DISCOVERY
    links = [
        *link_candidates([row.website], source, kind, policy),
        *text_link_candidates(row.about, source, kind, policy),
    ]
    return [
        *email_candidates([row.email], source, kind, policy),
        *text_email_candidates(row.about, source, policy),
        *(link for link in links if link.field != own),
        *text_candidates("name", row.name, source, kind),
    ]


def links_of(candidates: list[Candidate]) -> dict[str, str]:
    """Kind -> address, the first of each kind."""
    kinds = set(LinkKind)
    return merge_links({one.field: one.value} for one in candidates if one.field in kinds)


def raw_row(row: ListRow) -> JsonObject:
    """The row as read, for the found item."""
    return {
        "line": row.line,
        "handle": row.handle,
        "url": row.url,
        "name": row.name,
        "audience_size": row.audience_size,
        "about": row.about,
        "website": row.website,
        "email": row.email,
        "extra": dict(row.extra),
        "notes": list(row.notes),
    }
