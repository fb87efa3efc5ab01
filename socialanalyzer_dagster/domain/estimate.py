"""What a batch will probably cost, and at most, before anything is paid (spec 12.1, 12.2)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from socialanalyzer_dagster.domain.money import MICROS_PER_USD, micros_from_usd
from socialanalyzer_dagster.domain.policy_money import EstimatePolicy
from socialanalyzer_dagster.domain.types import STAGES, Micros, PlatformKey, Stage

PAID_STAGES = (Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED)
_PASSED_BY_ALL = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """USD per lead entering a stage, the share that passes it (absent = all), and where these two come from."""

    stage_usd: Mapping[Stage, Decimal]
    pass_rates: Mapping[Stage, Decimal]
    source: str
    seconds: Mapping[Stage, float] = field(default_factory=dict)
    """Mean seconds of work on a lead in each stage that was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFigures:
    """What one completed batch showed: leads in, leads passed, micro-USD settled and seconds of work per stage.

    For discovered, `entered` counts the distinct identities found.
    """

    finished_at: datetime
    is_list: bool
    entered: Mapping[Stage, int]
    passed: Mapping[Stage, int]
    cost_micros: Mapping[Stage, int] = field(default_factory=dict)
    busy_seconds: Mapping[Stage, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """Leads expected to enter one stage, what they cost there, and seconds of work on each (None: not measured)."""

    stage: Stage
    leads: int
    usd: Decimal
    seconds_per_lead: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """`worst_case_usd` assumes that no lead drops out; `source` says which rates were used."""

    stages: tuple[StageEstimate, ...]
    worst_case_usd: Decimal
    source: str

    @property
    def usd(self) -> Decimal:
        """The expected cost, exact."""
        return sum((stage.usd for stage in self.stages), Decimal(0))

    @property
    def micros(self) -> Micros:
        """The expected cost in whole micro-USD, rounded up."""
        return micros_from_usd(self.usd)

    @property
    def worst_case_micros(self) -> Micros:
        """The cost without drop-out in whole micro-USD, rounded up."""
        return micros_from_usd(self.worst_case_usd)


def estimate_search(max_results: int, max_leads: int, rates: Rates) -> Estimate:
    """The estimate of a search; the same max_results is sent to the provider (I-24)."""
    return _estimate(max_results, max_leads, rates)


def estimate_list(usable_rows: int, max_leads: int, rates: Rates) -> Estimate:
    """The estimate of a creator list: discovery is free and every usable row is found (spec 5.11)."""
    free = Rates(
        stage_usd={**rates.stage_usd, Stage.DISCOVERED: Decimal(0)},
        pass_rates={**rates.pass_rates, Stage.DISCOVERED: _PASSED_BY_ALL},
        source=rates.source,
        seconds=rates.seconds,
    )
    return _estimate(usable_rows, max_leads, free)


def estimate_rest(leads: int, stage: Stage, rates: Rates) -> Estimate:
    """What leads that wait before a stage will cost from there on; the worst case assumes that none drops out."""
    return _estimate_from(PAID_STAGES[PAID_STAGES.index(stage) :], leads, rates)


def default_rates(platform: PlatformKey, policy: EstimatePolicy) -> Rates:
    """The policy's figures; raises KeyError for a platform the policy has no prices for."""
    return Rates(
        stage_usd=policy.stage_usd[platform],
        pass_rates=policy.pass_rates,
        source="defaults of the policy, not measured",
    )


def current_rates(
    platform: PlatformKey, batches: Iterable[BatchFigures], *, now: datetime, policy: EstimatePolicy
) -> Rates:
    """Measured rates once `measured_from_batches` completed batches lie within `measured_days`, else the defaults.

    A stage that no lead entered keeps its default. Lists say nothing about discovery and are left out there. Time has
    no default: one batch is enough to tell it.
    """
    since = now - timedelta(days=policy.measured_days)
    recent = [batch for batch in batches if since <= batch.finished_at <= now]
    defaults = replace(default_rates(platform, policy), seconds=_seconds(recent))
    if len(recent) < policy.measured_from_batches:
        return defaults
    stage_usd, pass_rates = dict(defaults.stage_usd), dict(defaults.pass_rates)
    for stage in PAID_STAGES:
        counted = [batch for batch in recent if not (batch.is_list and stage is Stage.DISCOVERED)]
        entered = sum(batch.entered.get(stage, 0) for batch in counted)
        if entered:
            cost = sum(batch.cost_micros.get(stage, 0) for batch in counted)
            stage_usd[stage] = Decimal(cost) / MICROS_PER_USD / entered
            pass_rates[stage] = Decimal(sum(batch.passed.get(stage, 0) for batch in counted)) / entered
    source = f"measured in {len(recent)} batches of the last {policy.measured_days} days"
    return replace(defaults, stage_usd=stage_usd, pass_rates=pass_rates, source=source)


def _seconds(recent: Sequence[BatchFigures]) -> dict[Stage, float]:
    """Seconds of work per lead; discovery works on whole pages, so that its leads take none of their own."""
    measured: dict[Stage, float] = {}
    for stage in STAGES[1:]:
        timed = [batch for batch in recent if stage in batch.busy_seconds and batch.entered.get(stage)]
        if entered := sum(batch.entered[stage] for batch in timed):
            measured[stage] = sum(batch.busy_seconds[stage] for batch in timed) / entered
    return measured


def _estimate(found: int, max_leads: int, rates: Rates) -> Estimate:
    first = StageEstimate(Stage.DISCOVERED, found, found * rates.stage_usd.get(Stage.DISCOVERED, Decimal(0)))
    rest = _estimate_from(PAID_STAGES[1:], min(_passing(found, Stage.DISCOVERED, rates), max_leads), rates)
    price_of_all = sum((rates.stage_usd.get(stage, Decimal(0)) for stage in PAID_STAGES[1:]), Decimal(0))
    worst = first.usd + min(found, max_leads) * price_of_all
    return Estimate(stages=(first, *rest.stages), worst_case_usd=worst, source=rates.source)


def _estimate_from(stages: Iterable[Stage], leads: int, rates: Rates) -> Estimate:
    found: list[StageEstimate] = []
    worst, all_leads = Decimal(0), leads
    for stage in stages:
        price = rates.stage_usd.get(stage, Decimal(0))
        found.append(StageEstimate(stage, leads, leads * price, rates.seconds.get(stage)))
        worst += all_leads * price
        leads = _passing(leads, stage, rates)
    return Estimate(stages=tuple(found), worst_case_usd=worst, source=rates.source)


def _passing(leads: int, stage: Stage, rates: Rates) -> int:
    share = rates.pass_rates.get(stage, _PASSED_BY_ALL)
    return int((leads * share).to_integral_value(rounding=ROUND_FLOOR))
