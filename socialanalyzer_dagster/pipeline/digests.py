"""The daily digest and the weekly report: figures of ended batches, put into the outbox once per day and week (16)."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.notification_events import Event
from socialanalyzer_dagster.domain.notification_reports import (
    DailyDigest,
    Figures,
    SearchFigures,
    TopLead,
    WeeklyReport,
    cheapest_first,
)
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batch_figures, batches, ended_batches, outbox, searches
from socialanalyzer_dagster.storage.batches import TERMINAL
from socialanalyzer_dagster.storage.ended_batches import Ended

_NEEDS_PERSON = (BatchStatus.AWAITING_APPROVAL, BatchStatus.AWAITING_CONFIRMATION, BatchStatus.PAUSED)
_NOBODY = "no batch"


def daily_digest(workplace: Workplace) -> str:
    """Put today's digest into the outbox unless it is there; returns its text."""
    policy, now = active_policy(workplace.database).notifications.reports, _full_hour(workplace)
    since = now - timedelta(hours=policy.digest_hours)
    with workplace.database.read() as connection:
        ended = ended_batches.ended_between(connection, since, now, sorted(TERMINAL))
        waiting = batches.batches_with_status(connection, [status.value for status in _NEEDS_PERSON])
        best = ended_batches.best_leads(connection, [each.batch_id for each in ended], policy.digest_leads)
        digest = DailyDigest(
            since=since,
            until=now,
            total=_figures(connection, ended),
            ended=Counter(each.status for each in ended),
            waiting=tuple(each.partition_key for each in waiting),
            top=tuple(TopLead(uid=each.uid, score=Decimal(each.score), batch_key=each.batch_key) for each in best),
        )
    return _put(workplace, digest)


def weekly_report(workplace: Workplace) -> str:
    """Put the report of the last days into the outbox unless it is there; returns its text."""
    policy, now = active_policy(workplace.database), _full_hour(workplace)
    reports = policy.notifications.reports
    since = now - timedelta(days=reports.week_days)
    with workplace.database.read() as connection:
        ended = ended_batches.ended_between(connection, since, now, sorted(TERMINAL))
        by_search: dict[str, list[Ended]] = defaultdict(list)
        for each in ended:
            by_search[search_of(each.key)].append(each)
        figures = [
            SearchFigures(search=search, figures=_figures(connection, those)) for search, those in by_search.items()
        ]
        listed = cheapest_first(figures)
        report = WeeklyReport(
            since=since.date(),
            until=now.date(),
            total=_figures(connection, ended),
            searches=tuple(listed[: reports.week_searches]),
            left_out=max(0, len(listed) - reports.week_searches),
            stale=tuple(each.search for each in listed if _is_stale(each.figures, policy.novelty.stale_below)),
        )
    return _put(workplace, report)


def _full_hour(workplace: Workplace) -> datetime:
    """The hour that has begun, so that one day's digest ends where the next one starts."""
    return workplace.clock.now().replace(minute=0, second=0, microsecond=0)


def search_of(key: str) -> str:
    """'instagram.travel-micro' of '2026-11-20.instagram.travel-micro.2'."""
    return ".".join(key.split(".")[1:3])


def _is_stale(figures: Figures, below: Decimal) -> bool:
    return figures.found > 0 and Decimal(figures.new) / figures.found < below


def _figures(connection: Connection, ended: Sequence[Ended]) -> Figures:
    ids = [each.batch_id for each in ended]
    passed = batch_figures.passed_counts(connection, ids)
    money = batch_figures.money(connection, ids)
    runs = searches.runs_of(connection, ids)
    return Figures(
        batches=len(ids),
        found=sum(run.total_found for run in runs.values()),
        new=sum(run.new_found for run in runs.values()),
        scored=sum(counts.get(Stage.SCORED, 0) for counts in passed.values()),
        synced=sum(counts.get(Stage.SYNCED, 0) for counts in passed.values()),
        spend_micros=sum(each.spend_micros for each in money.values()),
    )


def _put(workplace: Workplace, event: Event) -> str:
    with workplace.database.write() as connection:
        outbox.emit(connection, event, now=workplace.clock.now())
    return "\n".join([event.title(_NOBODY), *event.sentences(_NOBODY)])
