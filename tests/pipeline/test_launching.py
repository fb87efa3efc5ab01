"""Which queued batches are launched: a pure decision (spec 3.4)."""

from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.pipeline.launching import QueuedBatch, Stretch, decide_launches


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
    assert decision.reason == "1 batches wait: as many batches are running as the policy allows."


def test_a_quiet_tick_has_a_reason() -> None:
    assert decide_launches([], partitions=set(), launched=set(), free_places=4).reason == "No batch is queued."
