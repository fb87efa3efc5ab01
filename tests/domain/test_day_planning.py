"""What a day is to bring, and which searches are chosen for it: pure choices."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from socialanalyzer_dagster.domain.batch_metrics import BatchTotals, StageTotals
from socialanalyzer_dagster.domain.daily_targets import planning_moment, target_of, weekday_of
from socialanalyzer_dagster.domain.day_metrics import day_metrics
from socialanalyzer_dagster.domain.novelty import leads_left
from socialanalyzer_dagster.domain.plan_texts import plan_json, plan_markdown
from socialanalyzer_dagster.domain.policy_metrics import TargetsPolicy, Weekday
from socialanalyzer_dagster.domain.search_planning import Candidate, DayFacts, plan_searches
from socialanalyzer_dagster.domain.search_rates import SearchRates, shrunk
from socialanalyzer_dagster.domain.types import PlatformKey, Stage

INSTAGRAM = PlatformKey("instagram")
FRIDAY = date(2026, 11, 20)
PASSING = {Stage.DISCOVERED: 0.5, Stage.SCREENED: 0.5, Stage.ENRICHED: 1.0, Stage.ANALYZED: 1.0, Stage.SCORED: 1.0}
COSTS = dict.fromkeys(PASSING, 0.0) | {Stage.DISCOVERED: 0.01, Stage.SCREENED: 0.02}


@pytest.fixture
def targets(policy: Any) -> TargetsPolicy:
    return policy.targets


def of_zone(targets: TargetsPolicy, **changes: Any) -> TargetsPolicy:
    return TargetsPolicy.model_validate(targets.model_dump() | changes)


def facts(**changes: Any) -> DayFacts:
    usual = {
        "day": FRIDAY,
        "platform": INSTAGRAM,
        "weekday": Weekday.FRIDAY,
        "target": 100,
        "scored": 0,
        "expected": 0.0,
        "budget_micros": 100_000_000,
        "budget_name": "the day cap of $100.00",
        "batches": 0,
        "most_results": 1000,
    }
    return DayFacts(**(usual | changes))


def search(name: str, *, per_usd: float = 1.0, **changes: Any) -> Candidate:
    """A quarter of its results is scored."""
    usd = {stage: price / per_usd for stage, price in COSTS.items()}
    return Candidate(preset_id=name, name=name, rates=SearchRates(passing=PASSING, usd=usd), **changes)


# --- targets ------------------------------------------------------------------------------------------------------


def test_targets_of_a_working_day_are_those_the_team_needs_and_add_up_to_five_hundred(targets: TargetsPolicy) -> None:
    wanted = [target_of(FRIDAY, PlatformKey(key), targets) for key in ("instagram", "patreon", "facebook")]
    assert wanted == [250, 150, 100]


@pytest.mark.parametrize("day", [date(2026, 11, 21), date(2026, 11, 22)])
def test_a_weekend_and_a_platform_without_targets_have_none(targets: TargetsPolicy, day: date) -> None:
    assert target_of(day, INSTAGRAM, targets) == 0
    assert target_of(FRIDAY, PlatformKey("orkut"), targets) == 0


def test_a_utc_day_is_planned_at_the_hour_that_the_teams_clock_shows(targets: TargetsPolicy) -> None:
    new_york = of_zone(targets, time_zone="America/New_York")
    assert planning_moment(FRIDAY, new_york) == datetime(2026, 11, 20, 11, tzinfo=UTC)
    assert planning_moment(date(2026, 7, 3), new_york) == datetime(2026, 7, 3, 10, tzinfo=UTC)


def test_far_from_greenwich_the_weekday_is_that_of_the_teams_calendar(targets: TargetsPolicy) -> None:
    auckland = of_zone(targets, time_zone="Pacific/Auckland")
    sunday = date(2026, 11, 22)
    assert planning_moment(sunday, auckland) == datetime(2026, 11, 22, 17, tzinfo=UTC)
    assert weekday_of(sunday, auckland) is Weekday.MONDAY
    assert target_of(sunday, INSTAGRAM, auckland) == 250


def test_a_day_whose_planning_hour_the_clock_change_skips_is_planned_all_the_same(targets: TargetsPolicy) -> None:
    berlin = of_zone(targets, time_zone="Europe/Berlin", plan_hour=2)
    assert planning_moment(date(2026, 3, 29), berlin).date() == date(2026, 3, 29)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"time_zone": "Mars/Olympus"}, "there is no time zone 'Mars/Olympus'"),
        ({"least_results": 2000}, "least_results must not be above"),
        ({"scored_leads": {"instagram": {"someday": 1}}}, "monday"),
        ({"scored_leads": {"instagram": {"monday": -1}}}, "greater than or equal to 0"),
    ],
)
def test_targets_that_cannot_be_meant_are_refused(targets: TargetsPolicy, changes: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        of_zone(targets, **changes)


# --- rates --------------------------------------------------------------------------------------------------------


def test_own_rates_count_as_much_as_those_of_the_platform_at_the_trusted_number_of_leads() -> None:
    of = SearchRates(passing=PASSING, usd=COSTS)
    own = BatchTotals(stages={Stage.SCREENED: StageTotals(judged=100, passed=100)})
    assert shrunk(None, None, of, trusted_from=100) == of
    assert shrunk(own, None, of, trusted_from=100).passing[Stage.SCREENED] == pytest.approx(0.75)
    assert shrunk(own, 0.1, of, trusted_from=100).passing[Stage.DISCOVERED] == 0.1
    many = BatchTotals(stages={Stage.SCREENED: StageTotals(judged=9_900, passed=9_900)})
    assert shrunk(many, None, of, trusted_from=100).passing[Stage.SCREENED] == pytest.approx(0.995)


def test_a_result_costs_what_its_lead_will_cost_in_every_stage_that_it_reaches() -> None:
    rates = SearchRates(passing=PASSING, usd=dict.fromkeys(PASSING, 1.0))
    assert rates.scored_per_result == 0.25
    assert rates.usd_per_result == 1 + 0.5 + 3 * 0.25
    assert rates.scored_after(Stage.SCREENED) == 0.5
    assert rates.scored_after(Stage.SCORED) == 1.0


# --- what is left in a search -------------------------------------------------------------------------------------


def test_two_runs_that_share_half_their_leads_leave_as_many_as_chapman_says() -> None:
    assert leads_left(100, 100, 50, 150) == 49  # 101 x 101 / 51 - 1 = 199
    assert leads_left(100, 100, 100, 100) == 0
    assert leads_left(10, 10, 9, 500) == 0


def test_runs_that_share_nobody_tell_nothing() -> None:
    assert leads_left(100, 100, 0, 200) is None


# --- the choice ---------------------------------------------------------------------------------------------------


def test_the_search_with_most_scored_leads_for_a_dollar_is_sized_for_the_whole_target(targets: TargetsPolicy) -> None:
    plan = plan_searches(facts(), [search("dear", per_usd=1), search("cheap", per_usd=2)], targets)
    assert [(choice.candidate.name, choice.max_results) for choice in plan.choices] == [("cheap", 400)]
    assert plan.expected == 100
    assert [(each.name, why) for each, why in plan.passed_over] == [("dear", "not needed: the target is covered")]
    assert (
        plan.why
        == "0 leads of 100 scored, 0 more expected of open batches; 1 planned for $4.00, expected to bring 100."
    )


def test_what_was_scored_and_what_open_batches_will_bring_is_not_planned_again(targets: TargetsPolicy) -> None:
    plan = plan_searches(facts(scored=50, expected=40.0), [search("one")], targets)
    assert [choice.max_results for choice in plan.choices] == [40]
    covered = plan_searches(facts(scored=60, expected=40.0), [search("one")], targets)
    assert not covered.choices
    assert covered.why == "Nothing to plan: 60 leads of 100 scored, 40 more expected of open batches."


def test_a_target_too_large_for_one_search_goes_on_to_the_next(targets: TargetsPolicy) -> None:
    plan = plan_searches(facts(target=400), [search("a", per_usd=3), search("b", per_usd=2), search("c")], targets)
    assert [(choice.candidate.name, choice.max_results) for choice in plan.choices] == [("a", 1000), ("b", 600)]
    assert "the most that one batch may ask for" in plan.choices[0].reason


def test_a_search_is_not_asked_for_more_than_it_seems_to_hold(targets: TargetsPolicy) -> None:
    plan = plan_searches(
        facts(), [search("small", left=30, novelty=0.5), search("empty", left=3, novelty=0.5)], targets
    )
    assert [(choice.candidate.name, choice.max_results) for choice in plan.choices] == [("small", 60)]
    assert (
        "what this search seems to hold still allows 6 results"
        in {each.name: why for each, why in plan.passed_over}["empty"]
    )


def test_money_bounds_a_plan_and_the_plan_says_which_cap(targets: TargetsPolicy) -> None:
    plan = plan_searches(facts(budget_micros=1_000_000), [search("one"), search("two")], targets)
    assert [choice.max_results for choice in plan.choices] == [50]
    assert plan.micros <= 1_000_000
    assert "what the day cap of $100.00 leaves allows 0 results" in plan.why
    assert "will be missing" in plan.why
    broke = plan_searches(facts(budget_micros=-5), [search("one")], targets)
    assert not broke.choices
    assert "what the day cap of $100.00 leaves allows 0 results" in broke.why


def test_a_barred_search_is_passed_over_with_its_reason_and_the_next_one_runs(targets: TargetsPolicy) -> None:
    plan = plan_searches(facts(), [search("a", per_usd=9, barred="it is used up"), search("b")], targets)
    assert [choice.candidate.name for choice in plan.choices] == ["b"]
    assert [(each.name, why) for each, why in plan.passed_over] == [("a", "it is used up")]


def test_a_day_has_no_more_batches_than_the_policy_allows(targets: TargetsPolicy) -> None:
    plan = plan_searches(facts(batches=targets.batches_a_day), [search("one")], targets)
    assert not plan.choices
    assert "12 batches a day are planned at most" in plan.why


def test_while_a_vendor_is_away_nothing_is_bought(targets: TargetsPolicy) -> None:
    plan = plan_searches(facts(away=("apify", "openai")), [search("one")], targets)
    assert not plan.choices
    assert plan.why.endswith("nothing can be planned: not now: apify and openai cannot be called.")


def test_a_search_that_brings_nobody_is_not_paid_for(targets: TargetsPolicy) -> None:
    hopeless = SearchRates(passing=PASSING | {Stage.SCREENED: 0.0}, usd=COSTS)
    plan = plan_searches(facts(), [Candidate(preset_id="x", name="x", rates=hopeless)], targets)
    assert "it is expected to bring no scored lead" in plan.why


def test_without_saved_searches_the_plan_says_what_to_do(targets: TargetsPolicy) -> None:
    assert "save one with `socialanalyzer presets save`" in plan_searches(facts(), [], targets).why


def test_what_was_seen_before_is_paid_for_again_and_brings_nobody(targets: TargetsPolicy) -> None:
    plan = plan_searches(facts(), [search("ran", seen=300)], targets)
    (choice,) = plan.choices
    assert (choice.max_results, choice.scored) == (700, 100)
    assert choice.micros == 300 * 10_000 + 400 * 20_000
    assert choice.reason == "700 results: what the target needs, beyond the 300 that were seen before"


def test_a_new_search_is_preferred_to_one_that_brings_the_same_again(targets: TargetsPolicy) -> None:
    plan = plan_searches(facts(), [search("ran", seen=300, per_usd=1.2), search("new")], targets)
    assert [choice.candidate.name for choice in plan.choices] == ["new"]


def test_a_search_that_was_seen_as_far_as_a_batch_may_ask_is_passed_over(targets: TargetsPolicy) -> None:
    plan = plan_searches(facts(), [search("ran", seen=1000)], targets)
    assert plan.passed_over[0][1] == (
        "the most that one batch may ask for allows 1000 results, and a batch asks for 1020 or more "
        "(its first 1000 results were seen before)"
    )


def test_a_batch_that_needs_little_never_asks_for_more_than_it_may(targets: TargetsPolicy) -> None:
    plan = plan_searches(facts(target=1), [search("ran", seen=990)], targets)
    assert not plan.choices
    poor = plan_searches(facts(target=1, budget_micros=10_000_000), [search("ran", seen=990)], targets)
    assert not poor.choices
    room = plan_searches(facts(target=1), [search("ran", seen=900)], targets)
    assert [choice.max_results for choice in room.choices] == [920]


def test_money_that_does_not_reach_beyond_what_was_seen_buys_nothing(targets: TargetsPolicy) -> None:
    for usd, size in ((3, None), (5, 400)):
        plan = plan_searches(facts(budget_micros=usd * 1_000_000), [search("ran", seen=300)], targets)
        assert [choice.max_results for choice in plan.choices] == ([] if size is None else [size])


def test_a_free_search_comes_first(targets: TargetsPolicy) -> None:
    free = Candidate(preset_id="f", name="free", rates=SearchRates(passing=PASSING, usd=dict.fromkeys(PASSING, 0.0)))
    plan = plan_searches(facts(), [search("dear"), free], targets)
    assert [(choice.candidate.name, choice.micros) for choice in plan.choices] == [("free", 0)]


def test_a_day_off_plans_nothing(targets: TargetsPolicy) -> None:
    plan = plan_searches(facts(target=0, weekday=Weekday.SATURDAY), [search("one")], targets)
    assert plan.why == "No target: saturday is a day off on instagram."
    assert plan.passed_over[0][1] == "not needed: the day has no target"


def test_the_plans_table_shows_choices_first_and_lets_no_name_break_out_of_its_cell(targets: TargetsPolicy) -> None:
    wild = search("a|b\n# c", novelty=0.4)
    text = plan_markdown(plan_searches(facts(), [wild, search("z", barred="it ran today")], targets), {wild.name: "k"})
    rows = text.splitlines()
    assert len(rows) == 6
    assert "(batch k)" in rows[4]
    assert "40%" in rows[4]
    assert "never ran" in rows[5]
    assert "it ran today" in rows[5]
    assert "\n# c" not in text


def test_the_plan_for_programs_holds_the_same_choices(targets: TargetsPolicy) -> None:
    told = plan_json(plan_searches(facts(), [search("one"), search("z", barred="it ran today")], targets))
    assert told["run"] == [
        {
            "search": "one",
            "max_results": 400,
            "expected_scored": 100.0,
            "expected_micros": 8_000_000,
            "reason": "400 results: what the target needs",
        }
    ]
    assert told["passed_over"] == [{"search": "z", "reason": "it ran today"}]


# --- a day's row --------------------------------------------------------------------------------------------------


def test_ratios_of_a_day_are_ratios_of_sums() -> None:
    small = BatchTotals(
        found=10,
        new=10,
        stages={
            Stage.SCREENED: StageTotals(judged=10, passed=10),
            Stage.SCORED: StageTotals(judged=10, passed=10),
            Stage.SYNCED: StageTotals(judged=10, passed=5),
        },
        mean_score=0.9,
        tiers={"auto_enroll": 10},
        cost_micros=100,
    )
    large = BatchTotals(
        found=90,
        new=40,
        stages={Stage.SCREENED: StageTotals(judged=40, passed=0), Stage.SCORED: StageTotals(judged=30, passed=30)},
        mean_score=0.5,
        tiers={"review": 30},
        cost_micros=900,
    )
    row = day_metrics([small, large], enrolled="auto_enroll")
    assert row == {
        "batches": 2,
        "cost_micros": 1000,
        "yield_rate": 0.2,
        "avg_found": 50,
        "avg_scored": 20,
        "avg_synced": 2.5,
        "avg_score": 0.6,
        "auto_enroll_rate": 0.25,
        "funnel_conversion": 0.05,
        "cost_per_lead_micros": 200,
        "novelty_rate": 0.5,
    }


def test_a_day_without_batches_has_no_ratios() -> None:
    assert day_metrics([], enrolled="auto_enroll") == {"batches": 0, "cost_micros": 0}
