"""The canonical lead record, contact candidates and evidence: one name per concept (spec 6.1, I-1)."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from socialanalyzer_dagster.domain.types import EvidenceId, JsonValue, LeadUid, PlatformKey, lead_uid, sha256_of


class AudienceKind(StrEnum):
    """What `audience_size` counts."""

    FOLLOWERS = "followers"
    PATRONS = "patrons"
    MEMBERS = "members"


class LeadRecord(BaseModel):
    """One creator account as known so far; None is 'unknown', never 0 or '' (spec 1.2, I-6).

    `links` maps a link kind of spec 6.5 to its canonical URL.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    platform: PlatformKey
    platform_id: str = Field(min_length=1)
    handle: str = Field(min_length=1)
    profile_url: str
    display_name: str | None = None
    bio: str | None = None
    language: str | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None
    links: Mapping[str, str] = Field(default_factory=dict)
    search_title: str | None = None
    search_snippet: str | None = None
    audience_size: int | None = Field(default=None, ge=0)
    audience_kind: AudienceKind
    engagement_rate: Decimal | None = None
    paid_audience_size: int | None = Field(default=None, ge=0)
    post_count: int | None = Field(default=None, ge=0)
    tier_count: int | None = Field(default=None, ge=0)
    posts_per_month: Decimal | None = None
    visibility: str | None = None
    is_nsfw: bool | None = None
    raw_ref: str | None = None

    @property
    def uid(self) -> LeadUid:
        """Identity of the account as first seen."""
        return lead_uid(self.platform, self.platform_id)


def reduced_record(record: LeadRecord, identity_hash: str) -> LeadRecord:
    """What stays of a record when its retention ends: the platform and a keyed hash in place of the account (19.5)."""
    return LeadRecord(
        platform=record.platform,
        platform_id=identity_hash,
        handle=identity_hash,
        profile_url="",
        audience_kind=record.audience_kind,
    )


class CandidateKind(StrEnum):
    """How a contact value was written where it was found, best first (spec 8.4 rule 2).

    `person` is a correction that the person asked for: it stands before everything that was found (spec 19.4).
    """

    PERSON = "person"
    DISCOVERY = "discovery"
    MAILTO = "mailto"
    STRUCTURED = "structured"
    TEXT = "text"
    OBFUSCATED = "obfuscated"
    PAID_LOOKUP = "paid_lookup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One possible value of a contact field with its provenance (spec 8.4, 19.1).

    `field` is "email", "phone", "name", "first_name", "last_name", "country", "city", "region" or a link kind of spec
    6.5 (a website is `personal_website`); `step` is "discovery", "list" or an enrichment step letter.
    """

    field: str
    value: str
    canonical: str
    kind: CandidateKind
    step: str
    provider: str
    source_url: str | None
    fetched_at: datetime
    evidence_id: EvidenceId | None = None


class FoundValue(NamedTuple):
    """What a candidate says, without where it came from."""

    field: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was seen, immutable and addressed by its content; `body` is JSON (spec 1.3).

    `kind` names the block, e.g. "content_items", "triage", "travel_flag", "bio_evidence".
    """

    lead: LeadUid
    kind: str
    body: JsonValue
    source_url: str | None = None
    provider: str | None = None
    model: str | None = None
    prompt_version: str | None = None

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the canonical body."""
        return sha256_of(self.body)

    @cached_property
    def evidence_id(self) -> EvidenceId:
        """The same content about the same lead has the same id in every database."""
        return EvidenceId(str(uuid.uuid5(uuid.UUID(self.lead), f"{self.kind}:{self.content_hash}")))


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundItem:
    """One raw result of discovery: a record with candidates, or the reason why it is none.

    `item_no` counts from 1 in provider order; for creator lists it is the row number of the file.
    """

    item_no: int
    record: LeadRecord | None
    candidates: tuple[Candidate, ...] = ()
    aliases: tuple[str, ...] = ()
    problem: str | None = None
    problem_text: str | None = None
    raw: JsonValue = None


class IdentifierKind(StrEnum):
    """What a person can be suppressed by (spec 19.2)."""

    EMAIL = "email"
    HANDLE = "handle"
    PROFILE_URL = "profile_url"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Identifier:
    """One spelling of a person; handles carry their platform as `platform:handle`."""

    kind: IdentifierKind
    value: str
