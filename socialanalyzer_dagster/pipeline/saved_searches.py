"""Looking after saved searches: how fresh each still is; the moment one is used up is written down once (spec 5.7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.filters import fingerprint, validate_filters
from socialanalyzer_dagster.domain.novelty import leads_left
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.search_health import PastNovelty, SearchHealth, advice
from socialanalyzer_dagster.domain.types import PlatformKey
from socialanalyzer_dagster.pipeline.batch_requests import filter_model_of, platform_of
from socialanalyzer_dagster.pipeline.batch_warnings import novelty_of, suggestion_texts
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.presets import LoadedPreset, list_presets
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import decisions, searches
from socialanalyzer_dagster.storage.decisions import Decision

KIND, FLAG = "staleness", "flag_used_up"
_SHOWN_RUNS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Every saved search, and the names of those that were found used up for the first time now."""

    every: tuple[SearchHealth, ...]
    newly_flagged: tuple[str, ...]


def look_after(workplace: Workplace) -> Looked:
    """Read how fresh every saved search is, and log those that a run since the last look has used up."""
    policy = active_policy(workplace.database)
    every = search_healths(workplace)
    flags = [_flag(each, every, policy, workplace.clock.now()) for each in every if each.is_stale]
    with workplace.database.write() as connection:
        new = [flag.subject for flag in flags if decisions.record(connection, flag)]
    return Looked(every=every, newly_flagged=tuple(new))


def search_healths(workplace: Workplace) -> tuple[SearchHealth, ...]:
    """Every saved search of every platform as it stands; a few queries each."""
    policy, now = active_policy(workplace.database), workplace.clock.now()
    loaded = [each for platform in sorted(workplace.platforms) for each in list_presets(workplace, platform)]
    with workplace.database.read() as connection:
        return tuple(health_of(connection, workplace, each, policy, now) for each in loaded)


def health_of(
    connection: Connection, workplace: Workplace, loaded: LoadedPreset, policy: Policy, now: datetime
) -> SearchHealth:
    """One saved search as it stands."""
    preset, platform = loaded.preset, PlatformKey(loaded.preset.platform)
    if loaded.problems:
        told = "; ".join(f"{each.field}: {each.message}" for each in loaded.problems)
        return SearchHealth(
            preset_id=preset.preset_id, name=preset.name, platform=platform, schedule=loaded.cron, problem=told
        )
    model = filter_model_of(platform_of(workplace, platform))
    searched = fingerprint(validate_filters(model, preset.filters, policy), policy)
    past = searches.runs_of_search(connection, searched)
    novelty = novelty_of(connection, searched, policy=policy, now=now) if past else None
    overlap = searches.overlap(connection, searched) if len(past) > 1 else None
    is_stale = novelty is not None and novelty.is_stale
    return SearchHealth(
        preset_id=preset.preset_id,
        name=preset.name,
        platform=platform,
        fingerprint=searched,
        schedule=loaded.cron,
        runs=_runs(past),
        is_stale=is_stale,
        days_since=None if novelty is None else novelty.days_since,
        left=None if overlap is None else leads_left(overlap.first, overlap.second, overlap.both, overlap.seen),
        changes=tuple(suggestion_texts(connection, platform, preset.filters, policy=policy)) if is_stale else (),
    )


def _runs(past: Sequence[searches.PastRun]) -> tuple[PastNovelty, ...]:
    complete = [run for run in past if not run.partial and run.novelty_rate is not None]
    return tuple(
        PastNovelty(run.batch_id, run.ran_at.date(), float(Decimal(run.novelty_rate or 0)), run.total_found)
        for run in complete[:_SHOWN_RUNS]
    )


def _flag(of: SearchHealth, every: Sequence[SearchHealth], policy: Policy, now: datetime) -> Decision:
    newest = of.runs[0]
    return Decision(
        dedup_key=f"stale:{of.fingerprint}:{newest.batch_id}",
        at=now,
        kind=KIND,
        actor=f"staleness@{policy.policy_version}",
        platform=of.platform,
        day=now.date(),
        batch_id=newest.batch_id,
        subject=of.name,
        action=FLAG,
        reason=f"{newest.novelty:.0%} of what it found on {newest.day} was new. {advice(of, every)}".rstrip(),
        condition={"novelty": newest.novelty, "left": of.left},
        alternatives=list(of.changes),
    )
