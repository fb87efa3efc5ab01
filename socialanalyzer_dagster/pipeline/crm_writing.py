"""One part of an approved plan: look again, check again, write, and account for every row (spec 11.6)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.crm_diff import Action
from socialanalyzer_dagster.domain.crm_properties import BDR_PROPERTY
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.crm_validation import Definition, refused_values
from socialanalyzer_dagster.domain.outreach import email_refusal
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Gate
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.crm_comparison import suppressed_leads
from socialanalyzer_dagster.pipeline.crm_contacts import CrmReader, GateReads, Known, Wanted
from socialanalyzer_dagster.pipeline.crm_facts import Proposal, load_proposals
from socialanalyzer_dagster.pipeline.crm_sending import CHANGED, SUPPRESSED, Sender
from socialanalyzer_dagster.pipeline.crm_setup import definitions_of
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

_PROPERTIES_STEP = "crm_properties"
_PLANNED_ENDS = frozenset({Action.HELD, Action.REJECTED})


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the database says now about the leads of a part."""

    proposals: Mapping[LeadUid, Proposal]
    links: Mapping[LeadUid, Link]
    owners: Mapping[str, str]
    """Active BDR -> CRM owner id."""

    def wanted(self, row: StoredRow) -> Wanted:
        """Where to look for the contact of a row's lead."""
        uid = row.planned.uid
        return Wanted(uid, self.proposals[uid].email, self.links.get(uid))


class PartWriter:
    """Writes rows of one plan, a part at a time, through one gate, under the policy the plan was made under."""

    def __init__(self, batch: OpenBatch, policy: Policy, gate: Gate, hubspot: HubSpot) -> None:
        self._batch = batch
        self._policy = policy
        self._gate = gate
        self._hubspot = hubspot
        self._properties = crm_properties(policy)
        names = (*self._properties, policy.crm.opt_out_property)
        self._reader = CrmReader(GateReads(gate), hubspot, names, policy.crm.batch_size)
        self._sender = Sender(batch=batch, gate=gate, hubspot=hubspot, reader=self._reader, properties=self._properties)
        self._definitions: Mapping[str, Definition] | None = None

    async def write(self, rows: Sequence[StoredRow], ended: list[Verdict]) -> None:
        """Add one verdict per row to `ended`, as soon as it is known.

        Raises the gate's refusals and CallFailed: rows without a verdict are then as they were.
        """
        definitions = await self._current_definitions()
        loaded = await asyncio.to_thread(self._load, [row.planned.uid for row in rows])
        suppressed = await suppressed_leads(self._gate, list(loaded.proposals.values()))
        waiting = _left(rows, [self._before_reading(row, loaded, suppressed) for row in rows], ended)
        wanted = {row.planned.uid: loaded.wanted(row) for row in waiting}
        known = await self._reader.find(list(wanted.values()))
        verdicts = [
            self._sender.compared(row, known.get(row.planned.uid), wanted[row.planned.uid])
            or _refused_by(row, definitions)
            for row in waiting
        ]
        to_write = _left(waiting, verdicts, ended)
        by_id = [row for row in to_write if _is_unmarked(row, known.get(row.planned.uid))]
        upserts = [row for row in to_write if row not in by_id]
        await self._sender.send(upserts, wanted, ended, by_id=False)
        await self._sender.send(by_id, wanted, ended, by_id=True)

    async def _current_definitions(self) -> Mapping[str, Definition]:
        """What the account takes, read once per run: values it would refuse are never sent."""
        if self._definitions is None:
            answer = await self._gate.call(self._hubspot.properties(), leads=(), step=_PROPERTIES_STEP)
            self._definitions = definitions_of(answer.value)
        return self._definitions

    def _load(self, leads: list[LeadUid]) -> _Loaded:
        with self._batch.workplace.database.read() as connection:
            proposals = load_proposals(connection, self._batch, self._policy, [(uid, 0) for uid in leads])
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
            return refused(row, SUPPRESSED)
        if planned.action in _PLANNED_ENDS and planned.reason is not None:
            return by_code(row, planned.reason)
        if planned.action is Action.UNCHANGED:
            return through(row, RowState.UNCHANGED, planned.crm_object_id)
        proposal = loaded.proposals[planned.uid]
        if (code := email_refusal(proposal.email, proposal.contact.email_status, self._policy)) is not None:
            return by_code(row, code)
        email = planned.changes.get("email")
        if email is not None and email.new != proposal.email:
            return broken(row, CHANGED, properties=["email"])
        owner = planned.changes.get(BDR_PROPERTY)
        if planned.bdr is not None and (owner is None or loaded.owners.get(planned.bdr) != owner.new):
            return broken(row, CHANGED, properties=[BDR_PROPERTY])
        return None


def _left(rows: Sequence[StoredRow], verdicts: Sequence[Verdict | None], ended: list[Verdict]) -> list[StoredRow]:
    """The rows without a verdict; the verdicts of the others go to `ended`."""
    ended += [verdict for verdict in verdicts if verdict is not None]
    return [row for row, verdict in zip(rows, verdicts, strict=True) if verdict is None]


def _refused_by(row: StoredRow, definitions: Mapping[str, Definition]) -> Verdict | None:
    """The verdict of a row with values that the account's own definitions refuse."""
    values = {name: change.new for name, change in row.planned.changes.items()}
    problems = refused_values(values, definitions)
    if not problems:
        return None
    error = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
    return refused_properties(row, list(problems), error)


def _is_unmarked(row: StoredRow, known: Known | None) -> bool:
    """True for a contact that an upsert by our own property would not find."""
    return known is not None and not known.carries(row.planned.uid)
