"""The counters of one batch that its summary and warnings are made from; nothing here is computed twice (I-18)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from socialanalyzer_dagster.domain.outcomes import FAILED, REJECTED, SKIPPED
from socialanalyzer_dagster.domain.rule_stories import RuleDeed
from socialanalyzer_dagster.domain.types import BatchKey, Stage


class StageCounts(Protocol):
    """Leads of one stage: entered = passed + rejected + failed + skipped + pending.

    `reasons` counts the codes of all leads that did not pass, `passed_codes` those of synced.
    """

    @property
    def entered(self) -> int: ...

    @property
    def passed(self) -> int: ...

    @property
    def rejected(self) -> int: ...

    @property
    def failed(self) -> int: ...

    @property
    def skipped(self) -> int: ...

    @property
    def pending(self) -> int: ...

    @property
    def reasons(self) -> Mapping[str, int]: ...

    @property
    def passed_codes(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachedCap:
    """Which kind of scope was full (batch, platform-day, day, month, provider-month), and its cap."""

    kind: str
    cap_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFacts:
    """One batch as counted.

    `items` are discovery results by name; `tiers` the leads that passed scored; `plan` the rows of the newest sync plan
    by action, None before there is one; `stage_reached` the stage a failed, stopped or paused batch ended in, `cause`
    the stored words for it; `reasks` is (answers asked again, answers), None where it was not counted;
    `search_cut_short` is the vendor's reason when a search ended before it had everything; `search_share` the part it
    got of what it was to bring, where a price higher than the table's ended it; `reached_cap` the cap that left leads
    undone, None while none did; `fallbacks` how often leads were judged on less than usual, by kind;
    `newness` is (new, found) of a search that was seen whole, None of any other; `variations` are searches to try
    instead of one that brought little; `waits_for_release` is a canary's end.
    `rules` is what rules did, the oldest first.
    `is_searched` is False until the search has ended, so that no leads does not mean that there are none.
    """

    key: BatchKey
    platform_label: str
    status: str
    items: Mapping[str, int]
    stages: Mapping[Stage, StageCounts]
    tiers: Mapping[str, int]
    plan: Mapping[str, int] | None
    spend_micros: int
    held_micros: int
    unknown_micros: int
    unknown_attempts: int
    reused_micros: int
    estimate_micros: int | None
    cap_micros: int
    capped: bool
    stage_reached: Stage | None = None
    cause: str | None = None
    reasks: tuple[int, int] | None = None
    search_cut_short: str | None = None
    search_share: Decimal | None = None
    reached_cap: ReachedCap | None = None
    fallbacks: Mapping[str, int] = field(default_factory=dict)
    newness: tuple[int, int] | None = None
    variations: tuple[str, ...] = ()
    waits_for_release: bool = False
    is_searched: bool = True
    rules: tuple[RuleDeed, ...] = ()


def rejected_by_reason(stage: Stage, counts: StageCounts) -> dict[str, int]:
    """Rejections by code, most first."""
    return _of(counts.reasons, REJECTED[stage])


def failed_by_reason(stage: Stage, counts: StageCounts) -> dict[str, int]:
    """Failures by code, most first."""
    return _of(counts.reasons, FAILED[stage])


def skipped_by_reason(stage: Stage, counts: StageCounts) -> dict[str, int]:
    """Leads not attempted or held, by code, most first."""
    return _of(counts.reasons, SKIPPED[stage])


def share(part: int, whole: int) -> Decimal | None:
    """A share 0..1; None when there is nothing to divide by."""
    return None if whole == 0 else Decimal(part) / Decimal(whole)


def _of(reasons: Mapping[str, int], codes: frozenset[str]) -> dict[str, int]:
    chosen = [(code, number) for code, number in reasons.items() if code in codes and number]
    return dict(sorted(chosen, key=lambda pair: (-pair[1], pair[0])))
