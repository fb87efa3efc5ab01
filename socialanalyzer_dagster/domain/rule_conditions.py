"""Whether the condition of a rule is met by what was counted, said in a sentence for people (spec 15.1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_automation import (
    CapNearlyUsed,
    Condition,
    Deviation,
    LowYield,
    ManyFailures,
    ManyReasks,
    NicheCluster,
    StaleSearch,
    VendorAway,
)
from socialanalyzer_dagster.domain.rule_facts import Niche, PointFacts, densest_niche
from socialanalyzer_dagster.domain.sentences import counted, leads, percent
from socialanalyzer_dagster.domain.types import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """`is_met` is None when it could not be told; `seen` are the figures looked at, `sentence` says them."""

    is_met: bool | None
    seen: Mapping[str, JsonValue]
    sentence: str
    niche: Niche | None = field(default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A share of something, which counts from a size of the whole on."""

    part: int | None
    whole: int | None
    least: int = 1

    @property
    def share(self) -> Decimal | None:
        """None when a count is unknown, or there is nothing to take a share of."""
        return Decimal(self.part) / self.whole if self.part is not None and self.whole else None

    def counts(self) -> bool | None:
        """True from the least size on; None when that is unknown."""
        return None if self.whole is None or self.part is None else self.whole >= self.least

    def said(self) -> str:
        """'2 of 40', with the share where there is one."""
        if self.part is None or self.whole is None:
            return "an unknown number of"
        shown = f" ({percent(self.share)})" if self.share is not None else ""
        return f"{self.part:,} of {self.whole:,}{shown}"


def looked_at(condition: Condition, facts: PointFacts, policy: Policy) -> Looked:
    """What a condition comes to after a stage."""
    match condition:
        case LowYield():
            return _low_yield(condition, facts)
        case ManyFailures():
            return _many_failures(condition, facts)
        case VendorAway():
            return _vendor_away(condition, facts)
        case NicheCluster():
            return _niche(condition, facts)
        case StaleSearch():
            return _stale(facts, policy.novelty.stale_below)
        case Deviation():
            return _deviation(facts)
        case CapNearlyUsed():
            return _cap(facts, policy.budgets.warn_at)
        case ManyReasks():
            return _reasks(condition, facts)


def condition_text(condition: Condition, policy: Policy) -> str:
    """When it is met, for people."""
    match condition:
        case LowYield(below=below, judged_from=least):
            return f"fewer than {percent(below)} of at least {least} judged leads passed"
        case ManyFailures(above=above, attempted_from=least):
            return f"more than {percent(above)} of at least {least} attempted leads failed"
        case VendorAway(above=above, reached_from=least):
            return f"more than {percent(above)} of at least {least} leads wait for a vendor"
        case NicheCluster(min_score=score, leads_from=least, share=share):
            return f"{least} leads or more, and {percent(share)} of the scored ones, score {score:f} in one niche"
        case StaleSearch():
            return f"fewer than {percent(policy.novelty.stale_below)} of the found leads are new"
        case Deviation():
            return "a figure is significantly worse than its baseline"
        case CapNearlyUsed():
            return f"{percent(policy.budgets.warn_at)} of a spending cap are used"
        case ManyReasks(above=above, answers_from=least):
            return f"more than {percent(above)} of at least {least} answers of models were asked for again"


def _low_yield(condition: LowYield, facts: PointFacts) -> Looked:
    part = _Part(part=facts.passed, whole=facts.judged, least=condition.judged_from)
    return _of_share(part, f"{part.said()} judged leads passed", below=condition.below)


def _many_failures(condition: ManyFailures, facts: PointFacts) -> Looked:
    part = _Part(part=facts.failed, whole=facts.attempted, least=condition.attempted_from)
    return _of_share(part, f"{part.said()} attempted leads failed and may be tried again", above=condition.above)


def _vendor_away(condition: VendorAway, facts: PointFacts) -> Looked:
    part = _Part(part=facts.waiting, whole=facts.reached, least=condition.reached_from)
    looked = _of_share(part, f"{part.said()} leads wait for {facts.vendor or 'a vendor'}", above=condition.above)
    return replace(looked, seen={**looked.seen, "vendor": facts.vendor})


