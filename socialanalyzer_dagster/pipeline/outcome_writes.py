"""Storing what stage functions say about leads: everything about one lead in one transaction (spec 2.2, I-35)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.outcomes import rejected
from socialanalyzer_dagster.domain.ports import LeadResult, StepResult
from socialanalyzer_dagster.domain.suppression import canonical_identifier, keyed_hash
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.storage import batches, contacts, evidence, leads, outcomes, person_rows, scores, steps
from socialanalyzer_dagster.storage.contacts import EmailState
from socialanalyzer_dagster.storage.outcomes import OutcomeWrite, StageOf
from socialanalyzer_dagster.storage.writes import Results, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """One lead's result with the time its work took."""

    result: LeadResult
    started_at: datetime
    finished_at: datetime

    @property
    def busy_milliseconds(self) -> int:
        """Work time of the lead."""
        return int((self.finished_at - self.started_at).total_seconds() * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreResults(Write[None]):
    """Outcome, evidence, record, candidates, values and score of a group of leads, and the stage's counters."""

    most_per_transaction: ClassVar[int] = 1

    of: StageOf
    policy_hash: str
    email_key: bytes
    group: tuple[Finished, ...]

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["StoreResults"]) -> Results:
        """Store each group; a group is at most what the policy lets one commit hold."""
        for write in writes:
            write.store(connection)
        return [None] * len(writes)

    def store(self, connection: Connection) -> None:
        """Everything about these leads with one statement per table; of an erased person nothing but the refusal."""
        now = max(each.finished_at for each in self.group)
        erased = person_rows.erased_leads(connection, [each.result.uid for each in self.group])
        group = [_refused(each) if each.result.uid in erased else each for each in self.group]
        results = {each.result.uid: each.result for each in group}
        evidence.insert_evidence(connection, [seen for each in results.values() for seen in each.evidence], now)
        contacts.insert_candidates(connection, {uid: each.candidates for uid, each in results.items()})
        records = {uid: each.record for uid, each in results.items() if each.record is not None}
        leads.update_records(connection, records, now)
        self._store_contacts(connection, results, now)
        outcomes.write_outcomes(connection, self.of, [_outcome(each) for each in group])
        scored = {uid: each.score for uid, each in results.items() if each.score is not None}
        of = scores.ScoresOf(batch_id=self.of.batch_id, policy_hash=self.policy_hash)
        scores.write_scores(connection, of, scored, now)
        busy = sum(each.busy_milliseconds for each in self.group)
        batches.count_done(connection, self.of.batch_id, self.of.stage, leads=len(self.group), busy_milliseconds=busy)

    def _store_contacts(self, connection: Connection, results: Mapping[LeadUid, LeadResult], now: datetime) -> None:
        """Enrichment resolves every contact field; what another stage chooses stands beside that."""
        chosen = {uid: each.values for uid, each in results.items() if each.values}
        if self.of.stage is not Stage.ENRICHED:
            contacts.add_values(connection, chosen)
            return
        contacts.replace_values(connection, chosen)
        states = [
            EmailState(
                lead=uid,
                email_hash=self._email_hash(results[uid]),
                status=results[uid].email_status,
                verified_at=results[uid].email_verified_at,
            )
            for uid in chosen
        ]
        contacts.write_email_states(connection, states, now)

    def _email_hash(self, result: LeadResult) -> str | None:
        email = result.values.get("email")
        if email is None:
            return None
        canonical = canonical_identifier(Identifier(IdentifierKind.EMAIL, email.value))
        return keyed_hash(IdentifierKind.EMAIL, canonical, self.email_key) if canonical else None


def _refused(finished: Finished) -> Finished:
    """The result of a person who was erased while a stage worked on them (spec 19.4)."""
    stage = finished.result.outcome.stage
    return replace(finished, result=LeadResult(uid=finished.result.uid, outcome=rejected(stage, "suppressed")))


def _outcome(finished: Finished) -> OutcomeWrite:
    return OutcomeWrite(
        lead=finished.result.uid,
        outcome=finished.result.outcome,
        evidence_ids=tuple(dict.fromkeys(each.evidence_id for each in finished.result.evidence)),
        started_at=finished.started_at,
        finished_at=finished.finished_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSteps(Write[None]):
    """How one step ended for the leads that shared it (I-56)."""

    most_per_transaction: ClassVar[int] = 1

    of: steps.StepsOf
    results: Mapping[LeadUid, StepResult]
    now: datetime

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["StoreSteps"]) -> Results:
        """Store them step by step; of an erased person nothing."""
        for write in writes:
            erased = person_rows.erased_leads(connection, list(write.results))
            kept = {uid: result for uid, result in write.results.items() if uid not in erased}
            steps.save_steps(connection, write.of, kept, write.now)
        return [None] * len(writes)
