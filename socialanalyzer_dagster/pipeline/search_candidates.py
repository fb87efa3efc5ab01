"""The saved searches of a platform with what each is expected to bring, and why some cannot run now."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.batch_metrics import BatchTotals
from socialanalyzer_dagster.domain.day_metrics import summed
from socialanalyzer_dagster.domain.filters import fingerprint, validate_filters
from socialanalyzer_dagster.domain.novelty import Novelty, leads_left
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.search_planning import Candidate
from socialanalyzer_dagster.domain.search_rates import SearchRates, shrunk
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.pipeline.batch_requests import filter_model_of, platform_of
from socialanalyzer_dagster.pipeline.batch_warnings import novelty_of, suggestions_text
from socialanalyzer_dagster.pipeline.presets import LoadedPreset, list_presets
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches, searches
from socialanalyzer_dagster.storage.batch_totals import completed_between, totals_of
from socialanalyzer_dagster.storage.batches import TERMINAL
from socialanalyzer_dagster.storage.daily_figures import DayOf
from socialanalyzer_dagster.storage.presets import Preset


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
    return [_candidate(looks, loaded) for loaded in list_presets(workplace, of.platform)]


def _candidate(looks: _Looks, loaded: LoadedPreset) -> Candidate:
    preset = loaded.preset
    if loaded.problems:
        told = "; ".join(f"{each.field}: {each.message}" for each in loaded.problems)
        barred = f"its filters are not valid any more: {told}"
        return Candidate(preset_id=preset.preset_id, name=preset.name, rates=looks.rates, barred=barred)
    searched = _fingerprint(looks, preset)
    novelty = novelty_of(looks.connection, searched, policy=looks.policy, now=looks.workplace.clock.now())
    percent = None if novelty is None or novelty.novelty_percent is None else float(novelty.novelty_percent) / 100
    totals = looks.totals.get(preset.preset_id)
    overlap = searches.overlap(looks.connection, searched)
    return Candidate(
        preset_id=preset.preset_id,
        name=preset.name,
        rates=shrunk(totals, percent, looks.rates, trusted_from=looks.policy.targets.trusted_from),
        novelty=percent,
        left=None if overlap is None else leads_left(overlap.first, overlap.second, overlap.both, overlap.seen),
        barred=_barred(looks, preset, searched, novelty),
    )


def _fingerprint(looks: _Looks, preset: Preset) -> str:
    model = filter_model_of(platform_of(looks.workplace, looks.of.platform))
    return fingerprint(validate_filters(model, preset.filters, looks.policy), looks.policy)


def _barred(looks: _Looks, preset: Preset, searched: str, novelty: Novelty | None) -> str | None:
    """Why it cannot run now; None when it can."""
    newest = batches.newest_of_search(looks.connection, searched)
    if newest is not None and newest.status not in TERMINAL:
        return f"batch {newest.partition_key} searches for it already ({newest.status.replace('_', ' ')})"
    if newest is not None and newest.day == looks.of.day:
        return "it ran today"
    if novelty is None or not novelty.is_stale:
        return None
    percent = f"{novelty.novelty_percent:.0f} % of its {counted(novelty.total_found, 'result')} were new"
    ago = f"{counted(novelty.days_since, 'day')} ago"
    ideas = suggestions_text(looks.connection, looks.of.platform, preset.filters, policy=looks.policy)
    return f"it is used up: {percent} {ago}" + (f"; change it: {ideas}" if ideas else "")


def _by_preset(connection: Connection, workplace: Workplace, of: DayOf, policy: Policy) -> dict[str, BatchTotals]:
    now = workplace.clock.now()
    since = now - timedelta(days=policy.metrics.window_days)
    completed = completed_between(connection, of.platform, since, now)
    totals = totals_of(connection, [each.batch_id for each in completed])
    presets = {each.preset_id for each in completed if each.preset_id is not None}
    return {
        preset: summed([totals[each.batch_id] for each in completed if each.preset_id == preset]) for preset in presets
    }
