"""What a UTC day brought on a platform: counted from outcomes and ledger, kept as the day's snapshot (spec 14.3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.baseline_texts import comparison_text
from socialanalyzer_dagster.domain.baselines import Comparison, Figure, Good, Grade, Kind, Unit, compared
from socialanalyzer_dagster.domain.batch_metrics import COST_PER_LEAD
from socialanalyzer_dagster.domain.daily_targets import target_of
from socialanalyzer_dagster.domain.day_metrics import day_metrics
from socialanalyzer_dagster.domain.notification_days import TargetMissed
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.sentences import leads
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import daily_figures, outbox
from socialanalyzer_dagster.storage.batch_totals import completed_between, totals_of
from socialanalyzer_dagster.storage.daily_figures import DayOf
from socialanalyzer_dagster.storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Whether a day is as it should be, and in words why."""

    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyReport:
    """A day's figures; `seconds` are mean seconds of work per lead by stage, without stages that had no lead."""

    of: DayOf
    target: int
    found: int
    new: int
    passed: Mapping[Stage, int]
    tiers: Mapping[str, int]
    spend_micros: int
    seconds: Mapping[Stage, float]
    completed: Mapping[str, float]
    """The row of spec 14.3 over the batches that completed in the day."""

    @property
    def scored(self) -> int:
        """Leads scored during the day."""
        return self.passed.get(Stage.SCORED, 0)

    @property
    def is_met(self) -> bool:
        """True when the target was reached; a day off has none to miss."""
        return self.scored >= self.target

    @property
    def cost_micros(self) -> int | None:
        """Micro-USD per scored lead; None when nothing was scored."""
        return round(self.spend_micros / self.scored) if self.scored else None

    def as_json(self) -> dict[str, Any]:
        """The form in which it is kept and printed."""
        return {
            "target": self.target,
            "found": self.found,
            "new": self.new,
            **{stage.value: self.passed.get(stage, 0) for stage in Stage if stage is not Stage.DISCOVERED},
            "tiers": dict(self.tiers),
            "spend_micros": self.spend_micros,
            "cost_per_scored_lead_micros": self.cost_micros,
            "seconds_per_lead": {stage.value: round(value, 3) for stage, value in self.seconds.items()},
            "completed": dict(self.completed),
        }


DayJudge = Callable[[Connection, DailyReport, Policy], Judged]
"""Judges a day's report."""


def daily_report(connection: Connection, of: DayOf, policy: Policy) -> DailyReport:
    """Counted now, whatever the day; a dozen queries."""
    found, new = daily_figures.found_in(connection, of)
    ended = [each.batch_id for each in completed_between(connection, of.platform, of.begins, of.ends)]
    return DailyReport(
        of=of,
        target=target_of(of.day, of.platform, policy.targets),
        found=found,
        new=new,
        passed=daily_figures.passed_in(connection, of),
        tiers=daily_figures.tiers_in(connection, of),
        spend_micros=daily_figures.spent_in(connection, of),
        seconds=daily_figures.seconds_in(connection, of),
        completed=day_metrics([*totals_of(connection, ended).values()], enrolled=policy.tiers.enrolled),
    )


def keep_report(workplace: Workplace, of: DayOf) -> DailyReport:
    """Count the day and keep its snapshot; people are told of a day that is over and short of its target."""
    now, policy = workplace.clock.now(), active_policy(workplace.database)
    with workplace.database.read() as connection:
        report = daily_report(connection, of, policy)
    with workplace.database.write() as connection:
        daily_figures.keep_snapshot(connection, of, report.as_json(), now)
        if of.ends <= now and not report.is_met:
            outbox.emit(connection, _missed(report), now=now)
    return report


def _missed(report: DailyReport) -> TargetMissed:
    return TargetMissed(
        platform=report.of.platform,
        day=report.of.day,
        target=report.target,
        scored=report.scored,
        spend_micros=report.spend_micros,
    )


def target_met(_connection: Connection, report: DailyReport, _policy: Policy) -> Judged:
    """As many leads were scored as the day was to bring."""
    if not report.target:
        return Judged(passed=True, sentence=f"No target on this day; {leads(report.scored)} scored.")
    return Judged(passed=report.is_met, sentence=f"{leads(report.scored)} scored of {report.target} wanted.")


def cost_in_range(connection: Connection, report: DailyReport, policy: Policy) -> Judged:
    """A scored lead cost what it usually does: less than a quarter more than the median of the last 30 days."""
    found = cost_compared(connection, report, policy)
    if found is None:
        return Judged(passed=True, sentence="Nothing was scored, so there is no cost per scored lead.")
    is_worse = found.is_bad and found.grade in (Grade.NOTABLE, Grade.SIGNIFICANT)
    return Judged(passed=not is_worse and not found.is_bad_drift, sentence=comparison_text(found, of="days"))


def judged_day(database: Database, of: DayOf, judge: DayJudge) -> tuple[DailyReport, Judged]:
    """The day counted now, and what a judge says of it by the active policy."""
    policy = active_policy(database)
    with database.read() as connection:
        report = daily_report(connection, of, policy)
        return report, judge(connection, report, policy)


def cost_compared(connection: Connection, report: DailyReport, policy: Policy) -> Comparison | None:
    """The day's cost per scored lead beside that of the days before it; None when nothing was scored."""
    if report.cost_micros is None:
        return None
    since = report.of.day - timedelta(days=policy.metrics.window_days)
    earlier = daily_figures.snapshots(connection, report.of.platform, since, report.of.day)
    costs = [each["cost_per_scored_lead_micros"] for each in earlier if each.get("cost_per_scored_lead_micros")]
    entered = max(report.new, report.scored)
    figure = Figure(
        name=COST_PER_LEAD,
        kind=Kind.PER_LEAD,
        unit=Unit.MICROS,
        good=Good.DOWN,
        value=report.cost_micros,
        leads=entered,
        kept=report.scored / entered,
    )
    return compared(figure, costs, f"all days on {report.of.platform}", policy.metrics)
