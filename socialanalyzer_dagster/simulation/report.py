"""What a simulation came to: targets, money, leads, and how each happening was noticed."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import STAGES, PlatformKey
from socialanalyzer_dagster.pipeline.daily_reports import daily_report
from socialanalyzer_dagster.pipeline.message_view import message_rows
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.saved_searches import KIND as STALENESS
from socialanalyzer_dagster.platforms.registry import PLATFORMS
from socialanalyzer_dagster.sandbox.happenings import DEAR_VENDOR, DOWN_VENDOR, WORSE_PLATFORM, Happening, Happenings
from socialanalyzer_dagster.simulation.automation import Automation, Seen
from socialanalyzer_dagster.simulation.office import MONTH_CAP_USD, SimulatedOffice
from socialanalyzer_dagster.simulation.people import Team
from socialanalyzer_dagster.storage import audits, batches, budget_scopes, decisions, policies
from socialanalyzer_dagster.storage.batches import COMPLETED
from socialanalyzer_dagster.storage.cost_views import billed_micros
from socialanalyzer_dagster.storage.daily_figures import DayOf
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.decisions import StoredDecision
from socialanalyzer_dagster.storage.outbox import OutboxQuestion

_NOTICED_WITHIN = timedelta(days=7)
_MOST = 5
_ALL = 1_000_000
_SHOWS = {
    "vendor_down": re.compile(rf"\b{DOWN_VENDOR}\b", re.IGNORECASE),
    "prices_double": re.compile(
        rf"price_changed.*{DEAR_VENDOR}|price of {DEAR_VENDOR}|figures_usual|cost_per_lead_in_range|R-5.*cost",
        re.IGNORECASE,
    ),
    "yield_halves": re.compile(
        rf"(screened_leads: (figures_usual|yield_in_bounds)|\bR-[15]\b|deviation).*{WORSE_PLATFORM}", re.IGNORECASE
    ),
}
"""What something seen or decided looks like that belongs to a happening."""


@dataclass(frozen=True, slots=True)
class SimulatedDay:
    """A day on a platform with a target."""

    day: date
    platform: PlatformKey
    target: int
    scored: int
    spend_micros: int


@dataclass(frozen=True, slots=True)
class Noticed:
    """A happening, where it showed first, and what was decided then."""

    at: datetime
    name: str
    text: str
    noticed: tuple[str, ...]
    done: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """How long a simulation ran, and with whom."""

    days: int
    team: Team


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationReport:
    """`team` is what its people did; `lost` counts leads without an outcome where they should have one, `over_cap`
    scopes that hold more than their cap.

    `spend_micros` is the ledger's, `bill_micros` the vendors'; a working day is met when every platform's target was.
    """

    days: tuple[SimulatedDay, ...]
    lost: int
    over_cap: int
    spend_micros: int
    bill_micros: int
    events: tuple[Noticed, ...]
    team: Team
    runs: int
    failed_runs: int

    @property
    def working_days(self) -> int:
        """Days with a target."""
        return len({each.day for each in self.days})

    @property
    def days_met(self) -> int:
        """Working days on which every platform reached its target."""
        missed = {each.day for each in self.days if each.scored < each.target}
        return self.working_days - len(missed)

    def as_json(self) -> dict[str, Any]:
        """The form that is printed."""
        return {
            "working_days": self.working_days,
            "days_met": self.days_met,
            "lost": self.lost,
            "over_cap": self.over_cap,
            "month_cap_usd": MONTH_CAP_USD,
            "spend_micros": self.spend_micros,
            "bill_micros": self.bill_micros,
            "scored": sum(each.scored for each in self.days),
            "runs": self.runs,
            "failed_runs": self.failed_runs,
            "team": asdict(self.team),
            "events": [asdict(each) for each in self.events],
            "days": [asdict(each) for each in self.days],
        }


def report_of(
    house: SimulatedOffice, automation: Automation, happenings: Happenings, course: Course
) -> SimulationReport:
    """Counted from the pipeline's own tables, and the vendors' bill."""
    database = house.office.database
    policy = active_policy(database)
    with database.read() as connection:
        logged = decisions.since(connection, happenings.start)
        seen = sorted([*automation.seen, *_messages(database)], key=lambda each: each.at)
        done = sorted([*_decided(logged), *_activated(connection)], key=lambda each: each.at)
        return SimulationReport(
            days=tuple(_days(connection, happenings.start.date(), course.days, policy)),
            lost=_lost(connection),
            over_cap=len(budget_scopes.over_cap(connection)),
            spend_micros=billed_micros(connection),
            bill_micros=house.sandbox.bill.total_micros(),
            events=tuple(_noticed(each, seen, done) for each in happenings.every()) + _stale(logged),
            team=course.team,
            runs=automation.runs,
            failed_runs=automation.failed_runs,
        )


def _days(connection: Connection, first: date, days: int, policy: Policy) -> Iterator[SimulatedDay]:
    for number in range(days):
        for platform in sorted(PLATFORMS):
            report = daily_report(connection, DayOf(day=first + timedelta(days=number), platform=platform), policy)
            if report.target:
                yield SimulatedDay(report.of.day, platform, report.target, report.scored, report.spend_micros)


def _lost(connection: Connection) -> int:
    """Leads of completed batches that reached a stage and have no outcome of it."""
    completed = batches.batches_with_status(connection, COMPLETED)
    return sum(audits.stage_count(connection, batch.batch_id, stage).pending for batch in completed for stage in STAGES)


def _messages(database: Database) -> Iterator[Seen]:
    """What people were told, by the titles of the messages."""
    for each in message_rows(database, OutboxQuestion(limit=_ALL)):
        yield Seen(each["created"], f"message {each['kind']}", each["title"] or "")


def _decided(logged: Sequence[StoredDecision]) -> Iterator[Seen]:
    for each in logged:
        yield Seen(each.at, f"{each.kind} {each.action} {each.subject}", each.reason)


def _activated(connection: Connection) -> Iterator[Seen]:
    """Versions of the policy that people made."""
    for each in policies.versions(connection):
        yield Seen(each.created_at, f"policy {each.number} by {each.author}", each.note)


def _noticed(happening: Happening, seen: Sequence[Seen], done: Sequence[Seen]) -> Noticed:
    """What showed on the pages and was done in the days after, the first of each place."""
    until = happening.at + _NOTICED_WITHIN

    def after(found: Sequence[Seen]) -> tuple[str, ...]:
        shows = _SHOWS[happening.name]
        first: dict[str, str] = {}
        for each in found:
            if happening.at <= each.at < until and shows.search(f"{each.where} {each.text}"):
                first.setdefault(each.where, f"{each.at:%Y-%m-%d %H:%M} {each.where}: {each.text}")
        return tuple(first.values())[:_MOST]

    return Noticed(happening.at, happening.name, happening.text, after(seen), after(done))


def _stale(logged: Sequence[StoredDecision]) -> tuple[Noticed, ...]:
    """Searches that were used up: when each was flagged, and that the plan passed it over from then on."""
    return tuple(
        Noticed(each.at, "search_stale", f"{each.subject} ({each.platform}) is used up", (each.reason,), (each.action,))
        for each in logged
        if each.kind == STALENESS
    )
