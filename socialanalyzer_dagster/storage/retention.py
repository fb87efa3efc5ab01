"""What is older than its retention period, found and removed in bounded parts (spec 19.5, I-51).

Nothing an active batch uses is found here, and nothing of the ledger, of fingerprints or of the audit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy import Text as TextType

from socialanalyzer_dagster.domain.outcomes import Result
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.storage.attempts import unpacked
from socialanalyzer_dagster.storage.batches import TERMINAL
from socialanalyzer_dagster.storage.batches_at_work import has_ended
from socialanalyzer_dagster.storage.claims import NO_JUDGEMENT
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_control import ProviderAnswerRow, ProviderAttemptRow, VendorJobRow
from socialanalyzer_dagster.storage.models_crm import CrmLinkRow
from socialanalyzer_dagster.storage.models_health import LogEntryRow
from socialanalyzer_dagster.storage.models_leads import (
    BatchLeadRow,
    FoundItemRow,
    LeadBatchRow,
    LeadRow,
    ListRowRow,
    SearchRow,
)
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow
from socialanalyzer_dagster.storage.vendor_jobs import JobPhase

POSSIBLE_MINOR = "profile_possible_minor"
_ANSWERS = table_of(ProviderAnswerRow)
_ATTEMPTS = table_of(ProviderAttemptRow)
_JOBS = table_of(VendorJobRow)
_ITEMS = table_of(FoundItemRow)
_LIST_ROWS = table_of(ListRowRow)


def _is_worked_on() -> ColumnElement[bool]:
    """The lead of the outer query is in a batch that has not ended."""
    return exists().where(
        BatchLeadRow.lead_uid == LeadRow.lead_uid,
        BatchLeadRow.batch_id == LeadBatchRow.batch_id,
        LeadBatchRow.status.not_in(TERMINAL),
    )


def count(connection: Connection, expired: Select[*tuple[Any, ...]]) -> int:
    """How many rows a question finds."""
    return connection.execute(select(func.count()).select_from(expired.subquery())).scalar_one()


@dataclass(frozen=True, slots=True)
class Window:
    """Answers of one operation go before an instant."""

    operation: str
    before: datetime


def old_answers(before: datetime, longer: Sequence[Window]) -> Select[str]:
    """Keys of answers past their period; operations in `longer` have one of their own."""
    kept = [each.operation for each in longer]
    plain = and_(_ATTEMPTS.c.operation.not_in(kept), _ANSWERS.c.answered_at < before)
    own = [and_(_ATTEMPTS.c.operation == each.operation, _ANSWERS.c.answered_at < each.before) for each in longer]
    joined = select(_ANSWERS.c.attempt_key).join(_ATTEMPTS, _ATTEMPTS.c.attempt_key == _ANSWERS.c.attempt_key)
    return joined.where(or_(plain, *own), has_ended(_ATTEMPTS.c.batch_id))


def drop_answers(connection: Connection, expired: Select[str], limit: int) -> int:
    """Remove some of them; returns how many."""
    some = connection.execute(expired.limit(limit)).scalars().all()
    if some:
        connection.execute(delete(_ANSWERS).where(_ANSWERS.c.attempt_key.in_(some)))
    return len(some)


def raw_answers(before: datetime, longer: Sequence[Window]) -> Select[str]:
    """Keys of answers that may be kept longer and still hold everything the vendor said."""
    joined = select(_ANSWERS.c.attempt_key).join(_ATTEMPTS, _ATTEMPTS.c.attempt_key == _ANSWERS.c.attempt_key)
    return joined.where(
        _ATTEMPTS.c.operation.in_([each.operation for each in longer]),
        _ANSWERS.c.answered_at < before,
        _ANSWERS.c.reduced_at.is_(None),
        has_ended(_ATTEMPTS.c.batch_id),
    )


def bodies(connection: Connection, keys: Select[str], limit: int) -> list[tuple[str, str, Any]]:
    """(key, operation, body) of some answers."""
    some = connection.execute(keys.limit(limit)).scalars().all()
    rows = connection.execute(
        select(_ANSWERS.c.attempt_key, _ATTEMPTS.c.operation, _ANSWERS.c.body)
        .join_from(_ANSWERS, _ATTEMPTS, _ATTEMPTS.c.attempt_key == _ANSWERS.c.attempt_key)
        .where(_ANSWERS.c.attempt_key.in_(some))
    )
    return [(row.attempt_key, row.operation, unpacked(row.body)) for row in rows]


def replace_bodies(connection: Connection, packed_bodies: Sequence[tuple[str, bytes]], now: datetime) -> None:
    """Store what is kept of answers."""
    if packed_bodies:
        connection.execute(
            update(_ANSWERS)
            .where(_ANSWERS.c.attempt_key == bindparam("of_key"))
            .values(body=bindparam("rest"), reduced_at=now),
            [{"of_key": key, "rest": body} for key, body in packed_bodies],
        )


def old_jobs(before: datetime) -> Select[str]:
    """Keys of jobs whose pages and request are past their period."""
    return select(_JOBS.c.attempt_key).where(
        _JOBS.c.created_at < before, _JOBS.c.state != JobPhase.EXPIRED, has_ended(_JOBS.c.batch_id)
    )


def old_items(before: datetime) -> Select[str, int]:
    """Keys of search results whose raw form, or the words about it, is past its period."""
    old = select(LeadBatchRow.batch_id).where(LeadBatchRow.created_at < before, LeadBatchRow.status.in_(TERMINAL))
    is_raw = and_(_ITEMS.c.raw.is_not(None), cast(_ITEMS.c.raw, TextType) != "null")
    holds = or_(is_raw, _ITEMS.c.problem.is_not(None))
    return select(_ITEMS.c.batch_id, _ITEMS.c.item_no).where(_ITEMS.c.batch_id.in_(old), holds)


def blank_items(connection: Connection, expired: Select[str, int], limit: int) -> int:
    """Remove the raw form of some of them, and the sentence about what is wrong with it; returns how many."""
    some = connection.execute(expired.limit(limit)).all()
    if some:
        connection.execute(
            update(_ITEMS)
            .where(_ITEMS.c.batch_id == bindparam("of_batch"), _ITEMS.c.item_no == bindparam("number"))
            .values(raw=null(), problem=null()),
            [{"of_batch": row.batch_id, "number": row.item_no} for row in some],
        )
    return len(some)


def old_log_entries(before: datetime) -> Select[int]:
    """Ids of log entries that are past their period, also of a batch that has not ended: nothing needs them."""
    return select(LogEntryRow.id).where(LogEntryRow.at < before)


def drop_log_entries(connection: Connection, expired: Select[int], limit: int) -> int:
    """Remove some of them; returns how many."""
    some = connection.execute(expired.limit(limit)).scalars().all()
    if some:
        connection.execute(delete(LogEntryRow).where(LogEntryRow.id.in_(some)))
    return len(some)


def old_lists(before: datetime) -> Select[str]:
    """Fingerprints of creator lists whose last batch was made before an instant, and that no batch uses now."""
    used = exists().where(
        LeadBatchRow.search_fingerprint == SearchRow.fingerprint,
        or_(LeadBatchRow.created_at >= before, LeadBatchRow.status.not_in(TERMINAL)),
    )
    has_rows = exists().where(ListRowRow.fingerprint == SearchRow.fingerprint)
    return select(SearchRow.fingerprint).where(SearchRow.created_at < before, has_rows, ~used)


def drop_list(connection: Connection, fingerprint: str) -> int:
    """Remove the rows of a list; its fingerprint and its history stay."""
    return connection.execute(delete(_LIST_ROWS).where(_LIST_ROWS.c.fingerprint == fingerprint)).rowcount


def old_leads(before: datetime) -> Select[str]:
    """Leads that are in no CRM and were last judged before an instant."""
    judged_later = exists().where(
        StageOutcomeRow.lead_uid == LeadRow.lead_uid,
        StageOutcomeRow.finished_at >= before,
        StageOutcomeRow.result != Result.SKIPPED,
        func.coalesce(StageOutcomeRow.code, "").not_in(NO_JUDGEMENT),
    )
    linked = exists().where(CrmLinkRow.lead_uid == LeadRow.lead_uid)
    return select(LeadRow.lead_uid).where(
        LeadRow.reduced_at.is_(None), LeadRow.updated_at < before, ~judged_later, ~linked, ~_is_worked_on()
    )


def quiet_synced_leads(before: datetime) -> Select[str, str]:
    """Leads (lead_uid, crm_object_id) whose contact was last written before an instant; the CRM may know more."""
    return (
        select(LeadRow.lead_uid, CrmLinkRow.crm_object_id)
        .join(CrmLinkRow, CrmLinkRow.lead_uid == LeadRow.lead_uid)
        .where(LeadRow.reduced_at.is_(None), CrmLinkRow.written_at < before, ~_is_worked_on())
        .order_by(LeadRow.lead_uid)
    )


def possible_minors(before: datetime | None = None) -> Select[str]:
    """Leads that were judged to be possible minors (before an instant) and are not erased."""
    judged = [
        StageOutcomeRow.lead_uid == LeadRow.lead_uid,
        StageOutcomeRow.is_current,
        StageOutcomeRow.code == POSSIBLE_MINOR,
        StageOutcomeRow.stage.in_((Stage.SCREENED, Stage.ANALYZED)),
    ]
    if before is not None:
        judged.append(StageOutcomeRow.finished_at < before)
    return select(LeadRow.lead_uid).where(LeadRow.erased_at.is_(None), exists().where(*judged))


def some_uids(connection: Connection, expired: Select[*tuple[Any, ...]], limit: int) -> list[LeadUid]:
    """Some of the leads a question finds."""
    return [LeadUid(row[0]) for row in connection.execute(expired.limit(limit))]


def still_expired(connection: Connection, expired: Select[*tuple[Any, ...]], leads: Sequence[LeadUid]) -> list[LeadUid]:
    """Those of the leads that a question for leads finds now."""
    return [LeadUid(row[0]) for row in connection.execute(expired.where(LeadRow.lead_uid.in_(leads)))]
