"""Making batches: everything wrong is told at once, nothing is made twice, money needs a yes (spec 2.4, 5.1, 12.5)."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from batch_world import PLATFORM, World, book_policy
from sqlalchemy import func, select, update

from socialanalyzer_dagster.domain.batch_keys import BadBatchKey
from socialanalyzer_dagster.domain.creator_lists import ListRow, UnusableRow
from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import list_store
from socialanalyzer_dagster.pipeline.batch_actions import Deed, NoSuchBatch, confirm, find_batch, set_cap, stop
from socialanalyzer_dagster.pipeline.batch_drafts import (
    AlreadyRunning,
    BatchRefused,
    EstimateOverCap,
    IdempotencyConflict,
    WrongConfirmation,
)
from socialanalyzer_dagster.pipeline.batch_entry import NeedsConfirmation, StaleLaunch
from socialanalyzer_dagster.pipeline.batch_requests import UnknownPreset
from socialanalyzer_dagster.pipeline.batch_status import StatusRefused
from socialanalyzer_dagster.pipeline.batches import batch_from_key
from socialanalyzer_dagster.pipeline.presets import PresetForm, save_preset
from socialanalyzer_dagster.storage import searches
from socialanalyzer_dagster.storage.models_control import AuditEntryRow, BdrRow
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow, ListRowRow

pytestmark = pytest.mark.usefixtures("every_core")

BY = Deed(by="Ada")


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


@pytest.fixture
def on_both(database, policy, clock, tmp_path):
    """The same on each engine, where locks and unique keys decide."""
    return World(database, book_policy(policy), clock, tmp_path)


def preset(world, name="Travel Micro", **filters):
    form = PresetForm(platform=PLATFORM, name=name, filters=filters or {"keyword": "travel"}, by="Ada")
    return save_preset(world.workplace, form)


def test_a_new_batch_is_queued_under_a_readable_key_with_its_policy_pinned(world):
    created = world.create(filters={"keyword": "travel"})
    batch = find_batch(world.workplace, created.key)
    assert created.key.startswith("2026-11-20.testbook.adhoc-")
    assert (batch.status, batch.attempt, batch.bdr_names) == ("queued", 1, ["Ada"])
    assert (batch.policy_hash, batch.policy_version) == (world.policy.digest, world.policy.policy_version)
    assert created.estimate_micros == 200_000 + 140_000 + 3 * 120_000
    assert created.worst_case_micros == 5 * 200_000


def test_every_problem_of_a_request_is_told_at_once_and_nothing_is_stored(world):
    with pytest.raises(FilterProblems) as refused:
        world.create(
            filters={"keyword": 3, "nonsense": 1},
            fields={"bdr_names": ["Nobody"], "max_leads": 5000, "max_budget_usd": "ten"},
            canary=0,
        )
    fields = {problem.field for problem in refused.value.problems}
    assert {"keyword", "nonsense", "bdr_names", "max_leads", "max_budget_usd", "canary"} <= fields
    with world.database.read() as connection:
        assert connection.execute(LeadBatchRow.__table__.select()).first() is None


def test_a_budget_above_the_absolute_maximum_is_refused(world):
    with pytest.raises(FilterProblems, match="200"):
        world.create(fields={"max_budget_usd": 201})


def test_an_unknown_platform_names_those_that_exist(world):
    with pytest.raises(FilterProblems, match="testbook"):
        world.create(platform="myspace")


def test_an_inactive_bdr_is_refused(world):
    with world.database.write() as connection:
        connection.execute(BdrRow.__table__.insert().values(name="Bo", owner_id="2", is_active=False, position=2))
    with pytest.raises(FilterProblems, match="not active"):
        world.create(fields={"bdr_names": ["Bo"]})


def test_the_same_idempotency_key_and_body_is_the_same_batch(on_both):
    request = {"filters": {"keyword": "a"}, "fields": {"idempotency_key": "k"}}
    first, second = on_both.create(**request), on_both.create(**request)
    assert (second.key, second.created) == (first.key, False)
    with pytest.raises(IdempotencyConflict, match=first.key):
        on_both.create(filters={"keyword": "b"}, fields={"idempotency_key": "k"})


def test_a_search_that_is_running_is_refused_unless_forced_with_a_reason(on_both):
    first = on_both.create(filters={"keyword": "a"})
    with pytest.raises(AlreadyRunning, match=first.key):
        on_both.create(filters={"keyword": "A "})
    with pytest.raises(FilterProblems, match="reason"):
        on_both.create(filters={"keyword": "a"}, force_reason=" ")
    second = on_both.create(filters={"keyword": "a"}, force_reason="the first one hangs")
    assert second.key == f"{first.key}.2"
    assert first.key in second.warnings[0]


def test_racing_requests_get_keys_of_their_own(on_both):
    preset(on_both)
    created, errors = [], []

    def make(number):
        try:
            created.append(on_both.create(preset="travel-micro", force_reason=f"race {number}").key)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    stem = "2026-11-20.testbook.travel-micro"
    assert sorted(created) == [stem, f"{stem}.2", f"{stem}.3", f"{stem}.4"]


def test_an_estimate_over_the_cap_is_refused_unless_the_caller_stops_at_the_cap(world):
    with pytest.raises(EstimateOverCap, match=r"\$0\.50"):
        world.create(fields={"max_budget_usd": 0.5})
    assert world.create(fields={"max_budget_usd": 0.5}, stop_at_cap=True).status == "queued"


def test_an_estimate_at_the_threshold_waits_until_exactly_it_is_confirmed(world):
    big = {"keyword": "big", "max_results": 500}
    created = world.create(filters=big)
    assert created.status == "awaiting_confirmation"
    with pytest.raises(WrongConfirmation, match=str(created.estimate_micros)):
        confirm(world.workplace, created.key, BY, estimate_micros=1)
    confirmed = confirm(world.workplace, created.key, BY, estimate_micros=created.estimate_micros)
    assert confirmed.status == "queued"
    assert world.create(filters={**big, "keyword": "x"}, confirmed=True).status == "queued"
    figure = {"confirm_estimate_micro": created.estimate_micros}
    assert world.create(filters={**big, "keyword": "y"}, fields=figure).status == "queued"
    with pytest.raises(WrongConfirmation):
        world.create(filters={**big, "keyword": "z"}, fields={"confirm_estimate_micro": 5})


async def test_a_run_on_an_unconfirmed_batch_ends_before_spending_with_the_figure_to_enter(world):
    created = world.create(filters={"keyword": "big", "max_results": 500})
    with pytest.raises(NeedsConfirmation, match=str(created.estimate_micros)):
        async with world.opened(created.key):
            pass
    async with world.opened(created.key, confirm_estimate_micro=created.estimate_micros) as batch:
        assert batch.row.status == "queued"
    assert world.vendor.sent == 0


def test_a_key_creates_its_batch_from_the_preset_it_names(world):
    preset(world)
    key = "2026-11-25.testbook.travel-micro.2"
    batch = batch_from_key(world.workplace, key)
    assert (batch.partition_key, batch.status, batch.filters["keyword"]) == (key, "requested", "travel")
    assert batch_from_key(world.workplace, key).batch_id == batch.batch_id


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("nonsense", "must be"),
        ("2026-11-20.myspace.travel-micro", "testbook"),
        ("2026-11-20.testbook.unknown", "travel-micro"),
        ("2026-11-20.testbook.adhoc-01234567", "no batch"),
    ],
)
def test_a_key_that_names_nothing_says_what_exists(world, key, told):
    preset(world)
    with pytest.raises(BadBatchKey, match=told):
        batch_from_key(world.workplace, key)


def test_an_unknown_preset_lists_those_that_exist(world):
    preset(world)
    with pytest.raises(UnknownPreset, match="testbook/travel-micro"):
        world.create(preset="nope", platform=None)


def test_a_queued_batch_that_is_stopped_ends_at_once_and_stays_ended(on_both):
    key = on_both.create().key
    assert stop(on_both.workplace, key, BY).status == "stopped"
    with pytest.raises(StatusRefused, match="stopped"):
        stop(on_both.workplace, key, BY)


def test_a_cap_change_is_audited_and_bounded(world):
    key = world.create().key
    assert set_cap(world.workplace, key, BY, cap_micros=7_000_000).cap_micros == 7_000_000
    with pytest.raises(BatchRefused, match=r"200\.00"):
        set_cap(world.workplace, key, BY, cap_micros=201_000_000)
    with world.database.read() as connection:
        entries = connection.execute(AuditEntryRow.__table__.select()).all()
    assert ("Ada", "batch.set_cap") in {(entry.actor, entry.action) for entry in entries}
    with pytest.raises(NoSuchBatch):
        set_cap(world.workplace, "2026-11-20.testbook.none", BY, cap_micros=1)


async def test_a_run_by_hand_asks_for_the_batch_and_one_that_starts_by_itself_does_not(world):
    key = world.create().key
    for by_itself in ({"launched_attempt": 1}, {"is_rerun": True}):
        async with world.opened(key, **by_itself) as batch:
            assert batch.asked_at is None
    async with world.opened(key) as batch:
        assert batch.asked_at == world.clock.now()


async def test_a_run_launched_for_an_earlier_attempt_does_nothing(world):
    key = world.create().key
    with world.database.write() as connection:
        connection.execute(update(LeadBatchRow).values(attempt=2))
    with pytest.raises(StaleLaunch):
        async with world.opened(key, launched_attempt=1):
            pass


async def test_a_used_up_search_and_a_similar_one_are_told_before_launch(world, clock):
    first = world.create(filters={"keyword": "travel"})
    await world.run(first.key)
    from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
    from socialanalyzer_dagster.pipeline.batch_status import BatchStatus

    def finish(key):
        batch = find_batch(world.workplace, key)
        finish_batch(world.workplace, batch, Ending(status=BatchStatus.COMPLETED, cause=None, now=world.clock.now()))

    finish(first.key)
    clock.at += timedelta(days=3)
    second = world.create(filters={"keyword": "travel"})
    assert second.warnings == ()
    await world.run(second.key)
    clock.at += timedelta(days=2)
    third = world.create(filters={"keyword": "travel"})
    assert any("2 days ago" in warning and "new" in warning for warning in third.warnings)


async def test_a_creator_list_that_a_killed_process_half_stored_is_completed(world, monkeypatch):
    monkeypatch.setattr(list_store, "_PART", 2)
    rows = [ListRow(line=number, handle=f"p{number}") for number in range(2, 7)]
    insert, calls = searches.insert_list_rows, []

    def killed(connection, fingerprint, part):
        calls.append(fingerprint)
        if len(calls) == 2:
            raise RuntimeError("killed")
        insert(connection, fingerprint, part)

    monkeypatch.setattr(searches, "insert_list_rows", killed)
    with pytest.raises(RuntimeError, match="killed"):
        world.create(creator_list=rows)
    key = world.create(creator_list=rows).key
    assert len(calls) == 5
    report = (await world.run(key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert report.items == {"lead": 5}
    world.create(creator_list=rows, force_reason="again")
    assert len(calls) == 5, "a list that is stored is not stored again"


def test_a_list_that_is_refused_leaves_nothing_behind(world):
    rows = [ListRow(line=number, handle=f"p{number}") for number in range(2, 7)]
    with pytest.raises(EstimateOverCap):
        world.create(creator_list=rows, fields={"max_budget_usd": Decimal("0.01")})
    with pytest.raises(FilterProblems, match="line 2: nobody"):
        world.create(creator_list=[UnusableRow(line=2, result=ItemResult.NO_IDENTITY, reason="nobody")])
    with world.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(ListRowRow)).scalar_one() == 0


def test_the_unusable_rows_of_a_list_are_told_up_to_twenty_and_then_counted(world):
    bad = [UnusableRow(line=number, result=ItemResult.NO_IDENTITY, reason="nobody") for number in range(3, 33)]
    warnings = world.create(creator_list=[ListRow(line=2, handle="p1"), *bad]).warnings
    told = [each for each in warnings if "list cannot be used" in each]
    assert told[0] == "line 3 of the list cannot be used: nobody"
    assert told[-1].startswith("10 more rows of the list cannot be used")
    assert len(told) == 21


def test_the_same_key_and_list_is_the_same_batch_although_some_rows_name_nobody(world):
    rows = [ListRow(line=2, handle="p1"), ListRow(line=3, handle="?")]
    first = world.create(creator_list=rows, fields={"idempotency_key": "k"})
    again = world.create(creator_list=rows, fields={"idempotency_key": "k"})
    assert (again.key, again.created) == (first.key, False)


async def test_a_creator_list_is_a_search_whose_rows_are_all_accounted_for(world):
    rows = [
        ListRow(line=2, handle="p1"),
        UnusableRow(line=3, result=ItemResult.NO_IDENTITY, reason="no handle"),
        ListRow(line=4, handle="p2"),
        ListRow(line=5, handle="p1"),
    ]
    created = world.create(creator_list=rows)
    assert created.key.startswith("2026-11-20.testbook.list-")
    assert world.create(creator_list=rows, force_reason="again").key == f"{created.key}.2"
    reports = await world.run(created.key)
    assert reports[Stage.DISCOVERED].items == {"lead": 2, "no_identity": 1, "duplicate_in_batch": 1}
    assert world.codes(Stage.SCORED) == {"passed": 2}
    assert "search" not in world.vendor.asked
