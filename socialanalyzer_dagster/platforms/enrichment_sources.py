"""What steps share: run limits, the refusal of unreadable runs, exact shares of a shared call's cost, sources."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from socialanalyzer_dagster.domain.leads import Candidate
from socialanalyzer_dagster.domain.money import micros_from_usd, split_exactly
from socialanalyzer_dagster.domain.outcomes import StepState
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Answer
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable, UnknownPrice
from socialanalyzer_dagster.domain.types import JsonValue, LeadUid
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.platforms.enrichment_leads import LEFT_OUT_OF, Finding, LeadView
from socialanalyzer_dagster.vendors.apify import RunLimits
from socialanalyzer_dagster.vendors.apify_actors import Apify
from socialanalyzer_dagster.vendors.apify_items import ActorResult

T = TypeVar("T")


class UnreadableRunError(Exception):
    """A run was refused, or too many of its items could not be read: its silence says nothing about the leads."""


def apify_of(context: StageContext) -> Apify:
    """The actors' client; raises ProviderUnavailable where none is configured."""
    if context.vendors.apify is None:
        raise ProviderUnavailable("apify", "not_configured")
    return context.vendors.apify


def run_limits(seconds: int, policy: Policy) -> RunLimits:
    """Time and memory of one actor run."""
    return RunLimits(timeout_seconds=seconds, memory_mb=policy.discovery.actor_memory_mb)


def readable(answer: Answer[ActorResult[T]], policy: Policy) -> tuple[T, ...]:
    """The items of a run; raises UnreadableRunError instead of taking a broken run for 'nothing found'."""
    result = answer.value
    if result.refusal is not None:
        raise UnreadableRunError(result.refusal)
    if result.unmapped_share > policy.enrichment.unmapped_share_max:
        raise UnreadableRunError("too_many_unreadable_items")
    return result.items


def unit_micros(price_key: str, policy: Policy) -> int:
    """The price of one unit, rounded up; raises UnknownPrice: what has no price is refused, never free (I-21)."""
    price = policy.prices.get(price_key)
    if price is None:
        raise UnknownPrice(price_key)
    return micros_from_usd(price.usd / price.per)


def shared_cost(cost_micros: int, views: Sequence[LeadView]) -> Mapping[LeadUid, int]:
    """Each lead's exact part of a shared call, remainder to the first ones, as the ledger splits it (I-29)."""
    return {view.uid: int(share) for view, share in zip(views, split_exactly(cost_micros, len(views)), strict=True)}


def finding(
    candidates: Sequence[Candidate],
    cost_micros: int,
    facts: Mapping[str, JsonValue] | None = None,
    *,
    partial: str | None = None,
) -> Finding:
    """A step's finds for one lead, each value once; nothing from a run that ended early is an error, not 'none'.

    That run said something about the lead, so nobody asks again: what it said was paid for.
    """
    if not candidates and partial is not None:
        return Finding(cost_micros=cost_micros, detail={"reason": "run_ended_early"}, state=StepState.ERROR)
    return Finding(candidates=tuple(dict.fromkeys(candidates)), cost_micros=cost_micros, facts=facts or {})


def silence(answer: Answer[ActorResult[T]], cost_micros: int) -> Finding:
    """For a lead that a run says nothing about: there is nothing, or the run ended before it came to the lead.

    Then the lead is asked for once more, outside of that run (spec 8.1).
    """
    if answer.partial is None:
        return finding([], cost_micros)
    detail: dict[str, JsonValue] = {"reason": "run_ended_early", "may_pass": True, LEFT_OUT_OF: answer.attempt_key}
    return Finding(cost_micros=cost_micros, detail=detail, state=StepState.ERROR)
