"""What a search is expected to bring per result, from what it brought, what its platform brought, and the defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from socialanalyzer_dagster.domain.batch_metrics import BatchTotals
from socialanalyzer_dagster.domain.estimate import Rates
from socialanalyzer_dagster.domain.types import Stage

_LATER = (Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRates:
    """Shares that pass each stage (of discovered: that are new), and USD per lead entering it."""

    passing: Mapping[Stage, float]
    usd: Mapping[Stage, float]

    @property
    def scored_per_result(self) -> float:
        """Scored leads that one result is expected to bring."""
        share = self.passing[Stage.DISCOVERED]
        for stage in _LATER:
            share *= self.passing[stage]
        return share

    @property
    def usd_per_result(self) -> float:
        """What one result is expected to cost through all stages."""
        share, cost = self.passing[Stage.DISCOVERED], self.usd[Stage.DISCOVERED]
        for stage in _LATER:
            cost += share * self.usd[stage]
            share *= self.passing[stage]
        return cost

    def scored_after(self, stage: Stage) -> float:
        """The share of leads entering a stage that is expected to end scored."""
        share = 1.0
        for later in _LATER[_LATER.index(stage) :]:
            share *= self.passing[later]
        return share


def platform_rates(rates: Rates) -> SearchRates:
    """The rates of a platform: measured in its batches where there are enough, else the policy's (spec 12.2)."""
    stages = (Stage.DISCOVERED, *_LATER)
    return SearchRates(
        passing={stage: float(rates.pass_rates.get(stage, Decimal(1))) for stage in stages},
        usd={stage: float(rates.stage_usd.get(stage, Decimal(0))) for stage in stages},
    )


def shrunk(totals: BatchTotals | None, novelty: float | None, of: SearchRates, *, trusted_from: int) -> SearchRates:
    """A search's own rates, drawn towards those of its platform where it has few leads.

    A share counts (passed + trusted_from x platform's share) / (judged + trusted_from). `novelty` is that of its newest
    complete run, None when it never ran: then the platform's share of new leads holds.
    """
    passing = dict(of.passing)
    if novelty is not None:
        passing[Stage.DISCOVERED] = novelty
    own = totals or BatchTotals()
    for stage in _LATER:
        counts = own.of(stage)
        passing[stage] = (counts.passed + trusted_from * of.passing[stage]) / (counts.judged + trusted_from)
    return SearchRates(passing=passing, usd=of.usd)
