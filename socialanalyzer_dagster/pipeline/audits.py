"""Statements about a batch that must be true: each returns a verdict with its figures, read from the database alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection

from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.scores import ScoreRecord
from socialanalyzer_dagster.domain.scoring import recompute
from socialanalyzer_dagster.domain.sentences import leads
from socialanalyzer_dagster.domain.types import STAGES, JsonValue, Stage
from socialanalyzer_dagster.platforms.evidence_kinds import EVIDENCE_SCHEMAS
from socialanalyzer_dagster.storage import audits

Figures: TypeAlias = Mapping[str, int | float | str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a statement holds, a sentence for people, and the figures behind it."""

    holds: bool
    sentence: str
    figures: Figures = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditedBatch:
    """What an audit needs to know of a batch. `may_wait` is true while pending leads are expected (paused, canary)."""

    batch_id: str
    policy: Policy
    may_wait: bool
    suppression_key: bytes


Audit = Callable[[Connection, AuditedBatch, Stage], Verdict]


def outcomes_add_up(connection: Connection, batch: AuditedBatch, stage: Stage) -> Verdict:
    """Every lead that reached the stage has one outcome, and no other lead has one (spec 2.2)."""
    count = audits.stage_count(connection, batch.batch_id, stage)
    figures = {
        "reached": count.reached,
        "accounted": count.accounted,
        "pending": count.pending,
        "foreign": count.foreign,
    }
    if count.foreign:
        return Verdict(False, f"{leads(count.foreign)} with an outcome at {stage} never reached it.", figures)
    if count.pending and not batch.may_wait:
        return Verdict(
            False, f"{count.pending} of {count.reached} leads that reached {stage} have no outcome.", figures
        )
    return Verdict(True, f"All {count.accounted} outcomes add up.", figures)


def no_lead_twice(connection: Connection, batch: AuditedBatch, _stage: Stage) -> Verdict:
    """No two leads of the batch share a platform identity (I-43)."""
    doubled = audits.doubled_identities(connection, batch.batch_id)
    if doubled:
        return Verdict(False, f"{len(doubled)} identities stand twice in this batch.", {"doubled": len(doubled)})
    return Verdict(True, "Every lead stands once.", {"doubled": 0})


def evidence_conforms(connection: Connection, batch: AuditedBatch, stage: Stage) -> Verdict:
    """Every piece of evidence of the stage exists, belongs to its lead and fits the schema of its kind (I-2, I-5)."""
    missing = foreign = broken = seen = 0
    for _evidence_id, lead, owner, kind, body in audits.evidence_of_batch(connection, batch.batch_id, stage):
        seen += 1
        missing += owner is None
        foreign += owner is not None and owner != lead
        broken += owner is not None and not _fits(EVIDENCE_SCHEMAS.get(kind), body)
    figures = {"checked": seen, "missing": missing, "of_another_lead": foreign, "not_conforming": broken}
    if missing or foreign or broken:
        return Verdict(
            False, f"{missing} missing, {foreign} of another lead, {broken} not conforming to their schema.", figures
        )
    return Verdict(True, f"All {seen} pieces of evidence conform.", figures)


def ledger_reconciles(connection: Connection, batch: AuditedBatch, _stage: Stage) -> Verdict:
    """Outcome costs, ledger rows and attempts agree to the micro-dollar, and no money is held (I-29)."""
    count = audits.ledger_count(connection, batch.batch_id)
    figures: Figures = {
        "outcomes_usd": usd_text(count.outcome_micros),
        "outcomes_micros": count.outcome_micros,
        "ledger_lead_micros": count.ledger_lead_micros,
        "ledger_batch_micros": count.ledger_batch_micros,
        "attempts_settled_micros": count.settled_micros,
        "attempts_unknown_micros": count.unknown_micros,
        "open_attempts": count.open_attempts,
    }
    ledger = count.ledger_lead_micros + count.ledger_batch_micros
    attempts = count.settled_micros + count.unknown_micros
    if count.open_attempts and not batch.may_wait:
        return Verdict(False, f"{count.open_attempts} calls still hold money.", figures)
    if ledger != attempts:
        return Verdict(False, f"The ledger says {ledger} micro-USD, the calls {attempts}.", figures)
    unjudged = count.ledger_lead_micros - count.outcome_micros
    if unjudged and not (batch.may_wait and unjudged > 0):  # leads on their way have costs before they have an outcome
        return Verdict(
            False,
            f"The outcomes cost {count.outcome_micros} micro-USD, their ledger {count.ledger_lead_micros}.",
            figures,
        )
    return Verdict(True, f"{usd_text(ledger)} in the ledger, the same in outcomes and calls.", figures)


