"""What a CRM plan reads of leads beside their record and evidence: set-based, one query per table (spec 11.4, 19.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, String, bindparam, select

from socialanalyzer_dagster.domain.scores import ScoreRecord
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.storage.database import unindexed
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_leads import LeadRow
from socialanalyzer_dagster.storage.models_results import ContactValueRow, ScoreRow, StageOutcomeRow
from socialanalyzer_dagster.storage.scores import LIVE, ScoresOf

_LEADS = bindparam("leads", expanding=True, type_=String())
_CONTACTS = select(LeadRow.lead_uid, LeadRow.email_status, LeadRow.subscriber_kind, LeadRow.collected_at).where(
    LeadRow.lead_uid.in_(_LEADS)
)
_VALUES = select(
    ContactValueRow.lead_uid,
    ContactValueRow.field,
    ContactValueRow.value,
    ContactValueRow.provider,
    ContactValueRow.step,
).where(ContactValueRow.lead_uid.in_(_LEADS))
_SCORES = select(ScoreRow.lead_uid, ScoreRow.record).where(
    ScoreRow.lead_uid.in_(_LEADS),
    unindexed(ScoreRow.batch_id) == bindparam("of_batch"),
    ScoreRow.policy_hash == bindparam("of_policy"),
    ScoreRow.kind == LIVE,
)
_ANALYZED = select(StageOutcomeRow.lead_uid, StageOutcomeRow.finished_at).where(
    StageOutcomeRow.lead_uid.in_(_LEADS),
    StageOutcomeRow.batch_id == bindparam("of_batch"),
    StageOutcomeRow.stage == Stage.ANALYZED,
    StageOutcomeRow.is_current,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactFacts:
    """One lead's contact data: the chosen values, where the e-mail came from, and what the law asks about."""

    email_status: str | None
    subscriber_kind: str
    collected_at: datetime
    values: Mapping[str, str] = field(default_factory=dict)
    email_source: str | None = None


def contact_facts(connection: Connection, leads: Sequence[LeadUid]) -> dict[LeadUid, ContactFacts]:
    """Contact data of leads."""
    found: dict[LeadUid, ContactFacts] = {}
    for part in parts(leads):
        values, sources = _values(connection, part)
        rows = connection.execute(_CONTACTS, {"leads": part})
        for uid, email_status, subscriber_kind, collected_at in rows:
            found[LeadUid(uid)] = ContactFacts(
                email_status=email_status,
                subscriber_kind=subscriber_kind,
                collected_at=collected_at,
                values=values.get(uid, {}),
                email_source=sources.get(uid),
            )
    return found


def _values(connection: Connection, leads: Sequence[LeadUid]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """lead -> field -> value, and lead -> provider and step of its e-mail."""
    values: dict[str, dict[str, str]] = {}
    sources: dict[str, str] = {}
    rows = connection.execute(_VALUES, {"leads": leads})
    for uid, name, value, provider, step in rows:
        values.setdefault(uid, {})[name] = value
        if name == "email":
            sources[uid] = f"{provider}, {step}"
    return values, sources


def live_scores(connection: Connection, of: ScoresOf, leads: Sequence[LeadUid]) -> dict[LeadUid, ScoreRecord]:
    """The scores that leads got in a batch under its own policy."""
    found: dict[LeadUid, ScoreRecord] = {}
    for part in parts(leads):
        names = {"leads": part, "of_batch": of.batch_id, "of_policy": of.policy_hash}
        rows = connection.execute(_SCORES, names)
        found |= {LeadUid(uid): ScoreRecord.model_validate(record) for uid, record in rows}
    return found


def analyzed_at(connection: Connection, batch_id: str, leads: Sequence[LeadUid]) -> dict[LeadUid, datetime]:
    """When each lead's analysis in a batch ended."""
    found: dict[LeadUid, datetime] = {}
    for part in parts(leads):
        rows = connection.execute(_ANALYZED, {"leads": part, "of_batch": batch_id})
        found |= {LeadUid(uid): finished_at for uid, finished_at in rows}
    return found
