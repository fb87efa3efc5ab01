"""The plain sentences that tell people how a batch went, from counters alone (spec 14.1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from socialanalyzer_dagster.domain.batch_alarms import batch_alarms
from socialanalyzer_dagster.domain.batch_facts import (
    BatchFacts,
    failed_by_reason,
    rejected_by_reason,
    share,
    skipped_by_reason,
)
from socialanalyzer_dagster.domain.markdown import plain
from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.next_steps import next_step
from socialanalyzer_dagster.domain.outcomes import HELD
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.reason_texts import REMEDIES, reason_text
from socialanalyzer_dagster.domain.rule_stories import rule_sentences
from socialanalyzer_dagster.domain.sentences import counted, fallbacks, joined, leads, percent, reasons, tries
from socialanalyzer_dagster.domain.types import Stage

_MAIN_REASONS = 4
_TOLD_BY_ALARM = "budget_stopped"
_UNFINISHED = frozenset({"failed", "stopped", "paused", "awaiting_provider"})
_EMPTY = "No leads were found."
_EMPTY_ADVICE = (
    "Check the filters: a wider location, other keywords (`socialanalyzer keywords suggest` has "
    "ideas), a shifted audience range or other interests may help."
)
_NOT_SEARCHED = "The search has not been made to its end, so nobody knows what it finds."


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What people read: how it went, what it cost, what rules did, what failed with what to do, what to look at, and
    what to do next.

    `polished` is the story in a model's words, None while only ours are there; everything else is always ours.
    """

    title: str
    story: tuple[str, ...]
    cost: str
    rules: tuple[str, ...]
    failures: tuple[str, ...]
    warnings: tuple[str, ...]
    next_step: str
    polished: str | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        """How it went and what it cost."""
        return (*(self.story if self.polished is None else (self.polished,)), self.cost)

    @property
    def plain(self) -> "Summary":
        """The same in our words alone."""
        return replace(self, polished=None)

    @property
    def lines(self) -> tuple[str, ...]:
        """Everything but the title."""
        return (*self.sentences, *self.rules, *self.failures, *self.warnings, self.next_step)

    def text(self) -> str:
        """Plain text, one sentence per line."""
        return "\n".join([self.title, *self.lines])

    def markdown(self) -> str:
        """Markdown with a heading per part; parts without content are left out."""
        parts = [f"## {self.title}", " ".join(map(plain, self.sentences))]
        for heading, lines in (("Rules", self.rules), ("Failures", self.failures), ("Warnings", self.warnings)):
            if lines:
                parts.append(f"### {heading}\n\n" + "\n".join(f"- {plain(line)}" for line in lines))
        return "\n\n".join([*parts, plain(self.next_step)])


def batch_summary(facts: BatchFacts, policy: Policy, *, further_warnings: Sequence[str] = ()) -> Summary:
    """The summary of a batch in any status; stages that no lead reached are left out.

    `further_warnings` are sentences that need more than the batch's own counters, such as deviations (spec 14.4).
    """
    return Summary(
        title=f"{facts.platform_label} batch {facts.key}: {facts.status.replace('_', ' ')}",
        story=tuple(_story(facts)),
        cost=_cost(facts),
        rules=rule_sentences(facts.rules),
        failures=tuple(_failures(facts)),
        warnings=(*batch_alarms(facts, policy), *further_warnings),
        next_step=next_step(facts),
    )


def _story(facts: BatchFacts) -> Iterator[str]:
    if facts.status in _UNFINISHED:
        yield from _unfinished(facts)
    yield from _found(facts)
    for stage, told in (
        (Stage.SCREENED, _screened),
        (Stage.ENRICHED, _enriched),
        (Stage.ANALYZED, _analyzed),
        (Stage.SCORED, _scored),
    ):
        counts = facts.stages.get(stage)
        if counts is not None and counts.entered > counts.pending:
            yield told(facts)
    if facts.fallbacks:
        yield f"Judged on less than usual: {fallbacks(facts.fallbacks)}."
    yield from _synced(facts)


def _unfinished(facts: BatchFacts) -> Iterator[str]:
    reached = facts.stage_reached
    if reached is not None and (counts := facts.stages.get(reached)) is not None:
        done = counts.entered - counts.pending
        yield f"It got as far as {reached}: {done:,} of {leads(counts.entered)} done."
    if facts.cause:
        yield f"Cause: {facts.cause.rstrip('.')}."
    where = "the batch" if reached is None else f"from {reached}"
    yield f"To resume, materialize {where} again; what was paid for is not paid again."


