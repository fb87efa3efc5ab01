"""Discovery's results on their way to the database, a few leads per transaction (spec 6.6, I-4, I-53)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.leads import LeadRecord
from socialanalyzer_dagster.domain.outcomes import ItemResult, Outcome, passed, rejected
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.discovery_privacy import Listed
from socialanalyzer_dagster.pipeline.discovery_sort import DraftedLead, Sorted, filled
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.storage import (
    batch_figures,
    batches,
    claims,
    contacts,
    found_items,
    leads,
    lineages,
    outcomes,
)
from socialanalyzer_dagster.storage.leads import Collection, parts
from socialanalyzer_dagster.storage.outcomes import OutcomeWrite

Decisions = Mapping[LeadUid, Outcome]


class ListGrew(RuntimeError):
    """Somebody was put on the suppression list since the items were sorted: sort them again."""


@dataclass(frozen=True, slots=True)
class DiscoveryStore:
    """Writes of one batch's discovery; each step may be repeated after a kill."""

    batch: OpenBatch

    def store_items(self, result: Sorted, listed: Listed | None = None) -> None:
        """Items, leads, aliases and positions that are not stored yet.

        Raises ListGrew when somebody was put on the list since the items were sorted; what is stored by then stands.
        """
        stored = self.stored_results([item.item_no for item in result.items])
        new = [item for item in result.items if item.item_no not in stored]
        for part in parts(new, self._size):
            drafted = [result.leads[item.lead] for item in part if item.result == "lead" and item.lead in result.leads]
            with self.batch.workplace.database.write() as connection:
                if listed is not None and listed.held(connection) is not listed:
                    raise ListGrew
                self._store_leads(connection, drafted)
                found_items.insert_items(connection, self.batch.row.batch_id, part)

    def stored_results(self, numbers: Sequence[int]) -> dict[int, tuple[ItemResult, LeadUid | None]]:
        """Results that are stored of items with these numbers."""
        if not numbers:
            return {}
        with self.batch.workplace.database.read() as connection:
            return found_items.stored_results(
                connection, self.batch.row.batch_id, first=min(numbers), last=max(numbers)
            )

    def add_facts(self, result: Sorted) -> None:
        """What later items say about leads of an earlier window that are ours: it fills what was left open."""
        if not result.again:
            return
        with self.batch.workplace.database.write() as connection:
            ours = claims.claimed(connection, self.batch.row.batch_id, result.again)
            records = leads.load_records(connection, ours)
            for uid in ours:
                for item in result.again[uid]:
                    records[uid] = filled(records[uid], item.record) if item.record is not None else records[uid]
            leads.update_records(connection, records, self._now)
            found = {uid: [each for item in result.again[uid] for each in item.candidates] for uid in ours}
            contacts.insert_candidates(connection, found)

    def _store_leads(self, connection: Connection, drafted: Sequence[DraftedLead]) -> None:
        new = [
            lead.record for lead in drafted if lead.record.uid == lead.uid
        ]  # a reduced account may have another name
        leads.insert_leads(connection, new, self._collection)
        aliases: dict[str, LeadUid] = {}
        for lead in drafted:
            for alias in sorted(lead.aliases):
                aliases.setdefault(alias, lead.uid)
        leads.insert_aliases(connection, self.batch.row.platform, aliases)
        positions = {lead.uid: lead.position for lead in drafted}
        leads.insert_batch_leads(connection, self.batch.row.batch_id, positions)

    def undecided(self, result: Sorted) -> list[DraftedLead]:
        """Leads without an outcome at discovered, in batch order."""
        with self.batch.workplace.database.read() as connection:
            decided = self._decided(connection, result.leads)
        return [lead for lead in result.leads.values() if lead.uid not in decided]

    def _decided(self, connection: Connection, leads: Iterable[LeadUid]) -> set[LeadUid]:
        of = self.batch.of(Stage.DISCOVERED)
        return {LeadUid(uid) for part in parts(leads) for uid in outcomes.earlier_attempts(connection, of, part)}

    def withdraw(self, leads: Iterable[LeadUid]) -> None:
        """End the way of undecided leads whose people are on the list, without their facts and without a claim.

        Discovery has no code for it (spec 2.3): they were found, and the next stage refuses them, as it would.
        """
        for part in parts(leads, self._size):
            with self.batch.workplace.database.write() as connection:
                self._withdraw(connection, part)

    def _withdraw(self, connection: Connection, leads: Sequence[LeadUid]) -> None:
        decided = self._decided(connection, leads)
        refused = {uid: SUPPRESSED for uid in leads if uid not in decided}
        if refused:
            claims.drop_claims(connection, self.batch.row.batch_id, list(refused))
            self._decide(connection, dict.fromkeys(refused, PASSED))
            outcomes.write_outcomes(connection, self.batch.of(Stage.SCREENED), list(self._writes(refused)))

    def count_passed(self) -> int:
        """Leads of the batch that passed discovery."""
        of = self.batch.row.batch_id
        with self.batch.workplace.database.read() as connection:
            return batch_figures.passed_counts(connection, [of]).get(of, {}).get(Stage.DISCOVERED, 0)

    def reject_known(self, open_leads: list[DraftedLead], *, before: int) -> list[DraftedLead]:
        """Give leads that were judged lately their outcome; returns the others."""
        policy, now = self.batch.policy.search, self._now
        with self.batch.workplace.database.read() as connection:
            recheck = claims.Recheck(
                judged_since=now - timedelta(days=policy.recheck_days),
                scored_since=now - timedelta(days=policy.refresh_days),
                ancestors=self._ancestors(connection),
            )
            known = claims.known_recent(connection, self.batch.row.batch_id, recheck, after=before)
        outcome = rejected(Stage.DISCOVERED, "known_recent")
        self.decide({lead.uid: outcome for lead in open_leads if lead.uid in known})
        return [lead for lead in open_leads if lead.uid not in known]

    def claim(self, open_leads: list[DraftedLead], listed: Listed) -> tuple[list[DraftedLead], list[LeadUid]]:
        """Claim leads and store their facts; who is claimed elsewhere gets that outcome.

        Returns the claimed ones, and those withdrawn because they were put on the list since they were sorted.
        """
        silent_since = self._now - timedelta(hours=self.batch.policy.search.claim_hours)
        with self.batch.workplace.database.write() as connection:
            claims.drop_dead_claims(connection, self.batch.row.batch_id, silent_since)
            claims.hand_down_claims(connection, self._ancestors(connection))
        mine: list[DraftedLead] = []
        refused: list[LeadUid] = []
        for part in parts(open_leads, self._size):
            with self.batch.workplace.database.write() as connection:
                now = listed.held(connection)
                listed_now = [lead.uid for lead in part if now.hash_of(lead.record, lead.candidates) is not None]
                self._withdraw(connection, listed_now)
                welcome = [lead for lead in part if lead.uid not in listed_now]
                won = claims.claim(connection, self.batch.row.batch_id, [lead.uid for lead in welcome], self._now)
                winners = [lead for lead in welcome if lead.uid in won]
                self._store_facts(connection, winners)
                lost = {lead.uid: _CLAIMED_ELSEWHERE for lead in welcome if lead.uid not in won}
                self._decide(connection, lost)
            mine += winners
            refused += listed_now
        return mine, refused

    def _ancestors(self, connection: Connection) -> tuple[str, ...]:
        row = self.batch.row
        return lineages.place_of(connection, row.batch_id).ancestors if row.parent_batch_id is not None else ()

    def _store_facts(self, connection: Connection, winners: Sequence[DraftedLead]) -> None:
        """What the search says now, over what was known before (a refresh of the same lead)."""
        before = leads.load_records(connection, [lead.uid for lead in winners])
        now: dict[LeadUid, LeadRecord] = {lead.uid: filled(lead.record, before[lead.uid]) for lead in winners}
        leads.revive(connection, now, self._collection)
        leads.update_records(connection, now, self._now)
        contacts.insert_candidates(connection, {lead.uid: lead.candidates for lead in winners})

    def decide(self, decisions: Decisions) -> None:
        """Store outcomes, a few per transaction."""
        for part in parts(decisions.items(), self._size):
            with self.batch.workplace.database.write() as connection:
                self._decide(connection, dict(part))

    def _decide(self, connection: Connection, decisions: Decisions) -> None:
        if not decisions:
            return
        writes = list(self._writes(decisions))
        outcomes.write_outcomes(connection, self.batch.of(Stage.DISCOVERED), writes)
        batches.count_done(
            connection, self.batch.row.batch_id, Stage.DISCOVERED, leads=len(writes), busy_milliseconds=0
        )

    def _writes(self, decisions: Decisions) -> Iterator[OutcomeWrite]:
        now = self._now
        for uid, outcome in decisions.items():
            yield OutcomeWrite(lead=uid, outcome=outcome, evidence_ids=(), started_at=now, finished_at=now)

    @property
    def _size(self) -> int:
        return self.batch.policy.runtime.commit_leads

    @property
    def _now(self) -> datetime:
        return self.batch.workplace.clock.now()

    @property
    def _collection(self) -> Collection:
        privacy, now = self.batch.policy.privacy, self._now
        return Collection(
            at=now, notice_due_at=now + timedelta(days=privacy.notice_days), lawful_basis=privacy.lawful_basis
        )


_CLAIMED_ELSEWHERE = rejected(Stage.DISCOVERED, "claimed_by_other_batch")
PASSED = passed(Stage.DISCOVERED)
IN_CRM = rejected(Stage.DISCOVERED, "already_in_crm")
SUPPRESSED = rejected(Stage.SCREENED, "suppressed")
