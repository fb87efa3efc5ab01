"""Where a day stands on a platform: its target, what was scored, what open batches will bring, what money is left."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import TypeAlias

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.batch_metrics import BatchTotals
from socialanalyzer_dagster.domain.daily_targets import target_of, weekday_of
from socialanalyzer_dagster.domain.day_metrics import summed
from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.search_planning import DayFacts
from socialanalyzer_dagster.domain.search_rates import SearchRates, platform_rates, shrunk
from socialanalyzer_dagster.domain.types import PlatformKey, Stage
from socialanalyzer_dagster.pipeline.batch_requests import filter_model_of
from socialanalyzer_dagster.pipeline.batch_status import RUNNING, BatchStatus
from socialanalyzer_dagster.pipeline.estimates import measured_rates
from socialanalyzer_dagster.pipeline.launch_queue import providers_of
from socialanalyzer_dagster.pipeline.provider_recovery import waiting_batches
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches, budget_scopes, daily_figures, decisions
from socialanalyzer_dagster.storage.batch_totals import completed_between, totals_of
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.breakers import load_breakers
from socialanalyzer_dagster.storage.daily_figures import DayOf
from socialanalyzer_dagster.storage.database import shared_seconds
from socialanalyzer_dagster.storage.decisions import StoredDecision

PLAN, TOP_UP = "search_plan", "top_up"
RUN = "run_search"
_ON_ITS_WAY = (BatchStatus.QUEUED, BatchStatus.AWAITING_PROVIDER, *RUNNING.values())
_PASSING = (Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED)
_BEFORE = {Stage.SCREENED: Stage.DISCOVERED, Stage.ENRICHED: Stage.SCREENED, Stage.ANALYZED: Stage.ENRICHED,
           Stage.SCORED: Stage.ANALYZED}  # fmt: skip


LazyRates: TypeAlias = Callable[[], SearchRates]
"""Asked when they matter: they are counted over the batches of weeks, and a day that is covered needs none."""


def rates_of(connection: Connection, workplace: Workplace, platform: PlatformKey, policy: Policy) -> LazyRates:
    """What a result on the platform is expected to bring, and to cost (spec 12.2); counted once at most.

    Shares are those of the last days' batches, drawn towards the platform's expected ones where there are few: a bad
    day must not end a platform for a month.
    """
    return cache(lambda: _counted_rates(connection, workplace, platform, policy))


def _counted_rates(connection: Connection, workplace: Workplace, platform: PlatformKey, policy: Policy) -> SearchRates:
    now = workplace.clock.now()
    measured = platform_rates(measured_rates(connection, platform, policy=policy, now=now))
    expected = SearchRates(passing={**measured.passing, **_expected(workplace, platform)}, usd=measured.usd)
    since = now - timedelta(days=policy.metrics.window_days)
    completed = completed_between(connection, platform, since, now)
    total = summed([*totals_of(connection, [each.batch_id for each in completed]).values()])
    novelty = (total.new + policy.targets.trusted_from * expected.passing[Stage.DISCOVERED]) / (
        total.found + policy.targets.trusted_from
    )
    return shrunk(total, novelty, expected, trusted_from=policy.targets.trusted_from)


def _expected(workplace: Workplace, platform: PlatformKey) -> dict[Stage, float]:
    return {stage: share for stage, share in workplace.platforms[platform].expected_yield.items() if stage in _PASSING}


def day_facts(connection: Connection, workplace: Workplace, of: DayOf, policy: Policy, rates: LazyRates) -> DayFacts:
    """The facts that a plan is made from; rates are asked for only while batches are open."""
    open_batches = [
        batch for batch in batches.batches_with_status(connection, _ON_ITS_WAY) if batch.platform == of.platform
    ]
    totals = totals_of(connection, [batch.batch_id for batch in open_batches])
    choices = planned(connection, of)
    choice_of = {str(each.result_detail.get("batch")): each for each in choices if each.result_detail}
    name, left = _tightest(connection, workplace, of, policy)
    promised = sum(max(0, batch.estimate_micros - totals[batch.batch_id].cost_micros) for batch in open_batches)
    return DayFacts(
        day=of.day,
        platform=of.platform,
        weekday=weekday_of(of.day, policy.targets),
        target=target_of(of.day, of.platform, policy.targets),
        scored=daily_figures.passed_in(connection, of).get(Stage.SCORED, 0),
        expected=sum(
            expected_of(batch, totals[batch.batch_id], rates, choice_of.get(batch.partition_key))
            for batch in open_batches
        ),
        budget_micros=left - promised,
        budget_name=name,
        batches=len(choices),
        most_results=most_results(workplace, of, policy),
        away=_away(connection, workplace, of),
    )


def _away(connection: Connection, workplace: Workplace, of: DayOf) -> tuple[str, ...]:
    """Vendors that batches of the platform wait for, and those whose breaker lets no call through."""
    waited_for = {each.vendor for each in waiting_batches(connection) if each.platform == of.platform}
    breakers, seconds = load_breakers(connection), shared_seconds(connection)
    closed = {
        vendor
        for vendor in providers_of(workplace, of.platform)
        if vendor in breakers and not breakers[vendor].state.allows_calls(seconds)
    }
    return tuple(sorted(waited_for | closed))


def most_results(workplace: Workplace, of: DayOf, policy: Policy) -> int:
    """What one planned batch may ask for: the policy's bound, or the platform's where that is less."""
    own = filter_model_of(workplace.platforms[of.platform]).most_results()
    return policy.targets.most_results if own is None else min(own, policy.targets.most_results)


def planned(connection: Connection, of: DayOf) -> Sequence[StoredDecision]:
    """The choices to run a search that were made for the day."""
    found = (
        each
        for kind in (PLAN, TOP_UP)
        for each in decisions.of_kind(connection, kind, since=of.begins, platform=of.platform)
    )
    return [each for each in found if each.day == of.day and each.action == RUN]


def expected_of(batch: Batch, totals: BatchTotals, rates: LazyRates, choice: StoredDecision | None) -> float:
    """Scored leads that an open batch will probably still bring, from where its leads stand.

    Before it has found any: what it was planned for, which is reckoned with the rates of its own search, else its
    estimate.
    """
    if not totals.of(Stage.DISCOVERED).judged:
        if choice is not None:
            return float(str(choice.parameters["scored_leads"]))
        stages: Mapping[str, Mapping[str, float]] = batch.estimate["stages"]
        return stages[Stage.SCORED]["leads"] * rates().passing[Stage.SCORED]
    waiting = {stage: max(0, totals.of(before).passed - totals.of(stage).judged) for stage, before in _BEFORE.items()}
    return sum(number * rates().scored_after(stage) for stage, number in waiting.items())


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
