"""What a person can do with a batch now, with the command that does it (spec 14.1)."""

from socialanalyzer_dagster.domain.batch_facts import BatchFacts
from socialanalyzer_dagster.domain.outcomes import ATTEMPTED_AGAIN

_DONE = frozenset({"completed", "completed_empty"})


def next_step(facts: BatchFacts) -> str:
    """One line: what to do next, or that there is nothing to do."""
    key = facts.key
    if facts.waits_for_release:
        return release_step(key)
    run = f"next: socialanalyzer batch run {key}"
    again = f"next: put the cause right, then socialanalyzer batch retry {key}"
    steps = {
        "requested": run,
        "awaiting_confirmation": f"next: socialanalyzer batch confirm {key} --micros {facts.estimate_micros}",
        "queued": run,
        "awaiting_approval": _decide(facts),
        "paused": run,
        "awaiting_provider": run,
        "failed": again,
        "stopped": f"next: socialanalyzer batch retry {key} takes it up where it was left",
    }
    return steps.get(facts.status) or (_after_the_end(facts) if facts.status in _DONE else "next: nothing, it runs")


def _decide(facts: BatchFacts) -> str:
    """A plan is looked at first; a stage that waits has none."""
    looked = f"socialanalyzer batch plan {facts.key}, then: " if facts.plan is not None else ""
    return f"next: {looked}socialanalyzer batch approve, reject or change {facts.key} --by NAME"


def release_step(key: str) -> str:
    """How the other leads of a canary go on."""
    return f"next: socialanalyzer batch release {key}, or: socialanalyzer batch stop {key}"


def _after_the_end(facts: BatchFacts) -> str:
    if facts.status == "completed_empty" and not facts.capped:
        return "next: change the filters and search again"
    if facts.capped or any(counts.reasons.keys() & ATTEMPTED_AGAIN for counts in facts.stages.values()):
        return f"next: do what is said of the leads that are left, then socialanalyzer batch retry {facts.key}"
    return "next: nothing, every lead is done"
