"""Which queued batches are launched: a pure decision (spec 3.4)."""

from dataclasses import replace

import pytest

from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.pipeline.launching import (
    QueuedBatch,
    SharedCap,
    Stretch,
    decide_launches,
    next_purchase_micros,
)


def queued(day: int, *, attempt: int = 1, stretch: Stretch = Stretch.TO_PLAN) -> QueuedBatch:
    return QueuedBatch(key=BatchKey(f"2026-11-{day:02d}.testbook.travel"), attempt=attempt, stretch=stretch)


def known(*batches: QueuedBatch) -> set[str]:
    return {each.key for each in batches}


def test_a_queued_batch_is_launched_once_per_attempt() -> None:
    first, again = queued(1), queued(1, attempt=2)
    decision = decide_launches([first], partitions=known(first), launched={first.run_key}, free_places=4)
    assert decision.launch == ()
    assert "wait for their run to start" in decision.reason
    assert decide_launches([again], partitions=known(first), launched={first.run_key}, free_places=4).launch == (again,)


def test_a_batch_without_a_partition_is_repaired_and_does_not_stop_the_others() -> None:
    lost, fine = queued(1), queued(2)
    decision = decide_launches([lost, fine], partitions=known(fine), launched=set(), free_places=4)
    assert decision.launch == (fine,)
    assert decision.missing_partitions == (lost.key,)


def test_no_more_batches_are_launched_than_there_are_places() -> None:
    batches = [queued(day) for day in (3, 1, 2)]
    decision = decide_launches(batches, partitions=known(*batches), launched=set(), free_places=2)
    assert [each.key[8:10] for each in decision.launch] == ["01", "02"]


def test_a_tick_without_a_free_place_says_so() -> None:
    waiting = queued(1)
    decision = decide_launches([waiting], partitions=known(waiting), launched=set(), free_places=0)
    assert decision.launch == ()
    assert decision.reason == "1 batch waits: as many batches are running as the policy allows."


def test_a_quiet_tick_has_a_reason() -> None:
    assert decide_launches([], partitions=set(), launched=set(), free_places=4).reason == "No batch is queued."


def cap(scope: str, cap_micros: int, used_micros: int) -> SharedCap:
    return SharedCap(scope=scope, cap_micros=cap_micros, used_micros=used_micros)


FULL_DAY = cap("day:2026-11-30", 200_000_000, 199_990_000)


def test_a_batch_that_a_full_cap_would_stop_is_not_launched_and_the_reason_says_what_to_do() -> None:
    held, fine = replace(queued(1), needed_micros=20_000, caps=(FULL_DAY,)), queued(2)
    both = decide_launches([held, fine], partitions=known(held, fine), launched=set(), free_places=1)
    assert both.launch == (fine,)
    alone = decide_launches([held], partitions=known(held), launched=set(), free_places=1)
    assert alone.launch == ()
    assert alone.reason == (
        "1 batch waits: the spending cap of $200.00 per day is reached ($199.99 spent or reserved, $0.02 needed next): "
        "it starts anew on 2026-12-01 at 00:00 UTC, or raise budgets.day_usd in the policy."
    )


def test_a_stretch_that_spends_nothing_is_launched_under_a_full_cap() -> None:
    sync = replace(queued(1, stretch=Stretch.SYNC), caps=(cap("day:2026-11-30", 1, 1),))
    assert decide_launches([sync], partitions=known(sync), launched=set(), free_places=1).launch == (sync,)


def test_a_cap_with_exactly_the_room_that_is_needed_is_not_full() -> None:
    assert not cap("month:2026-11", 100, 60).is_full_for(40)
    assert cap("month:2026-11", 100, 60).is_full_for(41)
    assert cap("month:2026-11", 100, 100).is_full_for(1)
    assert not cap("month:2026-11", 100, 130).is_full_for(0)


@pytest.mark.parametrize(
    ("scope", "period", "start", "key"),
    [
        ("platform-day:testbook:2026-02-28", "per day for testbook", "2026-03-01", "budgets.platform_day_usd"),
        ("day:2026-12-31", "per day", "2027-01-01", "budgets.day_usd"),
        ("month:2026-12", "per month", "2027-01-01", "budgets.month_usd"),
        ("month:2026-01", "per month", "2026-02-01", "budgets.month_usd"),
        (
            "provider-month:insightiq:2026-11", "per month for insightiq", "2026-12-01",
            "budgets.provider_month_usd.insightiq",
        ),
    ],
)  # fmt: skip
def test_each_cap_says_its_period_its_next_start_and_its_policy_key(scope, period, start, key) -> None:
    sentence = cap(scope, 5_000_000, 5_000_000).sentence(1)
    assert f"cap of $5.00 {period} is reached" in sentence
    assert f"starts anew on {start} at 00:00 UTC, or raise {key} in the policy" in sentence


def test_the_cap_that_lasts_longest_is_told() -> None:
    month = cap("month:2026-11", 1_000_000, 1_000_000)
    assert "per month" in str(replace(queued(1), needed_micros=20_000, caps=(month, FULL_DAY)).held_by)


def test_the_next_purchase_is_the_whole_search_and_after_it_one_lead_at_the_cheapest_stage() -> None:
    stages = {"discovered": {"leads": 10, "micros": 200_000}, "screened": {"leads": 7, "micros": 14_000}}
    stages |= {"analyzed": {"leads": 6, "micros": 600_000}, "scored": {"leads": 0, "micros": 0}}
    assert next_purchase_micros({"stages": stages}, is_search_bought=False) == 200_000
    assert next_purchase_micros({"stages": stages}, is_search_bought=True) == 2_000
    free_search = {"stages": stages | {"discovered": {"leads": 10, "micros": 0}}}
    assert next_purchase_micros(free_search, is_search_bought=False) == 2_000
    nothing_expected = {"stages": {"discovered": {"leads": 0, "micros": 0}}}
    assert next_purchase_micros(nothing_expected, is_search_bought=True) == 1
