"""Sending rows of a plan to the CRM: what is refused as a whole is halved until the bad row stands alone (11.6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.crm_diff import Action
from socialanalyzer_dagster.domain.crm_properties import UNIQUE_PROPERTY, CrmProperty
from socialanalyzer_dagster.domain.crm_reading import has_opted_out
from socialanalyzer_dagster.domain.crm_recheck import Standing, standing
from socialanalyzer_dagster.domain.ports import CallFailed, Gate
from socialanalyzer_dagster.domain.refusals import PersonSuppressed, Refusal
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.crm_comparison import listed_lead
from socialanalyzer_dagster.pipeline.crm_contacts import CrmReader, Known, Wanted
from socialanalyzer_dagster.pipeline.crm_halves import is_refusal
from socialanalyzer_dagster.pipeline.crm_verdicts import Verdict, broken, refused, refused_properties, through
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.storage.sync_plans import RowState, StoredRow
from socialanalyzer_dagster.vendors.hubspot import HubSpot
from socialanalyzer_dagster.vendors.hubspot_batches import WriteInput, WriteResult, WriteState
from socialanalyzer_dagster.vendors.hubspot_errors import RefusedBatch

STEP = "crm_write"
SUPPRESSED, CHANGED = "suppressed", "plan_changed"
_CONFLICT, _NOT_FOUND = 409, 404
_LOOKED_UP = frozenset({WriteState.UNKNOWN, WriteState.CONFLICT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Sends rows of one plan through one gate; `wanted` says where to look for each lead's contact."""

    batch: OpenBatch
    gate: Gate
    hubspot: HubSpot
    reader: CrmReader
    properties: Mapping[str, CrmProperty]

    async def send(
        self, rows: Sequence[StoredRow], wanted: Mapping[LeadUid, Wanted], ended: list[Verdict], *, by_id: bool
    ) -> None:
        """Add one verdict per row to `ended`, at most a batch of them, as soon as it is known.

        A person who is listed at the last moment is left out. Whatever is raised, nothing was done with rows that have
        no verdict then, or nobody knows: CallFailed when the CRM may not be asked now, and the gate's refusals.
        """
        waiting = list(rows)
        tries = self.batch.policy.retries.attempts
        while waiting:
            try:
                results = await self._written(waiting, by_id=by_id)
            except PersonSuppressed as refusal:
                listed = listed_lead(refusal)
                ended += [refused(row, SUPPRESSED) for row in waiting if row.planned.uid == listed]
                waiting = [row for row in waiting if row.planned.uid != listed]
            except CallFailed as failure:
                if failure.error.error_class is ErrorClass.THROTTLED:
                    raise
                if is_refusal(failure.error):
                    return await self._divided(waiting, wanted, ended, failure.error, by_id=by_id)
                tries -= 1
                waiting = await self._read_back(waiting, wanted, ended)
                if tries <= 0 or failure.error.error_class is ErrorClass.PERMANENT_ITEM:
                    ended += [broken(row, "crm_error", reason=failure.error.code) for row in waiting]
                    return None
            else:
                return await self._answered(waiting, results, wanted, ended)
        return None

    async def _written(self, rows: Sequence[StoredRow], *, by_id: bool) -> Sequence[WriteResult]:
        inputs = [_input(row, by_id=by_id) for row in rows]
        call = (
            self.hubspot.batch_update(inputs)
            if by_id
            else self.hubspot.batch_upsert(id_property=UNIQUE_PROPERTY, inputs=inputs)
        )
        self.batch.gate.parts.suppression.expire()
        answer = await self.gate.call(call, leads=[row.planned.uid for row in rows], step=STEP)
        return answer.value

    async def _divided(
        self,
        rows: Sequence[StoredRow],
        wanted: Mapping[LeadUid, Wanted],
        ended: list[Verdict],
        error: VendorError,
        *,
        by_id: bool,
    ) -> None:
        """A refused call did nothing: its halves are sent, until the bad row stands alone."""
        if len(rows) == 1:
            ended.append(await self._alone(rows[0], wanted, error))
            return
        middle = len(rows) // 2
        await self.send(rows[:middle], wanted, ended, by_id=by_id)
        await self.send(rows[middle:], wanted, ended, by_id=by_id)

    async def _alone(self, row: StoredRow, wanted: Mapping[LeadUid, Wanted], error: VendorError) -> Verdict:
        """The row that the CRM refused: for a contact that is there already, for its values, or for good."""
        if error.status == _NOT_FOUND:
            return broken(row, CHANGED)
        known = error if isinstance(error, RefusedBatch) else None
        if error.status == _CONFLICT:
            held_by = known.contact_id if known is not None else None
            return await self._conflict(row, wanted, held_by)
        names = known.property_names if known is not None else ()
        return refused_properties(row, names, f"refused by the CRM ({error.code})")

    async def _conflict(self, row: StoredRow, wanted: Mapping[LeadUid, Wanted], contact_id: str | None) -> Verdict:
        """Somebody else's contact has what the row would write; one that cannot be found may be gone again."""
        if contact_id is None:
            try:
                found = (await self.reader.find([wanted[row.planned.uid]])).get(row.planned.uid)
            except CallFailed:
                found = None
            if found is None or found.contact.object_id == row.planned.crm_object_id:
                return broken(row, "crm_error", reason="conflict")
            contact_id = found.contact.object_id
        return already_there(self.batch, row, contact_id)

    async def _answered(
        self,
        rows: Sequence[StoredRow],
        results: Sequence[WriteResult],
        wanted: Mapping[LeadUid, Wanted],
        ended: list[Verdict],
    ) -> None:
        """What needs no further call first: it stands whatever the others meet."""
        by_trace = {result.trace_id: result for result in results}
        pairs = [(row, by_trace[row.row_id]) for row in rows]
        ended += [_verdict(row, result) for row, result in pairs if result.state not in _LOOKED_UP]
        unknown = [row for row, result in pairs if result.state is WriteState.UNKNOWN]
        left = await self._read_back(unknown, wanted, ended)
        ended += [broken(row, "crm_outcome_unknown") for row in left]
        for row, result in pairs:
            if result.state is WriteState.CONFLICT:
                ended.append(await self._conflict(row, wanted, result.contact_id))

    async def _read_back(
        self, rows: Sequence[StoredRow], wanted: Mapping[LeadUid, Wanted], ended: list[Verdict]
    ) -> list[StoredRow]:
        """Rows whose write was not carried out and may be sent again; the others get their verdicts.

        What cannot be read back is unknown, whatever the cause (I-34).
        """
        if not rows:
            return []
        await self.batch.gate.parts.sleep(float(self.batch.policy.crm.read_back_seconds))
        try:
            known = await self.reader.find([wanted[row.planned.uid] for row in rows])
        except CallFailed as failure:
            ended += [broken(row, "crm_outcome_unknown", reason=failure.error.code) for row in rows]
            return []
        except Refusal:
            ended += [broken(row, "crm_outcome_unknown", reason="not_read_back") for row in rows]
            raise
        left = []
        for row in rows:
            uid = row.planned.uid
            verdict = self.compared(row, known.get(uid), wanted[uid])
            if verdict is None:
                left.append(row)
            else:
                ended.append(verdict)
        return left

    def compared(self, row: StoredRow, known: Known | None, wanted: Wanted) -> Verdict | None:
        """The verdict of a row that need not or must not be written; None for one that may be written now."""
        contact = known.contact if known is not None else None
        found = standing(row.planned, contact, self.properties)
        if known is None or contact is None:
            return broken(row, CHANGED) if found is Standing.CHANGED else None
        is_create = row.planned.action is Action.CREATE
        made = is_create and wanted.link is None and known.carries(row.planned.uid)
        if made or found is Standing.DONE:  # written by a call whose answer nobody got, or that nobody could store
            return through(row, written_state(row), contact.object_id)
        if has_opted_out(contact.properties, self.batch.policy.crm):
            return refused(row, SUPPRESSED, contact_id=contact.object_id)
        if is_create and not contact.is_ours:
            return already_there(self.batch, row, contact.object_id)
        return broken(row, CHANGED) if found is Standing.CHANGED else None


