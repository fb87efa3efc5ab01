"""Sending rows of a plan to the CRM: what is refused as a whole is halved until the bad row stands alone (11.6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.crm_diff import Action
from socialanalyzer_dagster.domain.crm_properties import UNIQUE_PROPERTY, CrmProperty
from socialanalyzer_dagster.domain.crm_recheck import Standing, standing
from socialanalyzer_dagster.domain.ports import CallFailed, Gate
from socialanalyzer_dagster.domain.refusals import PersonSuppressed
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.crm_comparison import listed_lead
from socialanalyzer_dagster.pipeline.crm_contacts import CrmReader, Wanted
from socialanalyzer_dagster.pipeline.crm_verdicts import Verdict, broken, refused, refused_properties, through
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.storage.sync_plans import RowState, StoredRow
from socialanalyzer_dagster.vendors.hubspot import HubSpot
from socialanalyzer_dagster.vendors.hubspot_batches import WriteInput, WriteResult, WriteState
from socialanalyzer_dagster.vendors.hubspot_errors import RefusedBatch

STEP = "crm_write"
SUPPRESSED, CHANGED = "suppressed", "plan_changed"
_CONFLICT, _NOT_FOUND = 409, 404
_REFUSALS = range(400, 500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Sends rows of one plan through one gate; `wanted` says where to look for each lead's contact."""

    batch: OpenBatch
    gate: Gate
    hubspot: HubSpot
    reader: CrmReader
    properties: Mapping[str, CrmProperty]

    async def send(self, rows: Sequence[StoredRow], wanted: Mapping[LeadUid, Wanted], *, by_id: bool) -> list[Verdict]:
        """One verdict per row, at most a batch of them; a person who is listed at the last moment is left out.

        Raises CallFailed when the CRM may not be asked now: nothing was done with rows that have no verdict. Refusals
        of the gate as usual.
        """
        verdicts: list[Verdict] = []
        waiting = list(rows)
        while waiting:
            inputs = [_input(row, by_id=by_id) for row in waiting]
            call = (
                self.hubspot.batch_update(inputs)
                if by_id
                else self.hubspot.batch_upsert(id_property=UNIQUE_PROPERTY, inputs=inputs)
            )
            self.batch.gate.parts.suppression.expire()
            try:
                answer = await self.gate.call(call, leads=[row.planned.uid for row in waiting], step=STEP)
            except PersonSuppressed as refusal:
                listed = listed_lead(refusal)
                verdicts += [refused(row, SUPPRESSED) for row in waiting if row.planned.uid == listed]
                waiting = [row for row in waiting if row.planned.uid != listed]
            except CallFailed as failure:
                return verdicts + await self._after_failure(waiting, wanted, failure, by_id=by_id)
            else:
                return verdicts + await self._answered(waiting, answer.value, wanted)
        return verdicts

    async def _after_failure(
        self, rows: Sequence[StoredRow], wanted: Mapping[LeadUid, Wanted], failure: CallFailed, *, by_id: bool
    ) -> list[Verdict]:
        """A refused call did nothing; any other call without an answer may have been carried out."""
        error = failure.error
        if error.error_class is ErrorClass.THROTTLED:
            raise failure
        if not _is_refusal(error):
            return await self._read_back(rows, wanted, otherwise="crm_error", reason=error.code)
        if len(rows) == 1:
            return [await self._alone(rows[0], wanted, error)]
        middle = len(rows) // 2
        first = await self.send(rows[:middle], wanted, by_id=by_id)
        return first + await self.send(rows[middle:], wanted, by_id=by_id)

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
            found = (await self.reader.find([wanted[row.planned.uid]])).get(row.planned.uid)
            if found is None or found.contact.object_id == row.planned.crm_object_id:
                return broken(row, "crm_error", reason="conflict")
            contact_id = found.contact.object_id
        return already_there(self.batch, row, contact_id)

    async def _answered(
        self, rows: Sequence[StoredRow], results: Sequence[WriteResult], wanted: Mapping[LeadUid, Wanted]
    ) -> list[Verdict]:
        by_trace = {result.trace_id: result for result in results}
        verdicts: list[Verdict] = []
        unknown: list[StoredRow] = []
        for row in rows:
            result = by_trace[row.row_id]
            if result.state is WriteState.UNKNOWN:
                unknown.append(row)
            elif result.state is WriteState.CONFLICT:
                verdicts.append(await self._conflict(row, wanted, result.contact_id))
            else:
                verdicts.append(_verdict(row, result))
        return verdicts + await self._read_back(unknown, wanted, otherwise="crm_outcome_unknown")

    async def _read_back(
        self,
        rows: Sequence[StoredRow],
        wanted: Mapping[LeadUid, Wanted],
        *,
        otherwise: str,
        reason: str | None = None,
    ) -> list[Verdict]:
        if not rows:
            return []
        await self.batch.gate.parts.sleep(float(self.batch.policy.crm.read_back_seconds))
        try:
            known = await self.reader.find([wanted[row.planned.uid] for row in rows])
        except CallFailed as failure:
            return [broken(row, "crm_outcome_unknown", reason=failure.error.code) for row in rows]
        verdicts = []
        for row in rows:
            found = known.get(row.planned.uid)
            contact = found.contact if found is not None else None
            if contact is not None and standing(row.planned, contact, self.properties) is Standing.DONE:
                verdicts.append(through(row, written_state(row), contact.object_id))
            else:
                verdicts.append(broken(row, otherwise, reason=reason))
        return verdicts


def already_there(batch: OpenBatch, row: StoredRow, contact_id: str | None) -> Verdict:
    """A contact that a rep made meanwhile; where the policy updates those, the next plan does."""
    if row.planned.action is Action.CREATE and batch.policy.crm.existing_contact == "update":
        return broken(row, CHANGED)
    return refused(row, "already_in_crm", contact_id=contact_id)


def written_state(row: StoredRow) -> RowState:
    """How a row ends whose values stand in the CRM."""
    return RowState.CREATED if row.planned.action is Action.CREATE else RowState.UPDATED


def _is_refusal(error: VendorError) -> bool:
    return error.error_class is ErrorClass.PERMANENT_ITEM and error.status in _REFUSALS


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
