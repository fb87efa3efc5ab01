"""What a rule says follows from counts and history alone: it acts to its limit, then asks, and never guesses."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from socialanalyzer_dagster.domain.policy import Policy, PolicyError, parse_policy, shipped_policy
from socialanalyzer_dagster.domain.rule_conditions import condition_text
from socialanalyzer_dagster.domain.rule_facts import Niche, PointFacts, ScoredLead, densest_niche
from socialanalyzer_dagster.domain.rules import DecisionPoint, PastDeed, RuleChoice, Verdict, choose
from socialanalyzer_dagster.domain.types import Stage

POLICY = shipped_policy()
POOR = PointFacts(judged=40, passed=3, attempted=40, failed=0, reached=40, waiting=0, used_micros=0, cap_micros=100)
SCORED = PointFacts(judged=9, attempted=9, failed=0, reached=9, waiting=0, used_micros=0, cap_micros=100, worse=())


def verdict(name: str, stage: Stage, facts: PointFacts, *history: PastDeed, depth: int = 0) -> RuleChoice:
    point = DecisionPoint(batch_id="b", stage=stage, facts=facts, depth=depth)
    return next(each for each in choose(POLICY, point, history) if each.name == name)


def niche_of(number: int, others: int = 0) -> list[ScoredLead]:
    many = [ScoredLead(score=Decimal("0.7"), category="travel", theme="solo hikes") for _ in range(number)]
    return many + [ScoredLead(score=Decimal("0.2"), category="travel", theme=None) for _ in range(others)]


A, D, S, E = Stage.ANALYZED, Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED
ACT, NOT_MET, UNKNOWN = Verdict.ACT, Verdict.NOT_MET, Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "stage", "facts", "expected"),
    [
        ("R-1", S, replace(POOR, passed=3), ACT),
        ("R-1", S, replace(POOR, passed=4), NOT_MET),
        ("R-1", S, replace(POOR, judged=29, passed=0), NOT_MET),
        ("R-1", S, replace(POOR, judged=30, passed=0), ACT),
        ("R-1", S, replace(POOR, passed=None), UNKNOWN),
        ("R-1", S, replace(POOR, judged=0, passed=0, attempted=40, failed=40), NOT_MET),
        ("R-2", E, PointFacts(attempted=20, failed=7), ACT),
        ("R-2", E, PointFacts(attempted=20, failed=6), NOT_MET),
        ("R-2", E, PointFacts(attempted=19, failed=19), NOT_MET),
        ("R-2", E, PointFacts(attempted=20), UNKNOWN),
        ("R-3", Stage.SCORED, replace(SCORED, scored=niche_of(5, 15)), ACT),
        ("R-3", Stage.SCORED, replace(SCORED, scored=niche_of(5, 16)), NOT_MET),
        ("R-3", Stage.SCORED, replace(SCORED, scored=niche_of(4)), NOT_MET),
        ("R-3", Stage.SCORED, replace(SCORED, scored=()), NOT_MET),
        ("R-3", Stage.SCORED, SCORED, UNKNOWN),
        ("R-4", D, PointFacts(found=100, new=19), ACT),
        ("R-4", D, PointFacts(found=100, new=20), NOT_MET),
        ("R-4", D, PointFacts(found=0, new=0), NOT_MET),
        ("R-4", D, PointFacts(), UNKNOWN),
        ("R-5", Stage.SCORED, replace(SCORED, worse=("The yield is 5 %, 60 % below the usual 12 %.",)), ACT),
        ("R-5", Stage.SCORED, SCORED, NOT_MET),
        ("R-5", Stage.SCORED, replace(SCORED, worse=None), UNKNOWN),
        ("R-6", A, replace(POOR, used_micros=80), ACT),
        ("R-6", A, replace(POOR, used_micros=79), NOT_MET),
        ("R-6", A, replace(POOR, used_micros=None), UNKNOWN),
        ("R-7", A, PointFacts(answers=20, reasks=5), ACT),
        ("R-7", A, PointFacts(answers=20, reasks=4), NOT_MET),
        ("R-7", A, PointFacts(answers=19, reasks=19), NOT_MET),
        ("R-7", A, PointFacts(), UNKNOWN),
        ("R-8", S, PointFacts(reached=20, waiting=11, vendor="openai"), ACT),
        ("R-8", S, PointFacts(reached=20, waiting=10, vendor="openai"), NOT_MET),
        ("R-8", S, PointFacts(reached=20), UNKNOWN),
    ],
)
def test_a_rule_acts_from_its_bound_on_and_never_on_what_could_not_be_told(
    name: str, stage: Stage, facts: PointFacts, expected: Verdict
) -> None:
    assert verdict(name, stage, facts).verdict is expected


def deed(name: str, *, of: str = "b", said: Verdict = ACT, no: bool = False, **facts: Any) -> PastDeed:
    cap = facts.pop("cap", None)
    return PastDeed(rule=name, verdict=said, batch_id=of, was_refused=no, cap_micros=cap, **facts)


FAILED = PointFacts(attempted=20, failed=20)
FULL = replace(POOR, used_micros=90)


@pytest.mark.parametrize(
    ("name", "stage", "facts", "history", "expected"),
    [
        ("R-1", S, POOR, (deed("R-1"),), Verdict.DONE),
        ("R-1", S, POOR, (deed("R-1", of="parent"),), Verdict.ASK),
        ("R-1", S, POOR, (deed("R-1", of="parent"), deed("R-1", said=Verdict.ASK)), Verdict.DONE),
        ("R-1", S, POOR, (deed("R-1", of="parent"), deed("R-1", of="child", no=True)), Verdict.DONE),
        ("R-1", S, POOR, (deed("R-2", of="parent", no=True),), ACT),
        ("R-2", E, FAILED, (deed("R-2"), deed("R-2")), ACT),
        ("R-2", E, FAILED, (deed("R-2", is_open=True),), Verdict.DONE),
        ("R-2", E, FAILED, (deed("R-2"),) * 3, Verdict.ASK),
        ("R-7", A, PointFacts(answers=20, reasks=9), (deed("R-7"),), Verdict.DONE),
        ("R-6", A, FULL, (deed("R-6", cap=100),), Verdict.DONE),
        ("R-6", A, FULL, (deed("R-6", cap=90),), ACT),
        ("R-6", A, FULL, (deed("R-6", of="parent", cap=100),), ACT),
    ],
)
def test_a_rule_acts_to_its_limit_in_its_lineage_then_asks_once_where_it_escalates(
    name: str, stage: Stage, facts: PointFacts, history: tuple[PastDeed, ...], expected: Verdict
) -> None:
    assert verdict(name, stage, facts, *history).verdict is expected


def test_a_child_too_far_down_its_chain_needs_a_person() -> None:
    assert verdict("R-1", S, POOR, depth=1).verdict is ACT
    assert verdict("R-1", S, POOR, depth=2).verdict is Verdict.ASK
    asked = deed("R-1", said=Verdict.ASK)
    assert verdict("R-1", S, POOR, asked, depth=2).verdict is Verdict.DONE, "not twice about one batch"


def test_every_choice_says_what_was_seen_and_what_follows() -> None:
    assert verdict("R-1", S, POOR).sentence == (
        "R-1 (low yield): 3 of 40 (8 %) judged leads passed. So: run the search again with looser filters."
    )
    assert verdict("R-2", E, FAILED, *(deed("R-2"),) * 3).sentence == (
        "R-2 (failed leads): 20 of 20 (100 %) attempted leads failed and may be tried again. "
        "A person is asked, because it acted 3 times already. `batch log` says what failed, `rules questions` how to "
        "answer; else nothing is done."
    )
    assert verdict("R-4", D, PointFacts()).sentence == (
        "R-4 (stale search): an unknown number of found leads are new. That cannot be told, so nothing is done."
    )
    assert {condition_text(rule.when, POLICY) for rule in POLICY.rules.table.values()} >= {
        "fewer than 10 % of at least 30 judged leads passed",
        "80 % of a spending cap are used",
    }


def test_a_niche_is_a_category_with_a_theme_where_leads_have_themes() -> None:
    mixed = [*niche_of(2), ScoredLead(score=Decimal("0.9"), category="travel", theme="trains")]
    assert densest_niche(mixed, Decimal("0.65")) == Niche(category="travel", theme="solo hikes", leads=2)
    bare = [ScoredLead(score=Decimal("0.9"), category=name, theme=None) for name in ("food", "art", "food")]
    assert densest_niche(bare, Decimal("0.65")) == Niche(category="food", theme=None, leads=2)
    assert densest_niche(bare, Decimal("0.95")) is None


def test_a_niche_of_a_few_leads_is_counted_and_not_named() -> None:
    dense = verdict("R-3", Stage.SCORED, replace(SCORED, scored=niche_of(5))).looked
    assert dense.sentence.endswith("5 of 5 scored leads have 0.65 or more in one niche, solo hikes (travel)")
    thin = verdict("R-3", Stage.SCORED, replace(SCORED, scored=niche_of(2))).looked
    assert (thin.sentence, thin.seen["niche"]) == ("2 of 2 scored leads have 0.65 or more in one niche", None)


def with_rule(**changes: Any) -> Policy:
    document = POLICY.document()
    for name, change in changes.items():
        key = name.replace("_", "-")
        document["rules"]["table"][key] = document["rules"]["table"].get(key, {}) | change
    return parse_policy(document)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"then": {"kind": "dance"}}, "dance"),
    ({"when": {"kind": "low_yeld"}}, "low_yeld"),
    ({"when": {"kind": "low_yield", "below": "0.1", "judged_from": 30, "above": 1}}, "above"),
    ({"then": {"kind": "loosen", "steps": 2}}, "steps"),
    ({"after": ["discovered"]}, "low_yield cannot be told after discovered, only after analyzed, enriched, scored"),
    ({"then": {"kind": "propose_search"}}, "propose_search does not help against low_yield, only against niche_clust"),
]


@pytest.mark.parametrize(("change", "words"), WRONG, ids=[words[:20] for _, words in WRONG])
def test_a_rule_that_cannot_be_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        with_rule(R_1=change)


def test_rules_that_contradict_each_other_are_refused_with_everything_that_is_wrong() -> None:
    waits = {"kind": "retry_failed", "wait_minutes": [15, 5]}
    pause = POLICY.document()["rules"]["table"]["R-1"] | {"then": {"kind": "pause"}}
    with pytest.raises(PolicyError) as refused:
        with_rule(R_2={"then": waits}, R_3={"after": ["screened"]}, R_9=pause)
    assert "R-2: wait_minutes has 2 waits for a limit of 3: name one for each try" in str(refused.value)
    assert "R-2: each of wait_minutes must be longer than the one before" in str(refused.value)
    assert "R-3: niche_cluster cannot be told after screened" in str(refused.value)
    assert "2 rules steer a batch by low_yield after screened: leave one of them" in str(refused.value)
