"""Policy section for what happens by itself between stages: conditions, actions, loosening ladders (spec 15)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from socialanalyzer_dagster.domain.policy_search import Count, Positive, Section, Share
from socialanalyzer_dagster.domain.types import PlatformKey, Stage


class LowYield(Section):
    """Fewer than `below` of at least `judged_from` judged leads passed the stage."""

    kind: Literal["low_yield"]
    below: Share
    judged_from: Positive


class ManyFailures(Section):
    """More than `above` of at least `attempted_from` leads failed in a way that another try may mend."""

    kind: Literal["many_failures"]
    above: Share
    attempted_from: Positive


class VendorAway(Section):
    """More than `above` of at least `reached_from` leads of the stage wait for a vendor."""

    kind: Literal["vendor_away"]
    above: Share
    reached_from: Positive


class NicheCluster(Section):
    """At least `leads_from` leads, and `share` of all scored ones, are of one niche and score `min_score` or more."""

    kind: Literal["niche_cluster"]
    min_score: Share
    leads_from: Positive
    share: Share


class StaleSearch(Section):
    """The share of new leads is below `novelty.stale_below`."""

    kind: Literal["stale_search"]


class Deviation(Section):
    """A figure of the batch is significantly worse than its baseline (`metrics`)."""

    kind: Literal["deviation"]


class CapNearlyUsed(Section):
    """The share `budgets.warn_at` of a spending cap is spent or reserved."""

    kind: Literal["cap_nearly_used"]


class ManyReasks(Section):
    """More than `above` of at least `answers_from` answers of models had to be asked for again."""

    kind: Literal["many_reasks"]
    above: Share
    answers_from: Positive


Condition: TypeAlias = (
    LowYield | ManyFailures | VendorAway | NicheCluster | StaleSearch | Deviation | CapNearlyUsed | ManyReasks
)


class Loosen(Section):
    """Run the search again with the next step of the platform's ladder, as a child batch."""

    kind: Literal["loosen"]


class RetryFailed(Section):
    """Hold the batch back and try its failed leads again, each time after the next of these waits."""

    kind: Literal["retry_failed"]
    wait_minutes: tuple[Positive, ...] = Field(min_length=1)


class ProposeSearch(Section):
    """Draft a search for more of the same; a person launches it."""

    kind: Literal["propose_search"]


class SuggestChanges(Section):
    """Say what to change in the search."""

    kind: Literal["suggest_changes"]


class Notify(Section):
    """Say it."""

    kind: Literal["notify"]


class Pause(Section):
    """Hold the batch until a person, or a vendor that is back, lets it go on."""

    kind: Literal["pause"]


Action: TypeAlias = Loosen | RetryFailed | ProposeSearch | SuggestChanges | Notify | Pause

_LEAD_STAGES = frozenset({Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED})
_MEASURED_AFTER: Mapping[str, frozenset[Stage]] = {
    "low_yield": _LEAD_STAGES,
    "many_failures": _LEAD_STAGES,
    "vendor_away": _LEAD_STAGES,
    "niche_cluster": frozenset({Stage.SCORED}),
    "stale_search": frozenset({Stage.DISCOVERED}),
    "deviation": frozenset({Stage.SCORED, Stage.SYNCED}),
    "cap_nearly_used": _LEAD_STAGES | {Stage.DISCOVERED},
    "many_reasks": _LEAD_STAGES,
}
_ONLY_FOR: Mapping[str, frozenset[str]] = {
    "loosen": frozenset({"low_yield"}),
    "retry_failed": frozenset({"many_failures"}),
    "propose_search": frozenset({"niche_cluster"}),
    "suggest_changes": frozenset({"low_yield", "stale_search"}),
}
_STEERING = frozenset({"loosen", "retry_failed", "pause"})


class Rule(Section):
    """One row of the table of spec 15.1: looked at after these stages; it acts at most `limit` times per lineage."""

    title: str
    after: tuple[Stage, ...] = Field(min_length=1)
    when: Annotated[Condition, Field(discriminator="kind")]
    then: Annotated[Action, Field(discriminator="kind")]
    limit: Positive
    escalates: bool
    """Whether a person is asked once the limit is reached."""


class Scaling(Section):
    """A number of a filter times a factor, kept within bounds."""

    factor: Decimal = Field(gt=0)
    least: Count | None = None
    most: Count | None = None


class LooseningStep(Section):
    """One step that widens a search: exactly one kind of change, by filters as in their JSON (`a.b` = b inside a)."""

    scale: Mapping[str, Scaling] = Field(default_factory=dict)
    drop: tuple[str, ...] = ()
    drop_worst_of: tuple[str, ...] = ()
    """Lists of which the one value goes whose searches brought the fewest suitable leads."""
    put: Mapping[str, str | int | None] = Field(default_factory=dict)
    add_keywords: Count = 0
    """So many keywords more, of past searches with the best yield."""

    @model_validator(mode="after")
    def _is_one_change(self) -> "LooseningStep":
        if sum(map(bool, (self.scale, self.drop, self.drop_worst_of, self.put, self.add_keywords))) != 1:
            raise ValueError("name exactly one of scale, drop, drop_worst_of, put and add_keywords")
        return self


class RulesPolicy(Section):
    """Rules at the decision points between stages, and when they ask a person first (spec 15.1, 15.4)."""

    window_days: Positive
    """Decision points that lie further back are not acted on."""
    overlap_minutes: Count
    """How far every look goes back before the one before it, for what was written meanwhile."""
    ask_above_depth: Count
    """A child further down its chain than this needs a person; the first batch of a chain has depth 0."""
    answer_hours: Positive
    """A question that nobody answers for so long counts as answered with no."""
    table: Mapping[Annotated[str, Field(pattern=r"^R-\d{1,3}$")], Rule]
    ladders: Mapping[PlatformKey, tuple[LooseningStep, ...]]

    @model_validator(mode="after")
    def _makes_sense(self) -> "RulesPolicy":
        problems = [*(each for name, rule in self.table.items() for each in _problems(name, rule)), *_rivals(self)]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _problems(name: str, rule: Rule) -> Iterator[str]:
    """What one rule says that cannot be."""
    when, then = rule.when.kind, rule.then.kind
    if blind := sorted(set(rule.after) - _MEASURED_AFTER[when]):
        known = ", ".join(sorted(_MEASURED_AFTER[when]))
        yield f"{name}: {when} cannot be told after {', '.join(blind)}, only after {known}"
    if when not in _ONLY_FOR.get(then, {when}):
        yield f"{name}: {then} does not help against {when}, only against {', '.join(sorted(_ONLY_FOR[then]))}"
    if not isinstance(rule.then, RetryFailed):
        return
    waits = rule.then.wait_minutes
    if len(waits) != rule.limit:
        yield f"{name}: wait_minutes has {len(waits)} waits for a limit of {rule.limit}: name one for each try"
    if list(waits) != sorted(set(waits)):
        yield f"{name}: each of wait_minutes must be longer than the one before"


def _rivals(rules: RulesPolicy) -> Iterator[str]:
    """Rules that would steer one batch in two directions at one point."""
    steering = Counter(
        (rule.when.kind, stage)
        for rule in rules.table.values()
        if rule.then.kind in _STEERING
        for stage in set(rule.after)
    )
    for (when, stage), number in steering.items():
        if number > 1:
            yield f"{number} rules steer a batch by {when} after {stage}: leave one of them"
