"""Where leads would be dealt to under two policies: to whom they are, or the next in turn for a lead that comes in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from socialanalyzer_dagster.domain.assignment import deal
from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.outreach import SubscriberKind, outreach_decision, queue_decision
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_preview import ENROLLED, WAITING
from socialanalyzer_dagster.domain.scoring import BELOW_MIN_SCORE
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage import preview_rows, roster
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.roster import Bdr


@dataclass(frozen=True, slots=True)
class Queues:
    """The roster as it stands with its counters, which grow here as leads are dealt in thought."""

    active: Policy
    wanted: Policy
    everyone: Sequence[Bdr]
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    @classmethod
    def of(cls, database: Database, active: Policy, wanted: Policy) -> Self:
        """The roster of a database; nothing is changed there."""
        epoch = preview_rows.dealing_epoch(database)
        with database.read() as connection:
            counts = roster.counts(connection, epoch) if epoch is not None else {}
            return cls(active, wanted, roster.roster(connection), Counter(counts))

    def places(self, row: Any, now: str | None, then: str | None) -> tuple[str | None, str | None]:  # noqa: ANN401 - a database row
        """Where a lead of these tiers is and would be; a tier that a person gave stands above both (spec 10.5)."""
        before = self._place(row, now, self.active)
        after = self._place(row, then, self.wanted)
        if after == WAITING and before != WAITING:
            after = self._dealt(row, str(row.override or then))
        return before, after

    def _place(self, row: Any, tier: str | None, policy: Policy) -> str | None:  # noqa: ANN401 - a database row
        """None without a tier; a lead that is dealt stays with whom it has."""
        given = row.override if row.override is not None and tier is not None else tier
        if given is None or given == BELOW_MIN_SCORE:
            return None
        status = None if row.email_status is None else EmailStatus(row.email_status)
        outreach = outreach_decision(row.lead_record.get("country"), SubscriberKind(row.subscriber_kind), policy)
        if not queue_decision(given, status, outreach, policy).is_dealt:
            return ENROLLED
        return str(row.bdr) if row.bdr is not None else WAITING

    def _dealt(self, row: Any, tier: str) -> str:  # noqa: ANN401 - a database row
        """The next in turn among those the batch may be dealt to; still waiting when nobody is active."""
        chosen: set[str] = set(row.bdr_names)
        selection = [bdr for bdr in self.everyone if not chosen or bdr.name in chosen]
        dealt = deal([(LeadUid(row.lead_uid), tier)], selection, self.counts)
        self.counts.update(dealt.added)
        found: Mapping[LeadUid, Bdr] = dealt.assignments
        return found[LeadUid(row.lead_uid)].name if found else WAITING
