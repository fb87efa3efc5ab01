"""Saved searches with a schedule of their own: what is due is queued as a batch or passed over, written down first.

The daily plan leaves these searches alone (spec 3.4).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.recurrence import RunFacts, is_too_late, newest_due, next_due, why_skipped
from socialanalyzer_dagster.domain.types import PlatformKey
from socialanalyzer_dagster.pipeline.batch_drafts import Draft
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest, UnknownPreset, check_request
from socialanalyzer_dagster.pipeline.day_facts import RUN, day_facts, rates_of
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.presets import LoadedPreset, list_presets
from socialanalyzer_dagster.pipeline.saved_searches import health_of
from socialanalyzer_dagster.pipeline.search_candidates import why_not_now
from socialanalyzer_dagster.pipeline.search_plans import CarriedOut
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import decisions, preset_schedules
from socialanalyzer_dagster.storage.daily_figures import DayOf
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.decisions import Decision, DecisionResult, StoredDecision
from socialanalyzer_dagster.storage.preset_schedules import PresetSchedule

KIND, SKIP = "recurring_search", "skip_search"
SKIPPED, MISSED = "skipped", "missed"


@dataclass(frozen=True, slots=True)
class Due:
    """Whether a saved search waits for its turn, and in words how it stands."""

    is_due: bool
    reason: str


def look_for_due(database: Database, now: datetime) -> Due:
    """Read only; also a choice that was cut off before its batch waits."""
    with database.read() as connection:
        every = preset_schedules.schedules(connection)
        cut_off = decisions.open_of_kind(connection, KIND)
    if not every and not cut_off:
        return Due(is_due=False, reason="No saved search has a schedule of its own: `socialanalyzer presets schedule`.")
    zone = ZoneInfo(active_policy(database).targets.time_zone)
    if cut_off or any(_due(each, zone, now) for each in every.values()):
        return Due(is_due=True, reason="A saved search is due.")
    first = min(next_due(each.cron, zone, now) for each in every.values())
    return Due(
        is_due=False, reason=f"No saved search is due before {first.astimezone(zone):%Y-%m-%d %H:%M} {zone.key}."
    )


def _due(schedule: PresetSchedule, zone: ZoneInfo, now: datetime) -> datetime | None:
    return newest_due(schedule.cron, zone, after=schedule.seen_until, now=now)


def run_due(workplace: Workplace) -> list[StoredDecision]:
    """Queue every saved search that is due, once, or write down why it does not run; returns these choices.

    Raises what the database raises; what was cut off then is carried out by the next call.
    """
    policy, now = active_policy(workplace.database), workplace.clock.now()
    zone = ZoneInfo(policy.targets.time_zone)
    with workplace.database.read() as connection:
        cut_off = decisions.open_of_kind(connection, KIND)
    acted = [_carried_out(workplace, each, policy) for each in cut_off]
    for platform in sorted(workplace.platforms):
        for loaded in list_presets(workplace, platform):
            due = None if loaded.schedule is None else _due(loaded.schedule, zone, now)
            if due is not None and (chosen := _chosen(workplace, loaded, policy, due)) is not None:
                acted.append(_carried_out(workplace, chosen, policy))
    with workplace.database.read() as connection:
        found = (decisions.decision(connection, key) for key in acted)
        return [each for each in found if each is not None]


def _chosen(workplace: Workplace, loaded: LoadedPreset, policy: Policy, due: datetime) -> Decision | None:
    """The choice for an instant, stored; None when somebody else made it."""
    now, preset = workplace.clock.now(), loaded.preset
    local = due.astimezone(ZoneInfo(policy.targets.time_zone))
    made = Decision(
        dedup_key=f"recurring:{preset.preset_id}:{due:%Y-%m-%dT%H:%MZ}",
        at=now,
        kind=KIND,
        actor=f"schedule@{policy.policy_version}",
        platform=preset.platform,
        day=now.date(),
        subject=preset.name,
        action=RUN,
        reason=f"due at {local:%Y-%m-%d %H:%M} {local.tzinfo} ({loaded.cron})",
        parameters={"preset": preset.name, "due": due.isoformat()},
    )
    made = _judged(workplace, loaded, made, due)
    with workplace.database.write() as connection:
        is_ours = loaded.schedule is not None and preset_schedules.advance(connection, loaded.schedule, due)
        return made if is_ours and decisions.record(connection, made) else None


def _judged(workplace: Workplace, loaded: LoadedPreset, made: Decision, due: datetime) -> Decision:
    """The choice as the facts want it: a run with its cost, or a skip with its reason."""
    policy = active_policy(workplace.database)
    if is_too_late(due, made.at, policy.recurring):
        return _skip(made, f"{made.reason}; {_too_late(policy)}")
    with workplace.database.read() as connection:
        try:
            facts = _facts(connection, workplace, loaded, policy)
        except (FilterProblems, UnknownPreset) as found:
            return _skip(made, str(found))
    condition = {"estimate_micros": facts.estimate_micros, "left_micros": facts.left_micros}
    if (why := why_skipped(facts)) is not None:
        return replace(_skip(made, why), condition=condition)
    reason = f"{made.reason}, for about {usd_text(facts.estimate_micros)}"
    return replace(made, reason=reason, condition=condition, expected_micros=facts.estimate_micros)


def _skip(made: Decision, why: str) -> Decision:
    return replace(made, action=SKIP, reason=why)


def _too_late(policy: Policy) -> str:
    return (
        f"what was missed more than {policy.recurring.catch_up_hours} hours ago is not made up for "
        "(recurring.catch_up_hours)"
    )


def _facts(connection: Connection, workplace: Workplace, loaded: LoadedPreset, policy: Policy) -> RunFacts:
    """How it stands with a search that is due; raises FilterProblems and UnknownPreset when it makes no batch."""
    preset, now = loaded.preset, workplace.clock.now()
    of = DayOf(day=now.date(), platform=PlatformKey(preset.platform))
    barred = why_not_now(connection, health_of(connection, workplace, loaded, policy, now), of.day)
    if barred is not None:
        return RunFacts(barred=barred, away=(), estimate_micros=0, cap_name="", left_micros=0)
    request = BatchRequest(platform=preset.platform, preset=preset.name)
    draft = Draft(connection, workplace, check_request(connection, workplace, request, policy), policy)
    stands = day_facts(connection, workplace, of, policy, rates_of(connection, workplace, of.platform, policy))
    caps = {
        stands.budget_name: stands.budget_micros,
        f"the batch cap of {usd_text(draft.cap_micros)}": draft.cap_micros,
    }
    name, left = min(caps.items(), key=lambda each: each[1])
    return RunFacts(
        barred=None, away=stands.away, estimate_micros=draft.estimate.micros, cap_name=name, left_micros=left
    )


def _carried_out(workplace: Workplace, choice: Decision | StoredDecision, policy: Policy) -> str:
    """Queue the batch of a choice, or say that it was passed over; returns the choice's key."""
    now = workplace.clock.now()
    due = datetime.fromisoformat(str(choice.parameters["due"]))
    if choice.action == SKIP:
        _end(workplace, choice, SKIPPED)
    elif is_too_late(due, now, policy.recurring):
        _end(workplace, choice, MISSED, why=_too_late(policy))
    else:
        of = DayOf(day=now.date(), platform=PlatformKey(choice.platform or ""))
        CarriedOut(workplace, of, policy).carry_out(choice)
    return choice.dedup_key


def _end(workplace: Workplace, choice: Decision, result: str, **detail: str) -> None:
    ended = DecisionResult(result=result, at=workplace.clock.now(), detail=detail)
    with workplace.database.write() as connection:
        decisions.finish(connection, choice.dedup_key, ended)
