"""Counters of a batch by stage, derived from its current outcomes alone: one meaning, one source (spec 2.2, I-18)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.outcomes import Result
from socialanalyzer_dagster.domain.types import STAGES, Stage
from socialanalyzer_dagster.storage import outcome_sets
from socialanalyzer_dagster.storage.outcome_sets import OutcomeCount

_UPSTREAM = "upstream_"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCounters:
    """Leads of one stage; `entered` = passed + rejected + failed + skipped + pending, `not_reached` beside them.

    `passed_codes` tells created, updated and unchanged at synced; `reasons` are the codes of the others.
    """

    entered: int = 0
    passed: int = 0
    rejected: int = 0
    failed: int = 0
    skipped: int = 0
    not_reached: int = 0
    goes_on: int = 0
    retryable: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    passed_codes: Mapping[str, int] = field(default_factory=dict)

    @property
    def accounted(self) -> int:
        """Leads with an outcome."""
        return self.passed + self.rejected + self.failed + self.skipped

    @property
    def pending(self) -> int:
        """Leads that reached the stage and have no outcome yet; below 0 the accounting is broken."""
        return self.entered - self.accounted

    def as_json(self) -> dict[str, object]:
        """The object of `batch show --json`."""
        return {
            "in": self.entered,
            "passed": self.passed,
            "rejected": self.rejected,
            "failed": self.failed,
            "skipped": self.skipped,
            "pending": self.pending,
            "not_reached": self.not_reached,
            "reasons": dict(self.reasons),
        }


class AccountingBroken(RuntimeError):
    """More outcomes than leads at a stage: a programming error that must not go on."""


def stage_counters(connection: Connection, batch_id: str) -> dict[Stage, StageCounters]:
    """Counters of all stages; two queries."""
    counts = outcome_sets.outcome_counts(connection, batch_id)
    return derive(counts, leads=outcome_sets.lead_count(connection, batch_id))


def derive(counts: Sequence[OutcomeCount], *, leads: int) -> dict[Stage, StageCounters]:
    """Counters from grouped outcomes; `leads` is the number of leads in the batch."""
    derived: dict[Stage, StageCounters] = {}
    entered = leads
    for stage in STAGES:
        derived[stage] = _of_stage([count for count in counts if count.stage is stage], entered)
        entered = derived[stage].goes_on
    return derived


def verify(counters: Mapping[Stage, StageCounters]) -> None:
    """Raises AccountingBroken when a stage has more outcomes than leads that reached it (spec 2.2)."""
    for stage, each in counters.items():
        if each.pending < 0:
            raise AccountingBroken(f"{stage} has {each.accounted} outcomes for {each.entered} leads")


def _of_stage(counts: Sequence[OutcomeCount], entered: int) -> StageCounters:
    own = [count for count in counts if not _is_upstream(count)]
    by_result = {result: sum(count.leads for count in own if count.result is result) for result in Result}
    reasons = {count.code: count.leads for count in own if count.code and count.result is not Result.PASSED}
    return StageCounters(
        entered=entered,
        passed=by_result[Result.PASSED],
        rejected=by_result[Result.REJECTED],
        failed=by_result[Result.FAILED],
        skipped=by_result[Result.SKIPPED],
        not_reached=sum(count.leads for count in counts if _is_upstream(count)),
        goes_on=sum(count.goes_on for count in own),
        retryable=sum(count.retryable for count in own),
        reasons=dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
        passed_codes={count.code: count.leads for count in own if count.code and count.result is Result.PASSED},
    )


def _is_upstream(count: OutcomeCount) -> bool:
    return count.result is Result.SKIPPED and (count.code or "").startswith(_UPSTREAM)
