"""The rules between stages, pure: what a batch shows, what its lineage did already, what is to be done (15.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_automation import CapNearlyUsed, Loosen, Rule
from socialanalyzer_dagster.domain.rule_conditions import ACTIONS, HINTS, QUESTIONS, Looked, looked_at
from socialanalyzer_dagster.domain.rule_facts import PointFacts
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.domain.types import Stage


class Verdict(StrEnum):
    """What a rule says at a decision point."""

    ACT = "act"
    ASK = "ask"
    DONE = "already_acted"
    NOT_MET = "not_met"
    UNKNOWN = "could_not_tell"

    @property
    def is_deed(self) -> bool:
        """True when something comes of it."""
        return self in (Verdict.ACT, Verdict.ASK)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPoint:
    """A batch after a stage: what is counted, and how far down its chain it is (0 = the first)."""

    batch_id: str
    stage: Stage
    facts: PointFacts
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDeed:
    """What a rule did or asked in the lineage before; `is_open` while that is not carried out or answered.

    `was_refused` = a person said no to it, or nobody answered in time.
    """

    rule: str
    verdict: Verdict
    batch_id: str
    is_open: bool = False
    was_refused: bool = False
    cap_micros: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChoice:
    """One rule's verdict, what it looked at, why in a sentence, and which of the rule's deeds this is (from 1)."""

    name: str
    rule: Rule
    verdict: Verdict
    looked: Looked
    sentence: str
    number: int


def choose(policy: Policy, point: DecisionPoint, history: Sequence[PastDeed]) -> list[RuleChoice]:
    """The verdict of every rule that belongs after the stage, in the order of their names."""
    due = [(name, rule) for name, rule in sorted(policy.rules.table.items()) if point.stage in rule.after]
    return [_choice(policy, point, (name, rule), [deed for deed in history if deed.rule == name]) for name, rule in due]


def _choice(policy: Policy, point: DecisionPoint, named: tuple[str, Rule], deeds: Sequence[PastDeed]) -> RuleChoice:
    name, rule = named
    looked = looked_at(rule.when, point.facts, policy)
    acted = [deed for deed in deeds if deed.verdict is Verdict.ACT and _counts(rule, deed, point)]
    verdict, why = _verdict(looked.is_met), ""
    if verdict is Verdict.ACT:
        verdict, why = _within_limit(rule, point, deeds, len(acted))
    if verdict is Verdict.ACT and isinstance(rule.then, Loosen) and point.depth >= policy.rules.ask_above_depth:
        verdict, why = Verdict.ASK, f"the next child would be number {point.depth + 1} of its chain"
    return RuleChoice(
        name=name,
        rule=rule,
        verdict=verdict,
        looked=looked,
        sentence=_sentence(name, rule, looked, _said(verdict, rule, why)),
        number=len(acted) + 1,
    )


def asked_instead(choice: RuleChoice, why: str, *, has_answer: bool = True) -> RuleChoice:
    """The same choice where the rule cannot act itself: a person is asked if the rule escalates and that may help."""
    verdict = Verdict.ASK if choice.rule.escalates and has_answer else Verdict.DONE
    return _as(choice, verdict, why)


def asked_first(choice: RuleChoice, why: str) -> RuleChoice:
    """The same choice where a person must say yes before anything is done (spec 15.4)."""
    return _as(choice, Verdict.ASK, why)


def _as(choice: RuleChoice, verdict: Verdict, why: str) -> RuleChoice:
    said = _said(verdict, choice.rule, why)
    return replace(choice, verdict=verdict, sentence=_sentence(choice.name, choice.rule, choice.looked, said))


def _said(verdict: Verdict, rule: Rule, why: str = "") -> str:
    """What a verdict means, for people."""
    if verdict is Verdict.ACT:
        return f"So: {ACTIONS[rule.then.kind]}.{HINTS.get(rule.when.kind, '')}"
    if verdict is Verdict.ASK:
        return f"A person is asked, because {why}.{QUESTIONS.get(rule.then.kind, '')}"
    if verdict is Verdict.DONE:
        return f"Nothing more is done, because {why}."
    return "Nothing to do." if verdict is Verdict.NOT_MET else "That cannot be told, so nothing is done."


def _sentence(name: str, rule: Rule, looked: Looked, said: str) -> str:
    return f"{name} ({rule.title}): {looked.sentence}. {said}"


def _verdict(is_met: bool | None) -> Verdict:
    if is_met is None:
        return Verdict.UNKNOWN
    return Verdict.ACT if is_met else Verdict.NOT_MET


def _within_limit(rule: Rule, point: DecisionPoint, deeds: Sequence[PastDeed], acted: int) -> tuple[Verdict, str]:
    if any(deed.is_open for deed in deeds):
        return Verdict.DONE, "what it began or asked before is open still"
    if any(deed.was_refused for deed in deeds):
        return Verdict.DONE, "it asked before, and the answer was no"
    here = {deed.verdict for deed in deeds if deed.batch_id == point.batch_id}
    if Verdict.ASK in here:
        return Verdict.DONE, "it asked about this batch already"
    if isinstance(rule.then, Loosen) and Verdict.ACT in here:
        return Verdict.DONE, "it ran this search again already"
    if acted < rule.limit:
        return Verdict.ACT, ""
    said = f"it acted {counted(acted, 'time')} already"
    return (Verdict.ASK if rule.escalates else Verdict.DONE), said


def _counts(rule: Rule, deed: PastDeed, point: DecisionPoint) -> bool:
    """Deeds count over the whole lineage; warnings about a cap count for that batch and cap alone."""
    if not isinstance(rule.when, CapNearlyUsed):
        return True
    return deed.batch_id == point.batch_id and deed.cap_micros == point.facts.cap_micros
