"""One lead in full, and lists of leads: what happened to them, on what evidence, at what cost, from which sources."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.leads import LeadRecord
from socialanalyzer_dagster.domain.reason_texts import outcome_text
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.lead_provenance import contact_provenance, country_known_from
from socialanalyzer_dagster.storage import crm_links, crm_standings, lead_views, roster, score_views, tier_overrides
from socialanalyzer_dagster.storage.lead_views import LeadPage


class NoSuchLead(LookupError):
    """No lead has this name, or several have; the text says what to write instead."""


def lead_list(connection: Connection, page: LeadPage) -> dict[str, Any]:
    """`{"leads": [...], "next": cursor or None}`; `next` is the `after` of the following page."""
    rows = lead_views.lead_page(connection, page)
    leads = [_listed(row._mapping) for row in rows]  # noqa: SLF001 - the public name of a row's mapping
    is_full = len(rows) == page.limit and page.limit > 0
    return {"leads": leads, "next": f"{rows[-1].platform}:{rows[-1].platform_id}" if is_full else None}


def _listed(row: Mapping[str, Any]) -> dict[str, Any]:
    named = {**row, "batch": row["partition_key"], "reason": outcome_text(row["code"])}
    return {key: value for key, value in named.items() if key != "partition_key"}


def lead_view(connection: Connection, name: str) -> dict[str, Any]:
    """Facts, outcomes, scores, contacts with provenance, evidence, calls with cost, CRM; raises NoSuchLead.

    `score` is the one that decided, `rescored` what other policies made of the same judgement.
    """
    lead = one_lead(connection, name)
    uid = lead.lead_uid
    outcomes = [_outcome(row._mapping) for row in lead_views.outcomes_of_lead(connection, uid)]  # noqa: SLF001
    costs = _rows(lead_views.costs_of_lead(connection, uid))
    contacts = contact_provenance(connection, uid, LeadRecord.model_validate(lead.record), lead.collected_at)
    return {
        "lead_uid": uid,
        **lead.record,
        "email_status": lead.email_status,
        "collected_at": lead.collected_at,
        "lawful_basis": lead.lawful_basis,
        "subscriber_kind": lead.subscriber_kind,
        "notice_due_at": lead.notice_due_at,
        "reduced_at": lead.reduced_at,
        "erased_at": lead.erased_at,
        "suppressed_at": lead.suppressed_at,
        "outcomes": outcomes,
        "score": _score(score_views.score_of_lead(connection, uid)),
        "rescored": [_named(row) for row in _rows(score_views.rescored_of_lead(connection, uid))],
        "country_known_from": country_known_from(contacts),
        "contacts": contacts,
        "evidence": _rows(lead_views.evidence_of_lead(connection, uid)),
        "costs": costs,
        "total_micros": sum(int(each["amount_micros"]) for each in costs),
        "bdr": lead_views.bdr_of_lead(connection, uid),
        "crm_object_id": lead_views.contact_of_lead(connection, uid),
        "override": _override(connection, uid),
        "crm": _crm(connection, uid),
    }


def _override(connection: Connection, uid: LeadUid) -> dict[str, Any] | None:
    found = tier_overrides.overrides_of(connection, [uid]).get(uid)
    if found is None:
        return None
    return {"tier": found.tier, "reason": found.reason, "by": found.decided_by, "at": found.decided_at}


def _crm(connection: Connection, uid: LeadUid) -> dict[str, Any] | None:
    """The lead's contact: what is ours there, and how it stood when it was read back last."""
    link = crm_links.links_of(connection, [uid]).get(uid)
    if link is None:
        return None
    known: dict[str, Any] = {
        "contact_id": link.contact_id,
        "earlier_ids": sorted(link.aliases),
        "released": sorted(link.released),
    }
    standing = crm_standings.standings_of(connection, [uid]).get(uid)
    if standing is None:
        return {**known, "read_at": None}
    names = {bdr.owner_id: bdr.name for bdr in roster.roster(connection)}
    return {
        **known,
        "owner_id": standing.owner_id,
        "owner": names.get(standing.owner_id or ""),
        "outcome": standing.outcome,
        "opted_out": standing.opted_out,
        "deleted": standing.deleted,
        "read_at": standing.read_at,
    }


def one_lead(connection: Connection, name: str) -> Any:  # noqa: ANN401 - a database row
    """The row of the lead with this name; raises NoSuchLead for none, and for several."""
    found = lead_views.leads_by_name(connection, name)
    if not found:
        raise NoSuchLead(f"there is no lead '{name}': name a uid, platform:id or a handle; `leads list` shows them")
    if len(found) > 1:
        several = ", ".join(f"{each.platform}:{each.platform_id}" for each in found)
        raise NoSuchLead(f"several leads are named '{name}': {several}; name one of these")
    return found[0]


def _outcome(row: Mapping[str, Any]) -> dict[str, Any]:
    return _named({**row, "reason": outcome_text(row["code"])})


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    """The batch under the name that people see."""
    return {"batch": row["partition_key"], **{name: value for name, value in row.items() if name != "partition_key"}}


def _score(row: Any | None) -> dict[str, Any] | None:  # noqa: ANN401 - a database row
    if row is None:
        return None
    return {"batch": row.partition_key, "policy": row.policy, "policy_hash": row.policy_hash, **row.record}


def _rows(rows: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - database rows
    return [dict(row._mapping) for row in rows]  # noqa: SLF001
