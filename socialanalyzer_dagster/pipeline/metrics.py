"""Figures for a monitoring system, read from the database alone: batches, leads, money, vendors (spec 13.3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.breaker import BreakerPhase
from socialanalyzer_dagster.domain.call_figures import CallFigures
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.vendor_health import VendorHealth
from socialanalyzer_dagster.pipeline.batch_status import RUNNING, BatchStatus
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.vendor_health import VENDORS, vendor_health
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import budget_scopes, metric_counts

_QUANTILES = (0.5, 0.95)
Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric: its samples are (values of the labels, figure). What nobody measured has no sample."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    samples: tuple[Sample, ...]


def read_metrics(workplace: Workplace) -> list[Family]:
    """Every metric as the database has it now; days and months are UTC, money is micro-USD."""
    policy, now = active_policy(workplace.database), workplace.clock.now()
    with workplace.database.read() as connection:
        health = vendor_health(connection, policy, now)
        return [
            *_batches(connection, now),
            *_leads(connection, now),
            *_money(connection, workplace, policy, now),
            *_calls(health),
            _breakers(health),
        ]


def _batches(connection: Connection, now: datetime) -> Iterator[Family]:
    rows = metric_counts.batch_counts(connection)
    yield Family(
        name="batches",
        help="Lead batches by platform and status.",
        labels=("platform", "status"),
        samples=tuple(((row.platform, row.status), row.batches) for row in rows),
    )
    queued = sum(row.batches for row in rows if row.status == BatchStatus.QUEUED)
    yield Family(name="queued_batches", help="Batches that wait to be launched.", samples=(((), queued),))
    oldest = metric_counts.oldest_heartbeat(connection, [each.value for each in RUNNING.values()])
    yield Family(
        name="oldest_heartbeat_seconds",
        help="How long ago the most silent of the batches at work gave a sign of life; absent while none is at work.",
        samples=() if oldest is None else (((), (now - oldest).total_seconds()),),
    )


def _leads(connection: Connection, now: datetime) -> Iterator[Family]:
    rows = metric_counts.outcome_counts_since(connection, _day(now))
    yield Family(
        name="leads_today",
        help="Leads by platform, stage and result since midnight UTC.",
        labels=("platform", "stage", "result"),
        samples=tuple(((row.platform, row.stage, row.result), row.leads) for row in rows),
    )


def _money(connection: Connection, workplace: Workplace, policy: Policy, now: datetime) -> Iterator[Family]:
    for period, since in (("day", _day(now)), ("month", _day(now).replace(day=1))):
        billed = metric_counts.billed_since(connection, since)
        yield Family(
            name=f"{period}_spend_micro_usd",
            help=f"What vendors charged this UTC {period}.",
            labels=("vendor",),
            samples=tuple(((vendor,), amount) for vendor, amount in sorted(billed.items())),
        )
    caps: dict[str, int] = {}
    for platform in workplace.platforms:
        caps.update(budget_scopes.shared_caps(platform, VENDORS, now.date(), policy.budgets))
    used = budget_scopes.used_micros(connection, caps)
    for name, amounts, told in (
        ("cap_micro_usd", caps, "The spending cap of a period that runs now."),
        ("cap_used_micro_usd", {scope: used.get(scope, 0) for scope in caps}, "What is spent, held or in doubt of it."),
    ):
        samples = tuple((_scope_labels(scope), amount) for scope, amount in sorted(amounts.items()))
        yield Family(name=name, help=told, labels=("scope", "of"), samples=samples)


def _scope_labels(scope: str) -> tuple[str, str]:
    """`platform-day:x:2026-11-20` is the cap of a platform-day of x."""
    kind, *parts = scope.split(":")
    return kind, parts[0] if len(parts) > 1 else ""


def _calls(health: list[VendorHealth]) -> Iterator[Family]:
    for window, figures in (
        ("15m", {each.vendor: each.lately for each in health}),
        ("24h", {each.vendor: each.today for each in health}),
    ):
        called = {vendor: each for vendor, each in figures.items() if each.calls}
        yield from _window(window, called)


def _window(window: str, called: dict[str, CallFigures]) -> Iterator[Family]:
    yield Family(
        name=f"vendor_calls_{window}",
        help=f"Calls of the last {window}; absent where none was made.",
        labels=("vendor",),
        samples=tuple(((vendor,), each.calls) for vendor, each in called.items()),
    )
    yield Family(
        name=f"vendor_failures_{window}",
        help=f"Failed calls of the last {window} by class of error.",
        labels=("vendor", "class"),
        samples=tuple(
            ((vendor, kind), number) for vendor, each in called.items() for kind, number in sorted(each.failed.items())
        ),
    )
    yield Family(
        name=f"vendor_latency_seconds_{window}",
        help=f"Below which the given share of the calls of the last {window} took, right to a fifth.",
        labels=("vendor", "quantile"),
        samples=tuple(
            ((vendor, str(share)), milliseconds / 1000)
            for vendor, each in called.items()
            for share in _QUANTILES
            if (milliseconds := each.percentile_milliseconds(share)) is not None
        ),
    )


def _breakers(health: list[VendorHealth]) -> Family:
    return Family(
        name="breaker",
        help="1 for the state that a vendor's circuit breaker is in.",
        labels=("vendor", "state"),
        samples=tuple(
            ((each.vendor, phase.value), int(each.breaker.phase is phase)) for each in health for phase in BreakerPhase
        ),
    )


def _day(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