def yield_in_bounds(connection: Connection, batch: AuditedBatch, stage: Stage) -> Verdict:
    """The share of leads that pass screening is not below the policy's warning level (spec 14.2)."""
    entered, passed_on = audits.yield_counts(connection, batch.batch_id, stage)
    bound = batch.policy.warnings.low_yield
    if not entered:
        return Verdict(True, "No lead entered screening, so there is no yield to judge.", {"entered": 0})
    share = passed_on / entered
    figures = {"entered": entered, "passed": passed_on, "yield": round(share, 4), "lowest_expected": float(bound)}
    sentence = f"{passed_on} of {entered} leads passed screening ({share:.0%}); at least {bound:.0%} is expected."
    return Verdict(share >= bound, sentence, figures)


def contacts_have_provenance(connection: Connection, batch: AuditedBatch, _stage: Stage) -> Verdict:
    """Every contact value says where it was found, and every address how it was verified (spec 19.1, I-7)."""
    bare = audits.contacts_without_provenance(connection, batch.batch_id)
    unverified = audits.emails_without_status(connection, batch.batch_id)
    figures = {"without_provenance": bare, "without_email_status": unverified}
    if bare or unverified:
        return Verdict(False, f"{bare} contact values lack provenance, {unverified} addresses lack a status.", figures)
    return Verdict(True, "Every contact value has its source, every address its status.", figures)


def scores_recompute(connection: Connection, batch: AuditedBatch, _stage: Stage) -> Verdict:
    """Each stored score and tier equals a recomputation from stored answers under the batch's policy (I-17)."""
    differing = 0
    rows = audits.live_scores(connection, batch.batch_id)
    for row in rows:
        record = ScoreRecord.model_validate(row.record)
        differing += recompute(record, batch.policy) != record
    figures = {"checked": len(rows), "differing": differing}
    return Verdict(not differing, f"{differing} of {len(rows)} scores differ from their recomputation.", figures)


def _fits(schema: type[BaseModel] | None, body: JsonValue) -> bool:
    if schema is None:
        return False
    try:
        schema.model_validate(body)
    except ValidationError:
        return False
    return True


_BEFORE_THE_SYNC: Sequence[tuple[Audit, Stage]] = (
    *((outcomes_add_up, stage) for stage in STAGES if stage is not Stage.SYNCED),
    (no_lead_twice, Stage.DISCOVERED),
    (evidence_conforms, Stage.SCREENED),
    (contacts_have_provenance, Stage.ENRICHED),
    (evidence_conforms, Stage.ANALYZED),
    (evidence_conforms, Stage.SCORED),
    (scores_recompute, Stage.SCORED),
)


def earlier_stages_hold(connection: Connection, batch: AuditedBatch, _stage: Stage) -> Verdict:
    """Everything that must hold of the stages before the plan does; a failure keeps the plan from being written."""
    verdicts = [(stage, audit(connection, batch, stage)) for audit, stage in _BEFORE_THE_SYNC]
    wrong = [f"{stage}: {verdict.sentence}" for stage, verdict in verdicts if not verdict.holds]
    figures = {"asked": len(verdicts), "failed": len(wrong)}
    return Verdict(not wrong, " ".join(wrong) or f"All {len(verdicts)} statements hold.", figures)
