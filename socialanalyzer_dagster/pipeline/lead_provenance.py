"""Where every contact field of a lead was found: source, place and time, chosen values first (spec 19.1)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.leads import Candidate, CandidateKind, LeadRecord
from socialanalyzer_dagster.domain.origin import known_country
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage import lead_views
from socialanalyzer_dagster.storage.contacts import load_candidates

_PLACES = ("country", "city", "region")
_REACHED_BY = frozenset({"email", "phone"})
_DISCOVERY = "discovery"


def contact_provenance(
    connection: Connection, uid: LeadUid, record: LeadRecord, collected_at: datetime
) -> list[dict[str, Any]]:
    """One row per contact field; `chosen` is False for an address or number that no enrichment has chosen yet.

    A field that the search itself brought has the profile as its place and the day of collection as its time.
    """
    chosen = [{**row._mapping, "chosen": True} for row in lead_views.provenance_of_lead(connection, uid)]  # noqa: SLF001
    have = {row["field"] for row in chosen}
    candidates = load_candidates(connection, [uid])[uid]
    rest = [*_of_record(record, candidates, collected_at, have), *_unchosen(candidates, have)]
    return chosen + rest


def country_known_from(contacts: list[dict[str, Any]]) -> str:
    """The country and how it was learned, in words."""
    found = next((each for each in contacts if each["field"] == "country"), None)
    if found is None:
        return "unknown; the target country of the search, else the policy's, is assumed"
    return known_country(found["value"], found["source_url"] or found["provider"], found["step"])


def _of_record(
    record: LeadRecord, candidates: tuple[Candidate, ...], collected_at: datetime, have: set[str]
) -> Iterator[dict[str, Any]]:
    places = {name: value for name in _PLACES if (value := getattr(record, name)) is not None}
    for name, value in {**record.links, **places}.items():
        if name not in have:
            source = next((each for each in candidates if each.field == name and each.value == value), None)
            yield _row(source) if source is not None else _found_by_search(name, value, record, collected_at)


def _unchosen(candidates: tuple[Candidate, ...], have: set[str]) -> Iterator[dict[str, Any]]:
    return (_row(each) | {"chosen": False} for each in candidates if each.field in _REACHED_BY - have)


def _row(candidate: Candidate) -> dict[str, Any]:
    return {
        "field": candidate.field,
        "value": candidate.value,
        "kind": str(candidate.kind),
        "step": candidate.step,
        "provider": candidate.provider,
        "source_url": candidate.source_url,
        "fetched_at": candidate.fetched_at,
        "chosen": True,
    }


def _found_by_search(name: str, value: str, record: LeadRecord, collected_at: datetime) -> dict[str, Any]:
    return {
        "field": name,
        "value": value,
        "kind": str(CandidateKind.DISCOVERY),
        "step": _DISCOVERY,
        "provider": _DISCOVERY,
        "source_url": record.profile_url,
        "fetched_at": collected_at,
        "chosen": True,
    }
