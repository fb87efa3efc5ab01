"""Writing one part of an approved plan: look again, check again, write, and account for every row (spec 11.6)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.crm_diff import Action
from socialanalyzer_dagster.domain.crm_properties import BDR_PROPERTY, UNIQUE_PROPERTY
from socialanalyzer_dagster.domain.crm_recheck import Standing, standing
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.outreach import email_refusal
from socialanalyzer_dagster.domain.ports import CallFailed, Gate
from socialanalyzer_dagster.domain.refusals import PersonSuppressed
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.crm_comparison import listed_lead, suppressed_leads
from socialanalyzer_dagster.pipeline.crm_contacts import CrmReader, Known, Wanted
from socialanalyzer_dagster.pipeline.crm_facts import Proposal, load_proposals
from socialanalyzer_dagster.pipeline.crm_verdicts import (
    Verdict,
    broken,
    by_code,
    refused,
    refused_properties,
    through,
)
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.storage import crm_links, roster
from socialanalyzer_dagster.storage.crm_links import Link
from socialanalyzer_dagster.storage.sync_plans import RowState, StoredRow
from socialanalyzer_dagster.vendors.hubspot import HubSpot
from socialanalyzer_dagster.vendors.hubspot_batches import WriteInput, WriteResult, WriteState

STEP = "crm_write"
_SUPPRESSED, _CHANGED = "suppressed", "plan_changed"
_PLANNED_ENDS = frozenset({Action.HELD, Action.REJECTED})


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the database says now about the leads of a part."""

    proposals: Mapping[LeadUid, Proposal]
    links: Mapping[LeadUid, Link]
    owners: Mapping[str, str]
    """Active BDR -> CRM owner id."""


