"""Statements about what a batch wrote to the CRM that must be true, read from the database alone (spec 3.4)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.crm_diff import sealed_hash
from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.suppression import (
    identifier_hash,
    identifiers_of_candidates,
    identifiers_of_record,
)
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.audits import AuditedBatch, Figures, Verdict
from socialanalyzer_dagster.storage import approval_gates, audits, contacts, crm_facts, leads, sync_plans
from socialanalyzer_dagster.storage.approval_gates import CLEARED
from socialanalyzer_dagster.storage.sync_plans import RowState

_NEVER = frozenset({EmailStatus.INVALID.value, EmailStatus.DISPOSABLE.value})
_ENDS = tuple(state for state in RowState if state is not RowState.PENDING)


def plan_matches_approval(connection: Connection, batch: AuditedBatch, stage: Stage) -> Verdict:
    """What was written is the plan that was approved, by its hash (I-23)."""
    plan = sync_plans.newest_plan(connection, batch.batch_id)
    rows = sync_plans.plan_rows(connection, plan.plan_id) if plan is not None else []
    begun = sum(row.state not in (RowState.PENDING, RowState.HELD, RowState.REJECTED) for row in rows)
    if plan is None or not begun:
        return Verdict(True, "Nothing was written.", {"begun": 0})
    gate = approval_gates.gate_of(connection, batch.batch_id, stage, plan.plan_hash)
    figures: Figures = {"plan": plan.plan_hash, "begun": begun, "gate": gate.state if gate is not None else "none"}
    if gate is None or gate.state not in CLEARED:
        return Verdict(False, f"{begun} rows were written from a plan that nobody approved.", figures)
    if sealed_hash(plan.number, [row.planned for row in rows]) != plan.plan_hash:
        return Verdict(False, "The rows are not those of the plan that was approved.", figures)
    return Verdict(True, f"The plan {plan.plan_hash[:12]} was approved as it was written.", figures)


def plan_rows_accounted(connection: Connection, batch: AuditedBatch, _stage: Stage) -> Verdict:
    """Planned rows are those created, updated, unchanged, held, rejected, failed and dead (I-34)."""
    counts = audits.plan_row_counts(connection, batch.batch_id)
    planned, ended = sum(counts.values()), sum(counts.get(state, 0) for state in _ENDS)
    text = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "no rows"
    holds = planned == ended or batch.may_wait
    return Verdict(holds, f"{planned} rows were planned, {ended} have an end: {text}.", {**counts, "planned": planned})


def never_suppressed(connection: Connection, batch: AuditedBatch, _stage: Stage) -> Verdict:
    """No contact was written of a person on the suppression list, or with an address that must not be used (19.2)."""
    written = audits.written_leads(connection, batch.batch_id)
    uids = list(written)
    forbidden = sum(facts.email_status in _NEVER for facts in crm_facts.contact_facts(connection, uids).values())
    listed = sum(_was_listed(connection, batch.suppression_key, written))
    figures = {"written": len(uids), "suppressed": listed, "forbidden_addresses": forbidden}
    if listed or forbidden:
        sentence = f"{listed} written contacts were suppressed, {forbidden} have an address that must not be used."
        return Verdict(False, sentence, figures)
    return Verdict(True, f"None of the {len(uids)} written contacts is suppressed.", figures)


def _was_listed(connection: Connection, key: bytes, written: Mapping[LeadUid, datetime]) -> Iterator[bool]:
    """For each written lead whether the list named it already when it was written."""
    since = audits.suppressed_since(connection)
    uids = list(written)
    records, candidates = leads.load_records(connection, uids), contacts.load_candidates(connection, uids)
    chosen = crm_facts.contact_facts(connection, uids)
    for uid, at in written.items():
        email = chosen[uid].values.get("email")
        identifiers: Sequence[Identifier] = (
            *identifiers_of_record(records[uid]),
            *identifiers_of_candidates(candidates.get(uid, ())),
            *([Identifier(IdentifierKind.EMAIL, email)] if email is not None else []),
        )
        hashes = ((each.kind.value, identifier_hash(each, key)) for each in identifiers)
        yield any(kind_hash in since and since[kind_hash] <= at for kind_hash in hashes)