def already_there(batch: OpenBatch, row: StoredRow, contact_id: str | None) -> Verdict:
    """A contact that a rep made meanwhile; where the policy updates those, the next plan does."""
    if row.planned.action is Action.CREATE and batch.policy.crm.existing_contact == "update":
        return broken(row, CHANGED)
    return refused(row, "already_in_crm", contact_id=contact_id)


def written_state(row: StoredRow) -> RowState:
    """How a row ends whose values stand in the CRM: a contact that this row made in a lost call is no update."""
    return RowState.CREATED if row.planned.action is Action.CREATE else RowState.UPDATED


def _input(row: StoredRow, *, by_id: bool) -> WriteInput:
    planned = row.planned
    key = planned.crm_object_id if by_id and planned.crm_object_id is not None else planned.uid
    values = {name: change.new for name, change in planned.changes.items()}
    return WriteInput(trace_id=row.row_id, id=key, properties=values)


def _verdict(row: StoredRow, result: WriteResult) -> Verdict:
    if result.state is WriteState.CREATED:
        return through(row, RowState.CREATED, result.contact_id)
    if result.state is WriteState.UPDATED:  # a contact to create that is there: made by a sending whose answer was lost
        return through(row, written_state(row), result.contact_id)
    if result.state is WriteState.REFUSED:
        return refused_properties(row, result.property_names, result.message)
    if result.state is WriteState.ABSENT:
        return broken(row, CHANGED)
    return broken(row, "crm_error", reason=result.category)