def _found(facts: BatchFacts) -> Iterator[str]:
    discovered = facts.stages.get(Stage.DISCOVERED)
    if discovered is None or not discovered.entered:
        if facts.status not in _UNFINISHED and not facts.capped:
            advice = tries(facts.variations) if facts.variations else f" {_EMPTY_ADVICE}"
            yield _EMPTY + advice if facts.is_searched else _NOT_SEARCHED
        return
    known = rejected_by_reason(Stage.DISCOVERED, discovered)
    told = f"The search found {counted(discovered.entered, 'profile')}, {discovered.passed:,} of them new"
    yield f"{told}; already known: {reasons(known)}." if known else f"{told}."
    unusable = {code: number for code, number in facts.items.items() if code != "lead" and number}
    if unusable:
        yield f"Results that are no leads: {reasons(unusable)}."


def _screened(facts: BatchFacts) -> str:
    counts = facts.stages[Stage.SCREENED]
    rate = share(counts.passed, counts.entered)
    told = f"{counts.passed:,} of {leads(counts.entered)} passed screening"
    told = told if rate is None else f"{told} (yield {percent(rate)})"
    rejected = rejected_by_reason(Stage.SCREENED, counts)
    return f"{told}; main reasons against: {reasons(rejected, most=_MAIN_REASONS)}." if rejected else f"{told}."


def _enriched(facts: BatchFacts) -> str:
    counts = facts.stages[Stage.ENRICHED]
    rejected = rejected_by_reason(Stage.ENRICHED, counts)
    without = rejected.pop("no_email", 0)
    told = f"{counts.passed:,} of {leads(counts.entered)} were enriched, {without:,} left out without an e-mail address"
    return f"{told}; other reasons against: {reasons(rejected)}." if rejected else f"{told}."


def _analyzed(facts: BatchFacts) -> str:
    counts = facts.stages[Stage.ANALYZED]
    rejected = rejected_by_reason(Stage.ANALYZED, counts)
    told = f"{counts.passed:,} of {leads(counts.entered)} were analyzed"
    return f"{told}; left out: {reasons(rejected)}." if rejected else f"{told}."


def _scored(facts: BatchFacts) -> str:
    counts = facts.stages[Stage.SCORED]
    tiers = joined(f"{number:,} {tier}" for tier, number in facts.tiers.items())
    rejected = rejected_by_reason(Stage.SCORED, counts)
    told = f"{counts.passed:,} of {leads(counts.entered)} scored high enough" + (f" ({tiers})" if tiers else "")
    return f"{told}; left out: {reasons(rejected)}." if rejected else f"{told}."


def _synced(facts: BatchFacts) -> Iterator[str]:
    counts = facts.stages.get(Stage.SYNCED)
    if counts is None or not counts.entered:
        return
    if facts.plan is not None and facts.status == "awaiting_approval":
        yield f"The plan waits for approval: {_plan_text(facts)}."
        return
    done = {code: counts.passed_codes.get(code, 0) for code in ("created", "updated", "unchanged")}
    yield (f"CRM: {done['created']:,} created, {done['updated']:,} updated, {done['unchanged']:,} unchanged.")
    skipped = skipped_by_reason(Stage.SYNCED, counts)
    if held := {code: number for code, number in skipped.items() if code in HELD}:
        yield f"Held back: {reasons(held)}."
    if rejected := rejected_by_reason(Stage.SYNCED, counts):
        yield f"Not written: {reasons(rejected)}."
    discovered = facts.stages.get(Stage.DISCOVERED)
    rate = None if discovered is None else share(counts.passed, discovered.entered)
    if rate is not None:
        yield f"That is {percent(rate)} of everything found."


def _plan_text(facts: BatchFacts) -> str:
    plan = facts.plan or {}
    return ", ".join(f"{number:,} {action}" for action, number in plan.items()) or "nothing to write"


def _cost(facts: BatchFacts) -> str:
    told = f"Cost: {usd_text(facts.spend_micros)}"
    if facts.estimate_micros is not None:
        told += f" against an estimate of {usd_text(facts.estimate_micros)}"
    told += f" and a cap of {usd_text(facts.cap_micros)}"
    if facts.held_micros:
        told += f"; {usd_text(facts.held_micros)} are still reserved"
    if facts.reused_micros:
        told += f"; {usd_text(facts.reused_micros)} were saved by answers paid for before"
    return f"{told}."


def _failures(facts: BatchFacts) -> Iterator[str]:
    for stage, counts in facts.stages.items():
        for code, number in failed_by_reason(stage, counts).items():
            yield f"{leads(number)} failed at {stage}: {reason_text(code)}. What to do: {REMEDIES[code]}."
        for code, number in skipped_by_reason(stage, counts).items():
            if code in REMEDIES and code != _TOLD_BY_ALARM:
                yield f"{leads(number)} not done at {stage}: {reason_text(code)}. What to do: {REMEDIES[code]}."
