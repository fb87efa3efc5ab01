"""Whether a planned day needs more searches, platform by platform (issue 4, section 1)."""

from dataclasses import dataclass

from socialanalyzer_dagster.domain.search_planning import SearchPlan
from socialanalyzer_dagster.pipeline.day_facts import planned
from socialanalyzer_dagster.pipeline.search_plans import look_ahead, note_stop
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage.daily_figures import DayOf


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """A day that needs more searches; `number` counts those it has, so that one need is asked for once."""

    of: DayOf
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUps:
    """What to plan again now, and in words how the other platforms stand."""

    due: tuple[TopUp, ...]
    reason: str


def decide_top_ups(plans: dict[DayOf, SearchPlan | None]) -> TopUps:
    """Pure: a platform without a plan of the day is left to its schedule, one whose plan chooses nothing says why."""
    due, told = [], []
    for of, plan in plans.items():
        if plan is None:
            told.append(f"{of.platform}: not planned today.")
        elif plan.choices:
            due.append(TopUp(of=of, number=plan.facts.batches))
        else:
            told.append(f"{of.platform}: {plan.why}")
    return TopUps(due=tuple(due), reason=" ".join(told) or "Every platform is topped up.")


def top_ups(workplace: Workplace) -> TopUps:
    """Look at today on every platform; why a day stays short is written down once."""
    today = workplace.clock.now().date()
    plans: dict[DayOf, SearchPlan | None] = {}
    for platform in sorted(workplace.platforms):
        of = DayOf(day=today, platform=platform)
        with workplace.database.read() as connection:
            is_planned = bool(planned(connection, of))
        plans[of] = look_ahead(workplace, of, only_if_missing=True) if is_planned else None
    for plan in plans.values():
        if plan is not None:
            note_stop(workplace, plan)
    return decide_top_ups(plans)
