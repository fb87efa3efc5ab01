"""Where a day stands on a platform: its target, what was scored, what open batches will bring, what money is left."""

from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.batch_metrics import BatchTotals
from socialanalyzer_dagster.domain.daily_targets import target_of, weekday_of
from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.search_planning import DayFacts
from socialanalyzer_dagster.domain.search_rates import SearchRates, platform_rates
from socialanalyzer_dagster.domain.types import PlatformKey, Stage
from socialanalyzer_dagster.pipeline.batch_status import RUNNING, BatchStatus
from socialanalyzer_dagster.pipeline.estimates import measured_rates
from socialanalyzer_dagster.pipeline.launch_queue import providers_of
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches, budget_scopes, daily_figures, decisions
from socialanalyzer_dagster.storage.batch_totals import totals_of
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.daily_figures import DayOf

PLAN, TOP_UP = "search_plan", "top_up"
RUN = "run_search"
_ON_ITS_WAY = (BatchStatus.QUEUED, BatchStatus.AWAITING_PROVIDER, *RUNNING.values())
_BEFORE = {Stage.SCREENED: Stage.DISCOVERED, Stage.ENRICHED: Stage.SCREENED, Stage.ANALYZED: Stage.ENRICHED,
           Stage.SCORED: Stage.ANALYZED}  # fmt: skip


def rates_of(connection: Connection, workplace: Workplace, platform: PlatformKey, policy: Policy) -> SearchRates:
    """What a result on the platform is expected to bring and cost (spec 12.2)."""
    return platform_rates(measured_rates(connection, platform, policy=policy, now=workplace.clock.now()))


def day_facts(connection: Connection, workplace: Workplace, of: DayOf, policy: Policy, rates: SearchRates) -> DayFacts:
    """The facts that a plan is made from; ten queries."""
    open_batches = [
        batch for batch in batches.batches_with_status(connection, _ON_ITS_WAY) if batch.platform == of.platform
    ]
    totals = totals_of(connection, [batch.batch_id for batch in open_batches])
    name, left = _tightest(connection, workplace, of, policy)
    promised = sum(max(0, batch.estimate_micros - totals[batch.batch_id].cost_micros) for batch in open_batches)
    return DayFacts(
        day=of.day,
        platform=of.platform,
        weekday=weekday_of(of.day, policy.targets),
        target=target_of(of.day, of.platform, policy.targets),
        scored=daily_figures.passed_in(connection, of).get(Stage.SCORED, 0),
        expected=sum(expected_of(batch, totals[batch.batch_id], rates) for batch in open_batches),
        budget_micros=left - promised,
        budget_name=name,
        batches=len(planned(connection, of)),
    )


def planned(connection: Connection, of: DayOf) -> Sequence[decisions.StoredDecision]:
    """The choices to run a search that were made for the day."""
    found = (
        each
        for kind in (PLAN, TOP_UP)
        for each in decisions.of_kind(connection, kind, since=of.begins, platform=of.platform)
    )
    return [each for each in found if each.day == of.day and each.action == RUN]


def expected_of(batch: Batch, totals: BatchTotals, rates: SearchRates) -> float:
    """Scored leads that an open batch will probably still bring, from where its leads stand."""
    if not totals.of(Stage.DISCOVERED).judged:
        stages: Mapping[str, Mapping[str, float]] = batch.estimate["stages"]
        return stages[Stage.SCORED]["leads"] * rates.passing[Stage.SCORED]
    waiting = {stage: max(0, totals.of(before).passed - totals.of(stage).judged) for stage, before in _BEFORE.items()}
    return sum(number * rates.scored_after(stage) for stage, number in waiting.items())


def _tightest(connection: Connection, workplace: Workplace, of: DayOf, policy: Policy) -> tuple[str, int]:
    """Name and room of the cap that leaves least."""
    caps = budget_scopes.shared_caps(of.platform, providers_of(workplace, of.platform), of.day, policy.budgets)
    used = budget_scopes.used_micros(connection, caps)
    scope, cap = min(caps.items(), key=lambda each: each[1] - used.get(each[0], 0))
    kind = scope.split(":", maxsplit=1)[0].replace("-", " ")
    return f"the {kind} cap of {usd_text(cap)}", cap - used.get(scope, 0)


def is_today(workplace: Workplace, day: date) -> bool:
    """True for the present UTC day: no other is planned."""
    return workplace.clock.now().date() == day
