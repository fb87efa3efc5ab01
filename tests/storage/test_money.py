"""Reserve, settle, release, lose: no scope ever exceeds its cap, and the ledger adds up (I-20, I-21, I-29)."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from gate_world import NOW, new_batch, policy_with, stop_batch, store_policy, uid
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from socialanalyzer_dagster.domain.refusals import BatchStopped, BudgetExceeded
from socialanalyzer_dagster.storage.attempts import Attempt, AttemptState
from socialanalyzer_dagster.storage.budget_scopes import CapSource
from socialanalyzer_dagster.storage.ledger import LedgerKind
from socialanalyzer_dagster.storage.models_control import BudgetScopeRow, LedgerEntryRow
from socialanalyzer_dagster.storage.money import Correct, Finish, Reserve, Reserved, SuppressionsChanged
from socialanalyzer_dagster.storage.suppressions import Suppression, add_suppressions

CAP = 1_000


def attempt(batch, amount: int, *, leads: int = 1) -> Attempt:
    key = uuid.uuid4().hex * 2
    return Attempt(
        attempt_key=key, call_key=key, fingerprint=key, provider="openai", operation="openai.chat",
        batch_id=batch.batch_id, platform=batch.platform, stage="screened", step="t",
        leads=tuple(uid(number) for number in range(leads)), issue=1, owner="run", policy_version="1.0.0",
        reserved_micros=amount, reserved_at=NOW,
    )  # fmt: skip


def reserve(database, caps: CapSource, attempts: list[Attempt]) -> list[object]:
    with database.write() as connection:
        return list(
            Reserve.apply(connection, [Reserve(attempt=each, caps=caps, suppression_revision=0) for each in attempts])
        )


def scope(database, name: str) -> tuple[int, int, int]:
    with database.read() as connection:
        row = connection.execute(select(BudgetScopeRow.__table__).where(BudgetScopeRow.scope == name)).one_or_none()
    return (row.settled_micros, row.held_micros, row.unknown_micros) if row else (0, 0, 0)


ENDS = st.sampled_from([AttemptState.SETTLED, AttemptState.RELEASED, AttemptState.UNKNOWN])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.lists(st.integers(0, 500), min_size=1, max_size=6)),
        st.tuples(st.just("end"), st.lists(st.tuples(st.integers(0, 30), ENDS, st.integers(0, 100)), max_size=6)),
    ),
    max_size=12,
)


@given(steps=STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_keeps_the_cap_and_the_books_exact(database, policy, steps):
    batch = new_batch(database, policy, cap_micros=CAP)
    caps, name = CapSource(policy.budgets), f"batch:{batch.batch_id}"
    made: list[Attempt] = []
    state: dict[str, AttemptState] = {}
    settled: dict[str, int] = {}
    for kind, what in steps:
        if kind == "reserve":
            wanted = [attempt(batch, amount, leads=1 + amount % 3) for amount in what]
            for each, result in zip(wanted, reserve(database, caps, wanted), strict=True):
                used = sum(_used(one, state, settled) for one in made)
                if isinstance(result, Reserved):
                    made.append(result.attempt)
                    state[each.attempt_key] = AttemptState.RESERVED
                    assert used + each.reserved_micros <= CAP
                else:
                    assert isinstance(result, BudgetExceeded)
                    assert used + each.reserved_micros > CAP
        elif made:
            ends = [(made[index % len(made)], end, share) for index, end, share in what]
            writes = [
                Finish(attempt=one, state=end, at=NOW, amount_micros=one.reserved_micros * share // 100)
                for one, end, share in ends
            ]
            with database.write() as connection:
                Finish.apply(connection, writes) if writes else None
            for write in writes:
                key, before = write.attempt.attempt_key, state[write.attempt.attempt_key]
                if before is AttemptState.RESERVED or (
                    before is AttemptState.UNKNOWN and write.state is not AttemptState.UNKNOWN
                ):
                    state[key] = write.state
                    settled[key] = write.amount_micros
        expected = (
            sum(settled[each.attempt_key] for each in made if state[each.attempt_key] is AttemptState.SETTLED),
            sum(each.reserved_micros for each in made if state[each.attempt_key] is AttemptState.RESERVED),
            sum(each.reserved_micros for each in made if state[each.attempt_key] is AttemptState.UNKNOWN),
        )
        assert scope(database, name) == expected
        assert sum(expected) <= CAP
    assert _ledger_sums(database, batch.batch_id) == _book_sums(made, state, settled)


def _used(one: Attempt, state: dict[str, AttemptState], settled: dict[str, int]) -> int:
    now = state[one.attempt_key]
    if now is AttemptState.SETTLED:
        return settled[one.attempt_key]
    return 0 if now is AttemptState.RELEASED else one.reserved_micros


def _book_sums(made, state, settled) -> tuple[int, int]:
    return (
        sum(settled[each.attempt_key] for each in made if state[each.attempt_key] is AttemptState.SETTLED),
        sum(each.reserved_micros for each in made if state[each.attempt_key] is AttemptState.UNKNOWN),
    )


def _ledger_sums(database, batch_id: str) -> tuple[int, int]:
    with database.read() as connection:
        sums = dict(
            connection.execute(
                select(LedgerEntryRow.kind, func.sum(LedgerEntryRow.amount_micros))
                .where(LedgerEntryRow.batch_id == batch_id)
                .group_by(LedgerEntryRow.kind)
            ).all()
        )
    lost = sums.get(LedgerKind.UNKNOWN, 0) + sums.get(LedgerKind.RESOLVED, 0)
    return int(sums.get(LedgerKind.SETTLED, 0)), int(lost)


def test_a_group_that_does_not_fit_as_a_whole_is_dealt_out_one_by_one(database, policy):
    batch = new_batch(database, policy, cap_micros=CAP)
    results = reserve(database, CapSource(policy.budgets), [attempt(batch, amount) for amount in (600, 500, 400, 1)])
    assert [isinstance(result, Reserved) for result in results] == [True, False, True, False]
    assert scope(database, f"batch:{batch.batch_id}") == (0, 1_000, 0)


def test_a_batch_never_exceeds_the_absolute_maximum(database, policy):
    low = policy_with(policy, budgets={"batch_absolute_usd": "0.0005"})
    batch = new_batch(database, low, cap_micros=10**9)
    results = reserve(database, CapSource(low.budgets), [attempt(batch, 500), attempt(batch, 1)])
    assert isinstance(results[0], Reserved)
    assert isinstance(results[1], BudgetExceeded)


def test_the_cap_of_a_day_follows_the_active_policy(database, policy):
    batch = new_batch(database, policy)
    caps = CapSource(policy.budgets)
    assert isinstance(reserve(database, caps, [attempt(batch, 100)])[0], Reserved)
    store_policy(database, policy_with(policy, budgets={"day_usd": "0.0001"}))
    refusal = reserve(database, caps, [attempt(batch, 1)])[0]
    assert isinstance(refusal, BudgetExceeded)
    assert (refusal.scope, refusal.cap_micros) == ("day:2026-11-20", 100)
    store_policy(database, policy)
    assert isinstance(reserve(database, caps, [attempt(batch, 1)])[0], Reserved)


def test_a_reservation_for_a_batch_that_does_not_exist_is_refused(database, policy):
    batch = new_batch(database, policy)
    stranger = replace(attempt(batch, 1), batch_id=str(uuid.uuid4()))
    results = reserve(database, CapSource(policy.budgets), [stranger, attempt(batch, 1)])
    assert isinstance(results[0], LookupError)
    assert isinstance(results[1], Reserved)


@pytest.mark.parametrize("meanwhile", ["stopped", "listed"])
def test_what_was_decided_while_a_reservation_waited_for_its_scopes_is_obeyed(postgres_database, policy, meanwhile):
    database = postgres_database  # SQLite has one writer at a time: nothing is decided meanwhile
    batch, caps = new_batch(database, policy), CapSource(policy.budgets)
    reserve(database, caps, [attempt(batch, 1)])
    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            scopes = select(BudgetScopeRow.scope).order_by(BudgetScopeRow.scope).with_for_update()
            connection.execute(scopes).all()
            waiting = pool.submit(reserve, database, caps, [attempt(batch, 1)])
            with database.read() as onlooker:
                waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
                while not onlooker.execute(waits).scalar_one():
                    time.sleep(0.01)
            if meanwhile == "stopped":
                stop_batch(database, batch)
            else:
                with database.write() as other:
                    entry = Suppression(kind="handle", keyed_hash="h", reason="asked", source="test", added_at=NOW)
                    add_suppressions(other, [entry])
        [result] = waiting.result(timeout=30)
    assert isinstance(result, BatchStopped if meanwhile == "stopped" else SuppressionsChanged)


def test_the_day_is_the_utc_day_of_the_reservation(sqlite_database, policy):
    from datetime import datetime, timedelta, timezone

    batch = new_batch(sqlite_database, policy)
    evening_in_new_york = datetime(2026, 11, 20, 22, 0, tzinfo=timezone(timedelta(hours=-5)))
    reserve(sqlite_database, CapSource(policy.budgets), [replace(attempt(batch, 7), reserved_at=evening_in_new_york)])
    assert scope(sqlite_database, "day:2026-11-21") == (0, 7, 0)


def test_a_correction_moves_every_scope_and_belongs_to_the_batch(database, policy):
    batch = new_batch(database, policy)
    reserved = reserve(database, CapSource(policy.budgets), [attempt(batch, 100)])[0]
    assert isinstance(reserved, Reserved)
    with database.write() as connection:
        Finish.apply(
            connection,
            [Finish(attempt=reserved.attempt, state=AttemptState.SETTLED, at=NOW, amount_micros=90)],
        )
        Correct.apply(connection, [Correct(attempt=reserved.attempt, difference_micros=-20, at=NOW)])
    for name in reserved.attempt.scopes:
        assert scope(database, name) == (70, 0, 0)
    with database.read() as connection:
        assert connection.execute(text("SELECT settled_micros FROM provider_attempts")).scalar_one() == 70
        rows = connection.execute(
            select(LedgerEntryRow.kind, LedgerEntryRow.lead_uid, LedgerEntryRow.amount_micros).order_by(
                LedgerEntryRow.id
            )
        ).all()
    assert [tuple(row) for row in rows] == [("settled", uid(0), 90), ("correction", None, -20)]


def test_ending_a_sending_that_was_never_reserved_is_an_error(sqlite_database, policy):
    batch = new_batch(sqlite_database, policy)
    with sqlite_database.write() as connection:
        [result] = Finish.apply(connection, [Finish(attempt=attempt(batch, 1), state=AttemptState.RELEASED, at=NOW)])
    with pytest.raises(LookupError):
        raise result
