"""Events that nobody has to tell: they are read from the tables and the decision log, and put into the outbox once.

Whoever knows better when something happens calls `storage.outbox.emit` in its own transaction instead.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.breaker import BreakerPhase, BreakerState
from socialanalyzer_dagster.domain.notification_alerts import BreakerClosed, BreakerOpened, CapWarned, ServiceRefused
from socialanalyzer_dagster.domain.notification_days import PlanStopped
from socialanalyzer_dagster.domain.notification_events import DeadSyncRows, Event, Kind, SearchStale, UnknownAttempts
from socialanalyzer_dagster.pipeline.day_facts import PLAN, TOP_UP
from socialanalyzer_dagster.pipeline.saved_searches import FLAG
from socialanalyzer_dagster.pipeline.saved_searches import KIND as STALENESS
from socialanalyzer_dagster.pipeline.search_plans import STOP
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import decisions, news, outbox
from socialanalyzer_dagster.storage.breakers import load_breakers
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.decisions import StoredDecision

_LOG = logging.getLogger(__name__)
_AWAY = (Kind.BREAKER_OPENED, Kind.SERVICE_REFUSED)
_BATCH = "batch:"


def gather(workplace: Workplace) -> int:
    """Put into the outbox what happened within `notifications.look_back_hours`; returns how many messages are new."""
    return put_news(workplace.database, workplace.clock.now())


def put_news(database: Database, now: datetime) -> int:
    """The same for a database and a moment."""
    with database.read() as connection:
        since = now - timedelta(hours=outbox.notifications_policy(connection).look_back_hours)
        events = outbox.untold(connection, [*_of_tables(connection, since), *_of_decisions(connection, since)])
    if not events:
        return 0
    with database.write() as connection:
        return outbox.emit(connection, *events, now=now)


def _of_tables(connection: Connection, since: datetime) -> Iterator[Event]:
    yield from _of_caps(connection, since)
    for lost in news.lost_answers(connection, since):
        yield UnknownAttempts(
            batch_id=lost.batch_id, vendor=lost.vendor, calls=lost.calls, reserved_micros=lost.reserved_micros
        )
    for dead in news.dead_rows(connection, since):
        yield DeadSyncRows(batch_id=dead.batch_id, plan_id=dead.plan_id, rows=dead.rows)
    told = {(each["service"], each["trip"]) for each in outbox.facts_of(connection, _AWAY, since)}
    for service, stored in sorted(load_breakers(connection).items()):
        yield from _of_breaker(service, stored.state, told)


def _of_caps(connection: Connection, since: datetime) -> Iterator[CapWarned]:
    """Caps that are nearly used up; who knows that one is reached is not warned of it any more."""
    reached = {(each["scope"], each["cap_micros"]) for each in outbox.facts_of(connection, [Kind.CAP_REACHED], since)}
    for cap in news.warned_caps(connection, since):
        if (cap.scope, cap.cap_micros) not in reached:
            batch_id = cap.scope.removeprefix(_BATCH) if cap.scope.startswith(_BATCH) else None
            yield CapWarned(batch_id=batch_id, scope=cap.scope, used_micros=cap.used_micros, cap_micros=cap.cap_micros)


def _of_breaker(service: str, state: BreakerState, told: set[tuple[str, int]]) -> Iterator[Event]:
    """That a vendor is away, and that it is back when people were told that it is away."""
    if state.phase is BreakerPhase.CLOSED:
        away = max((trip for name, trip in told if name == service), default=None)
        if away is not None:
            yield BreakerClosed(service=service, trip=away)
        return
    event = ServiceRefused if state.needs_person else BreakerOpened
    yield event(service=service, trip=state.trip, code=state.code or "unknown")


def _of_decisions(connection: Connection, since: datetime) -> Iterator[Event]:
    for kind, make in _NEWS.items():
        for row in decisions.of_kind(connection, kind, since=since):
            try:
                event = make(row)
            except (KeyError, ValueError):  # one that is told otherwise than expected keeps no other from people
                _LOG.error("decision %d of kind %s cannot be told", row.id, kind)
                continue
            if event is not None:
                yield event


def _stale(row: StoredDecision) -> Event | None:
    if row.action != FLAG:
        return None
    tries = tuple(str(each) for each in row.alternatives)
    return SearchStale(
        batch_id=row.batch_id, search=row.subject, platform=row.platform or "", why=row.reason, suggestions=tries
    )


def _stopped(row: StoredDecision) -> Event | None:
    if row.action != STOP or row.day is None:
        return None
    figures: Mapping[str, Any] = row.condition
    return PlanStopped(
        platform=row.platform or "", day=row.day, target=figures["target"], scored=figures["scored"], why=row.reason
    )


_NEWS: Mapping[str, Callable[[StoredDecision], Event | None]] = {
    STALENESS: _stale,
    PLAN: _stopped,
    TOP_UP: _stopped,
}
"""How the decisions of a kind are told."""
