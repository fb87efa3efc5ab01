"""Our books against what vendors report, and lost answers that a person settles (spec 12.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from socialanalyzer_dagster.domain.calls import JobState, JobStatus
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.reconciliation import Comparison
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.pipeline.free_calls import FreeCalls, free_calls
from socialanalyzer_dagster.pipeline.price_news import FinalCost
from socialanalyzer_dagster.pipeline.vendor_job_polls import STATUS_CALLS
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import audit_log
from socialanalyzer_dagster.storage.attempts import Attempt, AttemptState
from socialanalyzer_dagster.storage.corrections import (
    BookedSums,
    OpenSending,
    booked_sums,
    open_sendings,
    sendings_like,
    sent_jobs,
)
from socialanalyzer_dagster.storage.money import Finish
from socialanalyzer_dagster.vendors.bundle import Vendors

_SHORTEST_PREFIX = 8


class SettlementRefused(ValueError):
    """There is no such lost answer to settle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReading:
    """One vendor job whose cost was read again: what was booked for it, or why it could not be compared."""

    vendor: str
    job_id: str
    sentence: str
    corrected_micros: int = 0
    is_unread: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """Every vendor's comparison, the jobs that needed a correction or could not be read, and what is still open."""

    comparisons: Sequence[Comparison]
    jobs: Sequence[JobReading]
    open: Sequence[OpenSending]

    @property
    def is_explained(self) -> bool:
        """True when no difference is left without an explanation."""
        return all(each.is_explained for each in self.comparisons) and not any(each.is_unread for each in self.jobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Of which batch (None: all), and how many days of jobs; `bill` is a statement per vendor where there is one."""

    batch_id: str | None = None
    days: int
    bill: Mapping[str, int] | None = None


async def reconcile(workplace: Workplace, vendors: Vendors, policy: Policy, extent: Extent) -> Reconciliation:
    """Read every job's cost again and book the differences, then compare what is booked with the vendors' figures.

    Reads only at the vendors, and free. A lost start whose job reports a cost is settled with it.
    """
    since = workplace.clock.now() - timedelta(days=extent.days)
    with workplace.database.read() as connection:
        jobs = sent_jobs(connection, extent.batch_id, since)
    async with free_calls(workplace.database, policy, workplace.clock) as calls:
        readings = [await _read_again(workplace, vendors, calls, attempt, job_id) for attempt, job_id in jobs]
    with workplace.database.read() as connection:
        sums = booked_sums(connection, extent.batch_id)
        still_open = open_sendings(connection, extent.batch_id)
    return Reconciliation(
        comparisons=_comparisons(sums, still_open, extent.bill),
        jobs=[each for each in readings if each is not None],
        open=still_open,
    )


async def _read_again(
    workplace: Workplace, vendors: Vendors, calls: FreeCalls, attempt: Attempt, job_id: str
) -> JobReading | None:
    """None when there is nothing to say: the figure is the one booked, or the vendor tells none."""
    call = STATUS_CALLS[attempt.provider](vendors, job_id)
    if call is None:
        return JobReading(vendor=attempt.provider, job_id=job_id, sentence="its vendor is not configured here")
    try:
        status: JobStatus = await calls.send(call)
    except (CallFailed, ProviderUnavailable) as error:
        return JobReading(
            vendor=attempt.provider, job_id=job_id, sentence=f"could not be read: {error}", is_unread=True
        )
    if status.state is JobState.RUNNING:
        return JobReading(vendor=attempt.provider, job_id=job_id, sentence="still runs; its cost is not final")
    if status.reported_micros is None:
        return None
    write = FinalCost(attempt=attempt, reported_micros=status.reported_micros, at=workplace.clock.now())
    with workplace.database.write() as connection:
        difference = int(FinalCost.apply(connection, [write])[0])
    if not difference:
        return None
    sentence = f"the vendor's final figure differed by {difference} micro-USD; booked"
    return JobReading(vendor=attempt.provider, job_id=job_id, sentence=sentence, corrected_micros=difference)


def _comparisons(
    sums: Sequence[BookedSums], still_open: Sequence[OpenSending], bill: Mapping[str, int] | None
) -> list[Comparison]:
    booked = {each.vendor: each for each in sums}
    vendors = sorted({*booked, *(bill or {})})
    found = []
    for vendor in vendors:
        own = booked.get(vendor) or BookedSums(vendor=vendor, settled_micros=0, unknown_micros=0, held_micros=0)
        states = [each.state for each in still_open if each.vendor == vendor]
        comparison = Comparison(
            vendor=vendor,
            settled_micros=own.settled_micros,
            unknown_micros=own.unknown_micros,
            held_micros=own.held_micros,
            reported_micros=None if bill is None else bill.get(vendor, 0),
            unknown_calls=states.count(AttemptState.UNKNOWN),
            held_calls=states.count(AttemptState.RESERVED),
        )
        found.append(comparison)
    return found


def settle_lost(workplace: Workplace, key: str, *, by: str, charged_micros: int | None) -> Attempt:
    """Book what a vendor's statement says about a lost answer; None: it was not charged. Audited.

    `key` may be the beginning of the sending's key. Raises SettlementRefused.
    """
    if len(key) < _SHORTEST_PREFIX:
        raise SettlementRefused(f"give at least {_SHORTEST_PREFIX} characters of the sending's key")
    with workplace.database.write() as connection:
        found = sendings_like(connection, key)
        if len(found) != 1:
            many = "more than one sending begins" if found else "no sending begins"
            raise SettlementRefused(f"{many} with '{key}'; `socialanalyzer ledger reconcile` lists those that are open")
        attempt, state = found[0]
        if state is not AttemptState.UNKNOWN:
            raise SettlementRefused(f"the sending is {state}: only a lost answer can be settled")
        to = AttemptState.RELEASED if charged_micros is None else AttemptState.SETTLED
        now = workplace.clock.now()
        Finish.apply(connection, [Finish(attempt=attempt, state=to, at=now, amount_micros=charged_micros or 0)])
        audit_log.record(
            connection, at=now, actor=by, action="ledger.settle", subject=attempt.attempt_key,
            charged_micros=charged_micros, reserved_micros=attempt.reserved_micros,
        )  # fmt: skip
    return attempt
