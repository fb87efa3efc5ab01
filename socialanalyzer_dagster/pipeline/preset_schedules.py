"""Giving saved searches schedules of their own, and showing them with what was chosen last (spec 3.4, 5.9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from socialanalyzer_dagster.domain.filters import FieldProblem, FilterProblems
from socialanalyzer_dagster.domain.markdown import cell
from socialanalyzer_dagster.domain.recurrence import BadCron, checked_cron, next_due
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.presets import LoadedPreset, find_preset
from socialanalyzer_dagster.pipeline.recurring_searches import KIND
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import audit_log, decisions, preset_schedules
from socialanalyzer_dagster.storage.decisions import StoredDecision
from socialanalyzer_dagster.storage.preset_schedules import PresetSchedule

_HEAD = "| platform | search | schedule | next | last time | what became of it | why |\n|---|---|---|---|---|---|---|"
_NONE = "No saved search has a schedule of its own: give it one with `socialanalyzer presets schedule`."


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledSearch:
    """A saved search that runs by itself: when it is due next on the clock of the zone, and the newest choice of it."""

    platform: str
    name: str
    cron: str
    set_by: str
    next_due: datetime
    last: StoredDecision | None


def set_schedule(workplace: Workplace, platform: str, name: str, *, cron: str, by: str) -> PresetSchedule:
    """Let a saved search run by itself from now on; what lies before is not due.

    Raises NoSuchPreset, and FilterProblems for a schedule that cannot be.
    """
    now = workplace.clock.now()
    try:
        checked = checked_cron(cron, active_policy(workplace.database).recurring, now)
    except BadCron as error:
        raise FilterProblems((FieldProblem("cron", str(error)),)) from error
    with workplace.database.write() as connection:
        preset = find_preset(connection, platform, name)
        wanted = PresetSchedule(preset_id=preset.preset_id, cron=checked, set_by=by, set_at=now, seen_until=now)
        preset_schedules.put_schedule(connection, wanted)
        subject = f"{platform}/{preset.slug}"
        audit_log.record(connection, at=now, actor=by, action="preset.schedule", subject=subject, cron=checked)
    return wanted


def clear_schedule(workplace: Workplace, platform: str, name: str, *, by: str) -> bool:
    """Leave a saved search to the daily plan again; False when it had no schedule. Raises NoSuchPreset."""
    with workplace.database.write() as connection:
        preset = find_preset(connection, platform, name)
        is_changed = preset_schedules.drop_schedule(connection, preset.preset_id)
        if is_changed:
            at, subject = workplace.clock.now(), f"{platform}/{preset.slug}"
            audit_log.record(connection, at=at, actor=by, action="preset.schedule", subject=subject, cron=None)
    return is_changed


def scheduled_searches(workplace: Workplace, loaded: Sequence[LoadedPreset]) -> list[ScheduledSearch]:
    """Those of the saved searches that run by themselves; choices of the last `metrics.window_days` days are known."""
    policy, now = active_policy(workplace.database), workplace.clock.now()
    zone = ZoneInfo(policy.targets.time_zone)
    with workplace.database.read() as connection:
        made = decisions.of_kind(connection, KIND, since=now - timedelta(days=policy.metrics.window_days))
    last = {(each.platform, each.subject): each for each in made}
    return [
        ScheduledSearch(
            platform=each.preset.platform,
            name=each.preset.name,
            cron=each.schedule.cron,
            set_by=each.schedule.set_by,
            next_due=next_due(each.schedule.cron, zone, now).astimezone(zone),
            last=last.get((each.preset.platform, each.preset.name)),
        )
        for each in loaded
        if each.schedule is not None
    ]


def schedules_markdown(every: Sequence[ScheduledSearch]) -> str:
    """Every search that runs by itself in a row."""
    rows = [
        f"| {each.platform} | {cell(each.name)} | {cell(each.cron)} | {moment_text(each.next_due)} "
        f"| {_last(each.last)} |"
        for each in every
    ]
    return "\n".join([_HEAD, *rows]) if rows else _NONE


def _last(choice: StoredDecision | None) -> str:
    if choice is None:
        return " |  | "
    return f"{choice.at:%Y-%m-%d %H:%M} UTC | {cell(outcome_text(choice))} | {cell(choice.reason)}"


def moment_text(at: datetime) -> str:
    """'Mon 2026-11-23 09:00 Europe/Berlin', in the zone of the moment."""
    return f"{at:%a %Y-%m-%d %H:%M} {at.tzinfo}"


def outcome_text(choice: StoredDecision) -> str:
    """'queued as 2026-11-23.instagram.hikers', 'skipped', or 'refused: ...'."""
    detail = choice.result_detail or {}
    if "batch" in detail:
        return f"{choice.result} as {detail['batch']}"
    why = f": {detail['why']}" if "why" in detail else ""
    return f"{choice.result or 'not queued yet'}{why}"
