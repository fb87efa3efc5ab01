"""Final figures of vendors' jobs against the price table: booked, and told where they differ (spec 12.3, 12.4)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.calls import Units
from socialanalyzer_dagster.domain.money import micros_from_usd
from socialanalyzer_dagster.domain.notification_prices import PriceChanged
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.price_drift import Bill, JudgedBill, bought_share, judged
from socialanalyzer_dagster.domain.types import JsonObject
from socialanalyzer_dagster.pipeline.policies import policy_in
from socialanalyzer_dagster.storage import outbox, policies, price_bills
from socialanalyzer_dagster.storage.attempts import Attempt
from socialanalyzer_dagster.storage.corrections import CorrectTo
from socialanalyzer_dagster.storage.price_bills import JobBill
from socialanalyzer_dagster.storage.writes import Results, Write
from socialanalyzer_dagster.vendors.apify_bills import billed_units

BILLED_UNITS: Mapping[str, Callable[[str, Sequence[JsonObject]], Units]] = {"apify": billed_units}
"""Vendors that report what a job cost, and what they count in the rows it delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalCost(Write[int]):
    """A vendor's last word on what a sending cost; gives the difference that was booked.

    People are told in the same transaction when a job that was read whole did not cost what the active price table
    says. Before its last page is read, and of one that failed or was ended early, nobody can tell.
    """

    attempt: Attempt
    reported_micros: int
    at: datetime

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["FinalCost"]) -> Results:
        """Book all of them, then look at what each was for."""
        figures = [CorrectTo(attempt=w.attempt, reported_micros=w.reported_micros, at=w.at) for w in writes]
        differences = CorrectTo.apply(connection, figures)
        keys = {write.attempt.attempt_key for write in writes}
        bills = price_bills.bills_of(connection, keys, BILLED_UNITS)
        if bills and (policy := _active(connection)) is not None:
            outbox.emit(connection, *_changes(bills, policy), now=writes[0].at)
        return differences


def _active(connection: Connection) -> Policy | None:
    """The policy whose prices people have confirmed by now, whatever older one a batch works under."""
    active = policies.active_hash(connection)
    return None if active is None else policy_in(connection, active)


def _changes(bills: Iterable[JobBill], policy: Policy) -> Iterator[PriceChanged]:
    for bill in bills:
        against = _judged(bill, policy)
        if against is not None and against.drifts:
            yield PriceChanged.of_bill(against, bill.batch_id)


def _judged(bill: JobBill, policy: Policy) -> JudgedBill | None:
    units = BILLED_UNITS[bill.provider](bill.operation, bill.rows)
    asked = Bill(operation=bill.operation, units=units, reported_micros=bill.settled_micros)
    return judged(asked, policy.prices, policy.price_drift)


def search_share(connection: Connection, batch_id: str, policy: Policy) -> Decimal | None:
    """The least part of what they were to buy that runs of a batch's search got, as a vendor is dearer than the table.

    `policy` is the one the batch works under, by which its runs are bounded; None when no run was cut short so.
    """
    bills = price_bills.bills_of_search(connection, batch_id, BILLED_UNITS)
    judgements = ((_judged(bill, policy), bill.reserved_micros) for bill in bills)
    shares = (bought_share(against, most) for against, most in judgements if against is not None)
    return min((share for share in shares if share is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatelyBilled:
    """What the newest bill that tells says of a price: `usd` for as many units as the table's price is for."""

    usd: Decimal
    differs: bool
    billed_micros: int
    table_micros: int
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """The form that is printed."""
        return {
            "usd": str(self.usd),
            "differs": self.differs,
            "billed_micros": self.billed_micros,
            "table_micros": self.table_micros,
            "at": self.at.isoformat(),
        }


def lately_billed(connection: Connection, policy: Policy, now: datetime) -> dict[str, LatelyBilled]:
    """By price key, from finished jobs of the last `price_drift.listed_days`; a price that no bill tells has no entry.

    Where a bill agrees with the table, what it says is the table's price. Jobs of the last minutes are left out: their
    figure may not be the last.
    """
    wait = timedelta(seconds=policy.retries.cost_reread_seconds)
    least = micros_from_usd(policy.price_drift.least_usd)
    within = now - timedelta(days=policy.price_drift.listed_days), now - 2 * wait
    told: dict[str, LatelyBilled] = {}
    for bill in price_bills.newest_bills(connection, BILLED_UNITS, ended_within=within, least_micros=least):
        if (against := _judged(bill, policy)) is None:
            continue
        for price in against.prices:
            told[price.key] = LatelyBilled(
                usd=price.billed_usd if against.drifts else price.table_usd,
                differs=against.drifts,
                billed_micros=bill.settled_micros,
                table_micros=-(-against.table_micros // 1),
                at=bill.at,
            )
    return told
