"""When the summary of a batch warns, in plain sentences (spec 14.2)."""

from collections.abc import Iterator

from socialanalyzer_dagster.domain.batch_facts import BatchFacts, share, skipped_by_reason
from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.outcomes import HELD
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.sentences import counted, leads, percent, tries
from socialanalyzer_dagster.domain.types import Stage


def batch_alarms(facts: BatchFacts, policy: Policy) -> tuple[str, ...]:
    """The warnings that apply; () when all is well."""
    return (*_money(facts, policy), *_search(facts, policy), *_quality(facts, policy), *_held(facts))


def capped_sentence(facts: BatchFacts) -> str | None:
    """One sentence when a cap left leads undone, or the search itself unbought (spec 2.4, 12.5)."""
    if not facts.capped:
        return None
    undone = sum(skipped_by_reason(stage, counts).get("budget_stopped", 0) for stage, counts in facts.stages.items())
    if not undone:
        return facts.cause
    reached = facts.reached_cap
    if reached is None or reached.kind == "batch":
        cap, room = f"of {usd_text(facts.cap_micros)}", "raise the cap"
    else:
        period = reached.kind.replace("-", " ")
        cap = f"per {period} of {usd_text(reached.cap_micros)}"
        room = f"wait until the next {period.split()[-1]} begins (UTC) or let the policy allow more"
    return (
        f"The spending cap {cap} was reached: {leads(undone)} could not be processed; {room}, and run the batch again "
        "to do exactly those."
    )


def _money(facts: BatchFacts, policy: Policy) -> Iterator[str]:
    if (capped := capped_sentence(facts)) is not None:
        yield capped
    else:
        used = share(facts.spend_micros + facts.held_micros + facts.unknown_micros, facts.cap_micros)
        if used is not None and used >= policy.budgets.warn_at:
            yield f"{percent(used)} of the spending cap of {usd_text(facts.cap_micros)} are used."
    if facts.status == "stopped":
        yield "The batch was stopped early; its numbers do not show the whole search."
    estimate = facts.estimate_micros
    if estimate is not None and facts.spend_micros > estimate * policy.warnings.over_estimate:
        yield f"It cost {usd_text(facts.spend_micros)}, more than the estimate of {usd_text(estimate)}."
    if facts.unknown_attempts:
        calls, reserved = counted(facts.unknown_attempts, "paid call"), usd_text(facts.unknown_micros)
        yield f"{calls} got no answer; {reserved} stay reserved until the provider's statement is checked."


def _search(facts: BatchFacts, policy: Policy) -> Iterator[str]:
    if facts.search_cut_short is not None:
        why = facts.search_cut_short.replace("_", " ")
        yield f"The search ended early at the provider ({why}): there may be more to find than was found."
    if facts.search_share is not None:
        yield (
            f"The search ended early with about {percent(facts.search_share)} of what it was to bring: its provider "
            "costs more than the price table says. `socialanalyzer prices list` shows what it billed."
        )
    new = None if facts.newness is None else share(*facts.newness)
    if new is not None and new < policy.novelty.stale_below:
        yield f"Only {percent(new)} of what the search found was new; it is used up.{tries(facts.variations)}"


def _quality(facts: BatchFacts, policy: Policy) -> Iterator[str]:
    screened = facts.stages.get(Stage.SCREENED)
    if screened is not None and not screened.pending:
        found = share(screened.passed, screened.entered)
        if found is not None and found < policy.warnings.low_yield:
            yield f"Only {percent(found)} of the leads passed screening; the search may not fit."
    enriched = facts.stages.get(Stage.ENRICHED)
    if enriched is not None and screened is not None and not enriched.pending:
        kept = share(enriched.passed, screened.passed)
        if kept is not None and kept < policy.warnings.low_enriched:
            yield f"Only {percent(kept)} of the leads that passed screening were enriched."
    scored = facts.stages.get(Stage.SCORED)
    if scored is not None and scored.passed and not facts.tiers.get(policy.tiers.enrolled):
        yield f"No lead reached the tier {policy.tiers.enrolled}."
    if facts.reasks is not None:
        rate = share(*facts.reasks)
        if rate is not None and rate > policy.warnings.high_reask_rate:
            yield f"The model had to be asked again for {percent(rate)} of its answers."


def _held(facts: BatchFacts) -> Iterator[str]:
    synced = facts.stages.get(Stage.SYNCED)
    skipped = {} if synced is None else skipped_by_reason(Stage.SYNCED, synced)
    held = sum(number for code, number in skipped.items() if code in HELD)
    if not held and facts.status == "awaiting_approval":
        held = (facts.plan or {}).get("held", 0)
    if held:
        yield f"Held back from the CRM: {leads(held)}."