def _stale(facts: PointFacts, below: Decimal) -> Looked:
    part = _Part(part=facts.new, whole=facts.found)
    return _of_share(part, f"{part.said()} found leads are new", below=below)


def _reasks(condition: ManyReasks, facts: PointFacts) -> Looked:
    part = _Part(part=facts.reasks, whole=facts.answers, least=condition.answers_from)
    return _of_share(part, f"{part.said()} answers of models were asked for again", above=condition.above)


def _of_share(part: _Part, sentence: str, *, below: Decimal | None = None, above: Decimal | None = None) -> Looked:
    is_met = part.counts()
    if is_met and part.share is not None:
        is_met = part.share < below if below is not None else above is not None and part.share > above
    return Looked(is_met=is_met, seen={"part": part.part, "whole": part.whole}, sentence=sentence)


def _niche(condition: NicheCluster, facts: PointFacts) -> Looked:
    if facts.scored is None:
        return Looked(is_met=None, seen={}, sentence="what the scored leads have in common is unknown")
    niche, scored = densest_niche(facts.scored, condition.min_score), len(facts.scored)
    if niche is None:
        sentence = f"none of {leads(scored)} scores {condition.min_score:f} or more"
        return Looked(is_met=False, seen={"niche": None, "leads": 0, "scored": scored}, sentence=sentence)
    is_dense = niche.leads >= condition.leads_from and niche.leads >= condition.share * scored
    named = niche.name if is_dense else None  # what a few leads are about stays with them
    seen: dict[str, JsonValue] = {"niche": named, "leads": niche.leads, "scored": scored}
    sentence = f"{niche.leads} of {scored} scored leads have {condition.min_score:f} or more in one niche"
    return Looked(is_met=is_dense, seen=seen, sentence=f"{sentence}, {named}" if named else sentence, niche=niche)


def _deviation(facts: PointFacts) -> Looked:
    if facts.worse is None:
        return Looked(is_met=None, seen={}, sentence="how the batch stands to its baselines is unknown")
    sentence = " ".join(facts.worse) or "no figure is significantly worse than its baseline"
    return Looked(is_met=bool(facts.worse), seen={"worse": len(facts.worse)}, sentence=sentence.removesuffix("."))


def _cap(facts: PointFacts, warn_at: Decimal) -> Looked:
    used, cap = facts.used_micros, facts.cap_micros
    seen: dict[str, JsonValue] = {"used_micros": used, "cap_micros": cap}
    if used is None or not cap:
        return Looked(is_met=None, seen=seen, sentence="what is spent under the cap is unknown")
    share = Decimal(used) / cap
    sentence = f"{usd_text(used)} of the spending cap of {usd_text(cap)} ({percent(share)}) are spent or reserved"
    return Looked(is_met=share >= warn_at, seen=seen, sentence=sentence)


def action_text(kind: str, limit: int) -> str:
    """What a rule does, for people."""
    return f"{ACTIONS[kind]}, {counted(limit, 'time')} at most"


ACTIONS: Mapping[str, str] = {
    "loosen": "run the search again with looser filters",
    "retry_failed": "hold the batch and try its failed leads again",
    "propose_search": "draft a search for more of the same",
    "suggest_changes": "say what to change in the search",
    "notify": "say it",
    "pause": "hold the batch",
}
HINTS: Mapping[str, str] = {
    "cap_nearly_used": " At the cap the batch ends with what it has; `batch set-cap` raises it.",
    "deviation": " `batch show` says what happened to its leads.",
    "many_reasks": " `batch log` says what the model answered wrongly.",
}
"""What a person can do where a rule acted, by condition."""
QUESTIONS: Mapping[str, str] = {
    "loosen": " `rules questions` says how to answer; without an answer nothing is done.",
    "retry_failed": " `batch log` says what failed, `rules questions` how to answer; else nothing is done.",
}
"""How a person can answer where a rule asks, by action."""
