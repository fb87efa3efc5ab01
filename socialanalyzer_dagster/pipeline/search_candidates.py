"""The saved searches of a platform with what each is expected to bring, and why some cannot run now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.batch_metrics import BatchTotals
from socialanalyzer_dagster.domain.day_metrics import summed
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.search_health import SearchHealth, advice
from socialanalyzer_dagster.domain.search_planning import Candidate
from socialanalyzer_dagster.domain.search_rates import SearchRates, shrunk
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.pipeline.presets import list_presets
from socialanalyzer_dagster.pipeline.saved_searches import health_of
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches
from socialanalyzer_dagster.storage.batch_totals import completed_between, totals_of
from socialanalyzer_dagster.storage.batches import TERMINAL
from socialanalyzer_dagster.storage.daily_figures import DayOf


@dataclass(frozen=True, slots=True)
class _Looks:
    connection: Connection
    workplace: Workplace
    policy: Policy
    of: DayOf
    rates: SearchRates
    totals: dict[str, BatchTotals]


def candidates(
    connection: Connection, workplace: Workplace, of: DayOf, policy: Policy, rates: SearchRates
) -> list[Candidate]:
    """Every saved search of the platform; some queries per search, of which there are few."""
    totals = _by_preset(connection, workplace, of, policy)
    looks = _Looks(connection, workplace, policy, of, rates, totals)
    now = workplace.clock.now()
    every = [health_of(connection, workplace, each, policy, now) for each in list_presets(workplace, of.platform)]
    return [_candidate(looks, health, every) for health in every]


def _candidate(looks: _Looks, health: SearchHealth, every: Sequence[SearchHealth]) -> Candidate:
    policy, totals = looks.policy, looks.totals.get(health.preset_id)
    known_since = looks.of.day - timedelta(days=policy.search.recheck_days)
    seen = health.seen(known_since, stale_below=float(policy.novelty.stale_below))
    novelty = None if seen else health.novelty  # what lies beyond is as new as elsewhere
    return Candidate(
        preset_id=health.preset_id,
        name=health.name,
        rates=shrunk(totals, novelty, looks.rates, trusted_from=policy.targets.trusted_from),
        novelty=health.novelty,
        left=health.left,
        seen=seen,
        barred=_barred(looks, health),
        advice=advice(health, every),
    )


def _barred(looks: _Looks, health: SearchHealth) -> str | None:
    """Why a plan cannot choose it now; None when it can."""
    if health.schedule is not None:
        return f"it runs by a schedule of its own ({health.schedule})"
    return why_not_now(looks.connection, health, looks.of.day)


def why_not_now(connection: Connection, health: SearchHealth, day: date) -> str | None:
    """Why a search cannot run now on a day, whoever wants it; None when it can."""
    if health.problem is not None:
        return f"its filters are not valid any more: {health.problem}"
    newest = batches.newest_of_search(connection, health.fingerprint)
    if newest is not None and newest.status not in TERMINAL:
        return f"batch {newest.partition_key} searches for it already ({newest.status.replace('_', ' ')})"
    if newest is not None and newest.day == day:
        return "it ran today"
    if not health.is_stale:
        return None
    return f"it is used up: {health.novelty:.0%} of its results were new {counted(health.days_since or 0, 'day')} ago"


def _by_preset(connection: Connection, workplace: Workplace, of: DayOf, policy: Policy) -> dict[str, BatchTotals]:
    now = workplace.clock.now()
    since = now - timedelta(days=policy.metrics.window_days)
    completed = completed_between(connection, of.platform, since, now)
    totals = totals_of(connection, [each.batch_id for each in completed])
    presets = {each.preset_id for each in completed if each.preset_id is not None}
    return {
        preset: summed([totals[each.batch_id] for each in completed if each.preset_id == preset]) for preset in presets
    }
