"""Round robin (spec 11.5, I-47)."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.assignment import deal
from socialanalyzer_dagster.domain.types import LeadUid


@dataclass(frozen=True)
class Person:
    name: str
    position: int = 0
    is_active: bool = True


TIERS = ("auto_enroll", "standard_review")
ROSTER = [Person("ada", 2), Person("bo", 0), Person("cy", 1)]


def batch(start: int, tiers: list[str]) -> list[tuple[LeadUid, str]]:
    return [(LeadUid(f"lead-{start + number}"), tier) for number, tier in enumerate(tiers)]


def names(dealt) -> list[str]:
    return [person.name for person in dealt.assignments.values()]


def test_leads_go_around_by_position() -> None:
    assert names(deal(batch(0, [TIERS[0]] * 7), ROSTER, {})) == ["bo", "cy", "ada", "bo", "cy", "ada", "bo"]


def test_the_lowest_count_comes_first() -> None:
    counts = {(TIERS[0], "bo"): 5, (TIERS[0], "cy"): 3, (TIERS[0], "ada"): 4}
    assert names(deal(batch(0, [TIERS[0]] * 4), ROSTER, counts)) == ["cy", "cy", "ada", "bo"]


def test_tiers_are_counted_apart() -> None:
    dealt = deal(batch(0, [TIERS[0], TIERS[1], TIERS[0], TIERS[1]]), ROSTER, {})
    assert names(dealt) == ["bo", "bo", "cy", "cy"]


def test_inactive_people_get_nothing_and_nobody_active_leaves_the_leads() -> None:
    leads = batch(0, [TIERS[0]] * 2)
    assert names(deal(leads, [Person("ada", is_active=False), Person("bo", 1)], {})) == ["bo", "bo"]
    assert deal(leads, [Person("ada", is_active=False)], {}).left == (leads[0][0], leads[1][0])
    assert deal(leads, [], {}).assignments == {}


people = st.lists(
    st.builds(Person, st.text("abcdef", min_size=1, max_size=3), st.integers(0, 5), st.booleans()),
    unique_by=lambda person: person.name,
    max_size=7,
)
batches = st.lists(st.lists(st.sampled_from(TIERS), max_size=30), max_size=6)


@given(people, batches)
def test_over_an_epoch_counts_differ_by_at_most_one_per_tier(roster: list[Person], many: list[list[str]]) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    dealt_leads = 0
    for number, tiers in enumerate(many):
        dealt = deal(batch(number * 100, tiers), roster, counts)
        counts.update(dealt.added)
        dealt_leads += len(dealt.assignments)
        assert len(dealt.assignments) + len(dealt.left) == len(tiers)
        assert all(person.is_active for person in dealt.assignments.values())
    assert sum(counts.values()) == dealt_leads
    active = [person.name for person in roster if person.is_active]
    for tier in TIERS:
        per_person = [counts[tier, name] for name in active]
        assert not per_person or max(per_person) - min(per_person) <= 1


@given(people, st.lists(st.sampled_from(TIERS), max_size=30))
def test_dealing_depends_on_counts_and_roster_alone(roster: list[Person], tiers: list[str]) -> None:
    leads = batch(0, tiers)
    assert deal(leads, roster, {}) == deal(leads, list(reversed(roster)), {})
