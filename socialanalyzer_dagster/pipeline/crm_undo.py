"""Taking a written plan back: shown first, written once, by a named person, and never over anybody's edits (11.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from socialanalyzer_dagster.domain.crm_diff import CrmContact
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.crm_undo import WRITTEN_AGAIN, UndoRow, undo_row
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.refusals import PersonSuppressed
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.crm_comparison import listed_lead
from socialanalyzer_dagster.pipeline.crm_contacts import CrmReader
from socialanalyzer_dagster.pipeline.crm_halves import written_in_halves
from socialanalyzer_dagster.pipeline.free_calls import FreeCalls, free_calls
from socialanalyzer_dagster.pipeline.gate_answers import person_of
from socialanalyzer_dagster.pipeline.locks import batch_lock
from socialanalyzer_dagster.pipeline.policies import policy_of_hash
from socialanalyzer_dagster.pipeline.suppression import SuppressionList
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import audit_log, crm_links, leads, sync_plans, undo_rows
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.sync_plans import Plan, PlanState, StoredRow
from socialanalyzer_dagster.storage.undo_rows import Undone
from socialanalyzer_dagster.vendors.hubspot import HubSpot
from socialanalyzer_dagster.vendors.hubspot_batches import WriteInput, WriteState

SUPPRESSED, REFUSED = "asked not to be contacted", "refused by the CRM"
UNANSWERED = "no answer; run the undo again"
_UNANSWERED = frozenset({WriteState.RETRY, WriteState.UNKNOWN})


class UndoRefused(ValueError):
    """Nothing was taken back; the text says why."""


@dataclass(frozen=True, slots=True)
class UndoneRow:
    """A written row, what an undo makes of its fields, and the contact it is now.

    Not ended is one that the CRM gave no answer for, or that a later plan was written for: the next undo sees it again.
    """

    row: StoredRow
    fields: UndoRow
    contact_id: str | None
    is_ended: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoReport:
    """An undo as planned (`is_written` False) or as done; a second one has no rows left."""

    key: str
    plan_hash: str
    is_written: bool
    rows: tuple[UndoneRow, ...]
    handles: Mapping[LeadUid, str]

    def as_json(self) -> dict[str, Any]:
        """The object of `batch undo --json`."""
        return {
            "key": self.key,
            "plan": self.plan_hash,
            "written": self.is_written,
            "rows": [
                {
                    "handle": self.handles.get(each.row.planned.uid),
                    "lead_uid": each.row.planned.uid,
                    "contact_id": each.contact_id,
                    "action": each.row.planned.action,
                    "restored": {
                        name: {"now": change.old, "then": change.new or None}
                        for name, change in each.fields.restored.items()
                    },
                    "kept": dict(each.fields.kept),
                    "already_back": list(each.fields.back),
                }
                for each in self.rows
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoRequest:
    """Who takes which plan back: its hash or the beginning of it, None = the newest that was written."""

    key: str
    by: str
    plan_hash: str | None = None
    is_confirmed: bool = False


async def undo(workplace: Workplace, hubspot: HubSpot, suppression_key: bytes, request: UndoRequest) -> UndoReport:
    """Show what would be restored; with `is_confirmed`, restore it in the CRM.

    Values are compared right before they are written, so that what anybody edited since stays. A contact that the sync
    created is not deleted: its values go, but its address and what is written on create alone stay. Raises NoSuchBatch,
    UndoRefused, ApprovalRefused for a name that may not decide, CallFailed, ProviderUnavailable.
    """
    name = person_of(workplace, request.by)
    batch = find_batch(workplace, request.key)
    lock = batch_lock(workplace.database, workplace.home, batch.batch_id)
    if not lock.acquire():
        raise UndoRefused(f"a run works on batch {request.key} just now; wait until it ended")
    try:
        policy = policy_of_hash(workplace.database, batch.policy_hash)
        async with free_calls(workplace.database, policy, workplace.clock) as calls:
            work = _Undo(workplace, hubspot, batch, policy, calls)
            plan, rows = work.rows(request.plan_hash)
            listed = SuppressionList(workplace.database, suppression_key)
            found: list[UndoneRow] = []
            if request.is_confirmed:
                work.end_tries(plan)
            for part in leads.parts(rows, work.size):
                compared = await work.compared(plan, part, listed)
                if request.is_confirmed:
                    compared = await work.written(compared)
                    work.store(plan, compared, by=name)
                found += compared
            return work.report(plan, found, is_written=request.is_confirmed)
    finally:
        lock.release()


class _Undo:
    def __init__(self, workplace: Workplace, hubspot: HubSpot, batch: Batch, policy: Policy, calls: FreeCalls) -> None:
        self._workplace = workplace
        self._hubspot = hubspot
        self._batch = batch
        self.size = policy.crm.batch_size
        self._properties = crm_properties(policy)
        self._calls = calls
        self._reader = CrmReader(self._calls, hubspot, tuple(self._properties), policy.crm.batch_size)

    def rows(self, plan_hash: str | None) -> tuple[Plan, list[StoredRow]]:
        """The plan to take back, and its written rows that no undo has dealt with."""
        key = self._batch.partition_key
        with self._workplace.database.read() as connection:
            plan = undo_rows.written_plan(connection, self._batch.batch_id, plan_hash)
            if plan is None:
                which = "was written" if plan_hash is None else f"{plan_hash[:12]} was written"
                raise UndoRefused(f"no plan of batch {key} {which}; there is nothing to take back")
            if plan.state == PlanState.OPEN:
                raise UndoRefused(f"the plan of batch {key} is still being written; wait, or stop the batch")
            return plan, undo_rows.rows_to_undo(connection, plan.plan_id)

    def end_tries(self, plan: Plan) -> None:
        """What the plan has not written yet is not written any more."""
        with self._workplace.database.write() as connection:
            sync_plans.forget_tries(connection, plan.plan_id)
            sync_plans.put_off(connection, plan.plan_id, None)

    async def compared(self, plan: Plan, rows: Sequence[StoredRow], listed: SuppressionList) -> list[UndoneRow]:
        """Each row of a part beside its contact as it is now."""
        with self._workplace.database.read() as connection:
            again = undo_rows.later_written(connection, plan, [row.planned.uid for row in rows])
        contacts = await self._reader.read([row.contact_id for row in rows if row.contact_id is not None], None)
        found = []
        for row in rows:
            contact = contacts.get(row.contact_id or "")
            current = None
            if contact is not None:
                current = CrmContact(object_id=contact.id, properties=contact.properties, is_ours=True)
            fields = undo_row(row.planned, current, self._properties)
            if await _is_listed(listed, row.planned.uid):
                fields = UndoRow(kept=dict.fromkeys(row.planned.changes, SUPPRESSED))
            elif row.planned.uid in again:
                fields = UndoRow(kept=dict.fromkeys(row.planned.changes, WRITTEN_AGAIN))
            contact_id = None if contact is None else contact.id
            found.append(UndoneRow(row, fields, contact_id, is_ended=row.planned.uid not in again))
        return found

    async def written(self, found: Sequence[UndoneRow]) -> list[UndoneRow]:
        """Restore the values of a part; a row that the CRM does not take keeps them, and says so."""
        inputs = [
            WriteInput(
                trace_id=each.row.row_id,
                id=each.contact_id,
                properties={name: change.new for name, change in each.fields.restored.items()},
            )
            for each in found
            if each.contact_id is not None and each.fields.restored
        ]
        if not inputs:
            return list(found)
        with self._workplace.database.write() as connection:
            undo_rows.begin_undo(connection, [each.trace_id for each in inputs], self._workplace.clock.now())
        results = await written_in_halves(lambda part: self._calls.send(self._hubspot.batch_update(part)), inputs)
        states = {result.trace_id: result.state for result in results}
        return [_after(each, states.get(each.row.row_id)) for each in found]

    def store(self, plan: Plan, found: Sequence[UndoneRow], *, by: str) -> None:
        """Remember it once per row; what was restored is not ours any more, and nobody is said to have edited it."""
        now = self._workplace.clock.now()
        ended = [each for each in found if each.is_ended]
        back = {each.row.planned.uid: (*each.fields.restored, *each.fields.back) for each in ended}
        undone = [
            Undone(
                each.row.row_id,
                {"at": now.isoformat(), "by": by, "restored": list(back[each.row.planned.uid]),
                 "kept": dict(each.fields.kept)},
            )
            for each in ended
        ]  # fmt: skip
        with self._workplace.database.write() as connection:
            undo_rows.mark_undone(connection, undone)
            crm_links.take_back(connection, back, now)
            audit_log.record(
                connection,
                at=now,
                actor=by,
                action="plan.undo",
                subject=self._batch.partition_key,
                plan_hash=plan.plan_hash,
                contacts=len(ended),
                fields=sum(map(len, back.values())),
            )

    def report(self, plan: Plan, found: Sequence[UndoneRow], *, is_written: bool) -> UndoReport:
        """For people."""
        with self._workplace.database.read() as connection:
            records = leads.load_records(connection, [each.row.planned.uid for each in found])
        return UndoReport(
            key=self._batch.partition_key,
            plan_hash=plan.plan_hash,
            is_written=is_written,
            rows=tuple(found),
            handles={uid: record.handle for uid, record in records.items()},
        )


async def _is_listed(listed: SuppressionList, lead: LeadUid) -> bool:
    try:
        await listed.check([lead])
    except PersonSuppressed as refusal:
        return listed_lead(refusal) == lead
    return False


def _after(each: UndoneRow, state: WriteState | None) -> UndoneRow:
    if state is None or state is WriteState.UPDATED:
        return each
    is_ended = state is WriteState.ABSENT
    left = dict.fromkeys(each.fields.restored, UNANSWERED if state in _UNANSWERED else REFUSED)
    fields = replace(each.fields, restored={}, kept={**each.fields.kept, **left})
    return replace(each, fields=fields, is_ended=is_ended)