class PartWriter:
    """Writes rows of one plan, a part at a time, through one gate."""

    def __init__(self, batch: OpenBatch, gate: Gate, hubspot: HubSpot) -> None:
        self._batch = batch
        self._gate = gate
        self._hubspot = hubspot
        self._properties = crm_properties(batch.policy)
        self._reader = CrmReader(gate, hubspot, tuple(self._properties), batch.policy.crm.batch_size)

    async def write(self, rows: Sequence[StoredRow]) -> list[Verdict]:
        """One verdict per row. Raises the gate's refusals: rows without a verdict are as they were."""
        loaded = await asyncio.to_thread(self._load, [row.planned.uid for row in rows])
        suppressed = await suppressed_leads(self._gate, list(loaded.proposals.values()))
        verdicts = {row.row_id: self._before_reading(row, loaded, suppressed) for row in rows}
        waiting = [row for row in rows if verdicts[row.row_id] is None]
        known = await self._reader.find([_wanted(row, loaded) for row in waiting])
        for row in waiting:
            verdicts[row.row_id] = self._compared(row, known.get(row.planned.uid))
        to_write = [row for row in waiting if verdicts[row.row_id] is None]
        by_id = [row for row in to_write if _is_unmarked(row, known.get(row.planned.uid))]
        upserts = [row for row in to_write if row not in by_id]
        done = [verdict for verdict in verdicts.values() if verdict is not None]
        done += await self._send(upserts, loaded, by_id=False)
        done += await self._send(by_id, loaded, by_id=True)
        return done

    def _load(self, leads: list[LeadUid]) -> _Loaded:
        with self._batch.workplace.database.read() as connection:
            proposals = load_proposals(connection, self._batch, [(uid, 0) for uid in leads])
            people = roster.roster(connection)
            return _Loaded(
                proposals={each.uid: each for each in proposals},
                links=crm_links.links_of(connection, leads),
                owners={each.name: each.owner_id for each in people if each.is_active},
            )

    def _before_reading(self, row: StoredRow, loaded: _Loaded, suppressed: frozenset[LeadUid]) -> Verdict | None:
        """Gate 3 and the e-mail's status once more, and whatever the plan settled already (spec 11.6, 19.2)."""
        planned = row.planned
        if planned.uid in suppressed:
            return refused(row, _SUPPRESSED)
        if planned.action in _PLANNED_ENDS and planned.reason is not None:
            return by_code(row, planned.reason)
        if planned.action is Action.UNCHANGED:
            return through(row, RowState.UNCHANGED, planned.crm_object_id)
        proposal = loaded.proposals[planned.uid]
        if (code := email_refusal(proposal.email, proposal.contact.email_status, self._batch.policy)) is not None:
            return by_code(row, code)
        email = planned.changes.get("email")
        if email is not None and email.new != proposal.email:
            return broken(row, _CHANGED, properties=["email"])
        owner = planned.changes.get(BDR_PROPERTY)
        if planned.bdr is not None and (owner is None or loaded.owners.get(planned.bdr) != owner.new):
            return broken(row, _CHANGED, properties=[BDR_PROPERTY])
        return None

    def _compared(self, row: StoredRow, known: Known | None) -> Verdict | None:
        """The verdict of a row that need not or must not be written; None for one that is written now."""
        if known is not None and row.planned.action is Action.CREATE and not known.contact.is_ours:
            return self._already_there(row, known.contact.object_id)
        contact = known.contact if known is not None else None
        found = standing(row.planned, contact, self._properties)
        if found is Standing.DONE and contact is not None:  # written by a run that died before it could say so
            return through(row, _written_state(row), contact.object_id)
        return broken(row, _CHANGED) if found is Standing.CHANGED else None

    def _already_there(self, row: StoredRow, contact_id: str | None) -> Verdict:
        """A contact that a rep made meanwhile; where the policy updates those, the next plan does."""
        if self._batch.policy.crm.existing_contact == "update":
            return broken(row, _CHANGED)
        return refused(row, "already_in_crm", contact_id=contact_id)

    async def _send(self, rows: Sequence[StoredRow], loaded: _Loaded, *, by_id: bool) -> list[Verdict]:
        """One call for at most a batch of rows; a person who is listed at the last moment is left out of it."""
        verdicts: list[Verdict] = []
        waiting = list(rows)
        while waiting:
            inputs = [_input(row, by_id=by_id) for row in waiting]
            call = (
                self._hubspot.batch_update(inputs)
                if by_id
                else self._hubspot.batch_upsert(id_property=UNIQUE_PROPERTY, inputs=inputs)
            )
            self._batch.gate.parts.suppression.expire()
            try:
                answer = await self._gate.call(call, leads=[row.planned.uid for row in waiting], step=STEP)
            except PersonSuppressed as refusal:
                listed = listed_lead(refusal)
                verdicts += [refused(row, _SUPPRESSED) for row in waiting if row.planned.uid == listed]
                waiting = [row for row in waiting if row.planned.uid != listed]
            except CallFailed as failure:
                return verdicts + await self._after_failure(waiting, loaded, failure)
            else:
                return verdicts + await self._answered(waiting, answer.value, loaded)
        return verdicts

    async def _answered(
        self, rows: Sequence[StoredRow], results: Sequence[WriteResult], loaded: _Loaded
    ) -> list[Verdict]:
        by_trace = {result.trace_id: result for result in results}
        nameless = [row for row in rows if by_trace[row.row_id].state is WriteState.CONFLICT]
        nameless = [row for row in nameless if by_trace[row.row_id].contact_id is None]
        holders = await self._reader.find([_wanted(row, loaded) for row in nameless]) if nameless else {}
        verdicts: list[Verdict] = []
        unknown: list[StoredRow] = []
        for row in rows:
            result = by_trace[row.row_id]
            if result.state is WriteState.UNKNOWN:
                unknown.append(row)
            elif result.state is WriteState.CONFLICT:
                holder = holders.get(row.planned.uid)
                found = holder.contact.object_id if holder is not None else None
                verdicts.append(self._already_there(row, result.contact_id or found))
            else:
                verdicts.append(_verdict(row, result))
        return verdicts + await self._read_back(unknown, loaded, otherwise="crm_outcome_unknown")

    async def _after_failure(self, rows: Sequence[StoredRow], loaded: _Loaded, failure: CallFailed) -> list[Verdict]:
        """A call without an answer may have been carried out: its rows are looked for before anything is said."""
        return await self._read_back(rows, loaded, otherwise="crm_error", reason=failure.error.code)

    async def _read_back(
        self, rows: Sequence[StoredRow], loaded: _Loaded, *, otherwise: str, reason: str | None = None
    ) -> list[Verdict]:
        if not rows:
            return []
        await self._batch.gate.parts.sleep(float(self._batch.policy.crm.read_back_seconds))
        try:
            known = await self._reader.find([_wanted(row, loaded) for row in rows])
        except CallFailed as failure:
            return [broken(row, "crm_outcome_unknown", reason=failure.error.code) for row in rows]
        verdicts = []
        for row in rows:
            found = known.get(row.planned.uid)
            contact = found.contact if found is not None else None
            if contact is not None and standing(row.planned, contact, self._properties) is Standing.DONE:
                verdicts.append(through(row, _written_state(row), contact.object_id))
            else:
                verdicts.append(broken(row, otherwise, reason=reason))
        return verdicts


def _wanted(row: StoredRow, loaded: _Loaded) -> Wanted:
    uid = row.planned.uid
    return Wanted(uid, loaded.proposals[uid].email, loaded.links.get(uid))


def _is_unmarked(row: StoredRow, known: Known | None) -> bool:
    """True for a contact that an upsert by our own property would not find."""
    return known is not None and not known.carries(row.planned.uid)


def _input(row: StoredRow, *, by_id: bool) -> WriteInput:
    planned = row.planned
    key = planned.crm_object_id if by_id and planned.crm_object_id is not None else planned.uid
    values = {name: change.new for name, change in planned.changes.items()}
    return WriteInput(trace_id=row.row_id, id=key, properties=values)


def _written_state(row: StoredRow) -> RowState:
    return RowState.CREATED if row.planned.action is Action.CREATE else RowState.UPDATED


def _verdict(row: StoredRow, result: WriteResult) -> Verdict:
    if result.state is WriteState.CREATED:
        return through(row, RowState.CREATED, result.contact_id)
    if result.state is WriteState.UPDATED:
        return through(row, RowState.UPDATED, result.contact_id)
    if result.state is WriteState.REFUSED:
        return refused_properties(row, result.property_names, result.message)
    if result.state is WriteState.ABSENT:
        return broken(row, _CHANGED)
    return broken(row, "crm_error", reason=result.category)
