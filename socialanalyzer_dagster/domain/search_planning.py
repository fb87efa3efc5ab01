"""Which searches run on a day and how large they are: a pure choice from target, rates, novelty and money left."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from socialanalyzer_dagster.domain.money import MICROS_PER_USD, usd_text
from socialanalyzer_dagster.domain.policy_metrics import TargetsPolicy, Weekday
from socialanalyzer_dagster.domain.search_rates import SearchRates
from socialanalyzer_dagster.domain.sentences import joined, leads
from socialanalyzer_dagster.domain.types import PlatformKey, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A saved search that could run.

    `novelty` is the share of new leads in its newest complete run, None when it never ran; `left` how many leads nobody
    has seen the search seems to hold still, None when that is not known; `seen` how many results a run would bring
    again before any other; `barred` says in words why it cannot run now, `advice` what would make it worth running.
    """

    preset_id: str
    name: str
    rates: SearchRates
    novelty: float | None = None
    left: int | None = None
    seen: int = 0
    barred: str | None = None
    advice: str = ""

    def scored_of(self, size: int) -> float:
        """Scored leads that so many results are expected to bring."""
        return max(0, size - self.seen) * self.rates.scored_per_result

    def usd_of(self, size: int) -> float:
        """What so many results are expected to cost; those that come again are bought again, and go no further."""
        again = min(size, self.seen)
        return again * self.rates.usd[Stage.DISCOVERED] + (size - again) * self.rates.usd_per_result

    def size_for(self, scored: float) -> int:
        """Results to ask for to get so many scored leads, one more lead at least."""
        return self.seen + max(1, math.ceil(scored / self.rates.scored_per_result))

    def scored_per_usd(self, wanted: float) -> float:
        """Scored leads expected for a dollar when so many are wanted; infinite for a search that costs nothing."""
        if self.rates.scored_per_result <= 0:
            return 0.0
        size = self.size_for(wanted)
        cost = self.usd_of(size)
        return math.inf if cost == 0 else self.scored_of(size) / cost


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFacts:
    """Where a day stands on a platform.

    `expected` are the scored leads that open batches will probably still bring, `budget_micros` what the tightest cap
    leaves beside them, `budget_name` its name; `batches` were planned for the day already; `most_results` is what one
    batch of the platform may ask for; `away` are vendors of the platform that cannot be called now.
    """

    day: date
    platform: PlatformKey
    weekday: Weekday
    target: int
    scored: int
    expected: float
    budget_micros: int
    budget_name: str
    batches: int
    most_results: int
    away: tuple[str, ...] = ()

    @property
    def missing(self) -> float:
        """Scored leads that nothing under way will bring."""
        return max(0.0, self.target - self.scored - self.expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A search to run: results to ask for, scored leads and micro-USD expected, and why it is this many."""

    candidate: Candidate
    max_results: int
    scored: float
    micros: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """What runs, what does not and why; `why` sums it up in a sentence."""

    facts: DayFacts
    choices: tuple[Choice, ...]
    passed_over: tuple[tuple[Candidate, str], ...]
    why: str

    @property
    def expected(self) -> float:
        """Scored leads that the choices are expected to bring."""
        return sum(choice.scored for choice in self.choices)

    @property
    def micros(self) -> int:
        """What the choices are expected to cost."""
        return sum(choice.micros for choice in self.choices)


def plan_searches(facts: DayFacts, candidates: Sequence[Candidate], targets: TargetsPolicy) -> SearchPlan:
    """Searches with most scored leads for a dollar first, each as large as is needed, until the target is covered."""
    choices: list[Choice] = []
    passed_over: list[tuple[Candidate, str]] = []
    now = facts
    for candidate in sorted(candidates, key=lambda each: (-each.scored_per_usd(facts.missing), each.name)):
        found = _considered(candidate, now, targets)
        if isinstance(found, Choice):
            choices.append(found)
            now = replace(
                now,
                expected=now.expected + found.scored,
                budget_micros=now.budget_micros - found.micros,
                batches=now.batches + 1,
            )
        else:
            passed_over.append((candidate, found))
    plan = SearchPlan(facts=facts, choices=tuple(choices), passed_over=tuple(passed_over), why="")
    return replace(plan, why=_summed_up(plan, now))


def _considered(candidate: Candidate, now: DayFacts, targets: TargetsPolicy) -> Choice | str:
    if candidate.barred is not None:
        return candidate.barred
    if now.missing <= 0:
        return "not needed: the target is covered" if now.target else "not needed: the day has no target"
    if now.away:
        return f"not now: {joined(now.away)} cannot be called"
    if now.batches >= targets.batches_a_day:
        return f"not today: {targets.batches_a_day} batches a day are planned at most"
    return _sized(candidate, now, targets)


def _sized(candidate: Candidate, now: DayFacts, targets: TargetsPolicy) -> Choice | str:
    """As many results as the target needs, bounded by what the search holds, a batch may ask for and money allows."""
    seen, usd = candidate.seen, candidate.rates.usd_per_result
    if candidate.rates.scored_per_result <= 0:
        return "it is expected to bring no scored lead"
    bounds = {"the most that one batch may ask for": now.most_results}
    if candidate.left is not None:
        bounds["what this search seems to hold still"] = seen + math.ceil(candidate.left / _new_share(candidate))
    if usd > 0:
        room = now.budget_micros / MICROS_PER_USD - candidate.usd_of(seen)
        bounds[f"what {now.budget_name} leaves"] = seen + math.floor(room / usd)
    by, most = min(bounds.items(), key=lambda bound: bound[1])
    least, needed = seen + targets.least_results, candidate.size_for(now.missing)
    if most < least:
        known = f" (its first {seen} results were seen before)" if seen else ""
        return f"{by} allows {max(most, 0)} results, and a batch asks for {least} or more{known}"
    size, by = (most, by) if most < needed else (max(needed, least), "what the target needs")
    return Choice(
        candidate=candidate,
        max_results=size,
        scored=candidate.scored_of(size),
        micros=math.ceil(candidate.usd_of(size) * MICROS_PER_USD),
        reason=f"{size} results: {by}" + (f", beyond the {seen} that were seen before" if seen else ""),
    )


def _new_share(candidate: Candidate) -> float:
    known = candidate.rates.passing[Stage.DISCOVERED] if candidate.seen else candidate.novelty
    return max(known or 1.0, 0.01)


def _summed_up(plan: SearchPlan, after: DayFacts) -> str:
    facts = plan.facts
    if not facts.target:
        return f"No target: {facts.weekday} is a day off on {facts.platform}."
    stands = f"{leads(facts.scored)} of {facts.target} scored, {facts.expected:.0f} more expected of open batches"
    if facts.missing <= 0:
        return f"Nothing to plan: {stands}."
    if not plan.choices:
        return f"{stands}; nothing can be planned: {_why_nothing(plan)}"
    planned = f"{len(plan.choices)} planned for {usd_text(plan.micros)}, expected to bring {plan.expected:.0f}"
    short = f"; {after.missing:.0f} will be missing: {_why_nothing(plan)}" if after.missing >= 1 else "."
    return f"{stands}; {planned}{short}"


def _why_nothing(plan: SearchPlan) -> str:
    """What keeps the day from its target, and what a person can do."""
    if not plan.choices and not plan.passed_over:
        return "there is no saved search on this platform: save one with `socialanalyzer presets save`."
    reasons = dict.fromkeys(reason for _, reason in plan.passed_over if not reason.startswith("not needed"))
    if not reasons:
        return f"every saved search is planned as large as it may be ({plan.facts.most_results} results): save another."
    return "; ".join(reasons) + "."
