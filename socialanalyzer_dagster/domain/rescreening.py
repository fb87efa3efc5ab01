"""Screening judged again from what is stored, under another policy: what it would say, or that nobody can tell (4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from socialanalyzer_dagster.domain.lead_judgements import Triage
from socialanalyzer_dagster.domain.leads import Evidence, LeadRecord
from socialanalyzer_dagster.domain.policy import Policy


class Ruling(StrEnum):
    """What a policy says about a lead's screening; not known where an answer would have to be bought first."""

    PASSED = "passed"
    REJECTED = "rejected"
    NOT_KNOWN = "not_known"


@dataclass(frozen=True, slots=True)
class Rejudged:
    """A ruling with the reason code of a rejection."""

    ruling: Ruling
    code: str | None = None


PASSES = Rejudged(Ruling.PASSED)
NOT_KNOWN = Rejudged(Ruling.NOT_KNOWN)


def rejects(code: str) -> Rejudged:
    """Rejected for this reason."""
    return Rejudged(Ruling.REJECTED, code)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredScreening:
    """What is stored of one screening: what was seen, when, and what came of it under which policy.

    `filters` are those of the search as the policy in question would fill them in, None for a creator list.
    """

    record: LeadRecord
    filters: BaseModel | None
    evidence: Mapping[str, Evidence]
    judged_at: datetime
    decided_under: Policy
    code: str | None
    """Of the rejection, as stored; None = it passed."""
    detail: Mapping[str, Any]


def same_rules(one: Policy, other: Policy) -> bool:
    """True when both policies screen alike, so that what one decided is what the other would decide."""
    return one.screening == other.screening and one.search.defaults == other.search.defaults


def triage_again(triage: Triage | None, policy: Policy) -> Rejudged:
    """What a stored answer of the model means under a policy; not known where there is none, or the question changed.

    A rejection counts from `screening.reject_confidence` on; one for a reason that the policy no longer offers says
    nothing about what the model would answer instead.
    """
    if triage is None:
        return NOT_KNOWN
    if triage.reject_code is None or triage.confidence < policy.screening.reject_confidence:
        return PASSES
    return rejects(triage.reject_code) if triage.reject_code in _offered(policy) else NOT_KNOWN


def _offered(policy: Policy) -> frozenset[str]:
    topics = (f"topic_{name}" for name in policy.screening.reject_topics)
    profiles = (f"profile_{name}" for name in policy.screening.reject_profiles)
    return frozenset((*topics, *profiles))
