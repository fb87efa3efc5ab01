"""What the gate does with one call: reserve, send, settle, store, give again, repeat, refuse (architecture 4)."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from gate_world import (
    CHAT,
    FETCH,
    FETCH_MICROS,
    Vendor,
    VirtualTime,
    attempts,
    ledger,
    money_of,
    new_batch,
    policy_with,
    scopes,
    stage_gate,
    stop_batch,
    uid,
    vendor_error,
)

from socialanalyzer_dagster.domain.calls import ErrorClass, Reply, VendorCall
from socialanalyzer_dagster.domain.policy import stored_policy
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import BatchStopped, BudgetExceeded, ProviderUnavailable, UnknownPrice

LOST = vendor_error(ErrorClass.UNKNOWN, "timeout")
THROTTLED = vendor_error(ErrorClass.THROTTLED, "throttled", status=429, retry_after_seconds=2.0)
NOT_SENT = vendor_error(ErrorClass.TRANSIENT, "not_sent", sent=False)


async def test_an_answer_is_settled_at_its_real_price_and_stored(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor({"data": [1]})
    async with stage_gate(database, policy, clock, batch) as gate:
        answer = await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert (answer.value, answer.cost_micros, answer.reused) == ({"data": [1]}, FETCH_MICROS, False)
    assert money_of(database) == (FETCH_MICROS, 0, 0)
    assert attempts(database) == [("settled", 1, None)]
    assert ledger(database) == {"settled": [(uid(0), FETCH_MICROS, 0)]}


async def test_what_was_not_used_of_the_worst_case_is_released(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor(charge=0)
    async with stage_gate(database, policy, clock, batch) as gate:
        await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert money_of(database) == (0, 0, 0)


async def test_a_replay_after_a_crash_sends_nothing_and_costs_nothing(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor({"data": 1})
    for _ in range(3):  # three runs of the same stage
        async with stage_gate(database, policy, clock, batch) as gate:
            answer = await gate.call(vendor.call(operation=FETCH), leads=[uid(0)], step="fetch")
    assert vendor.sent == 1
    assert (answer.value, answer.cost_micros, answer.reused) == ({"data": 1}, 0, True)
    assert money_of(database) == (FETCH_MICROS, 0, 0)
    assert ledger(database)["reuse"] == [(uid(0), 0, 0)]  # the batch paid for it itself: nothing was saved


async def test_another_batch_and_lead_reuses_an_equal_request_inside_the_window(database, policy, clock):
    first, second, vendor = new_batch(database, policy), new_batch(database, policy), Vendor()
    async with stage_gate(database, policy, clock, first) as gate:
        await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    clock.advance(days=6)
    async with stage_gate(database, policy, clock, second) as gate:
        answer = await gate.call(vendor.call(), leads=[uid(1)], step="fetch")
    assert (vendor.sent, answer.reused, answer.cost_micros) == (1, True, 0)
    assert ledger(database)["reuse"] == [(uid(1), 0, FETCH_MICROS)]


async def test_after_the_window_the_answer_is_bought_again_for_the_same_lead(database, policy, clock):
    first, second, vendor = new_batch(database, policy), new_batch(database, policy), Vendor()
    async with stage_gate(database, policy, clock, first) as gate:
        await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    clock.advance(days=8)
    async with stage_gate(database, policy, clock, second) as gate:
        answer = await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert (vendor.sent, answer.reused) == (2, False)
    assert attempts(database) == [("settled", 1, None), ("settled", 2, None)]


async def test_another_ordinal_is_another_call(sqlite_database, policy, clock):
    batch, vendor = new_batch(sqlite_database, policy), Vendor()
    async with stage_gate(sqlite_database, policy, clock, batch) as gate:
        for ordinal in (0, 1):
            await gate.call(vendor.call(), leads=[uid(0)], step="fetch", ordinal=ordinal)
    assert vendor.sent == 2


async def test_equal_requests_at_the_same_time_are_sent_once(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor()
    async with stage_gate(database, policy, clock, batch) as gate:
        answers = await asyncio.gather(
            *(gate.call(vendor.call(), leads=[uid(number % 3)], step="fetch") for number in range(12))
        )
    assert vendor.sent == 1
    assert sorted(answer.reused for answer in answers) == [False] + [True] * 11
    assert {saved for _, _, saved in ledger(database)["reuse"]} == {0}


async def test_a_batch_saves_the_price_of_a_foreign_answer_once_however_often_it_reads_it(database, policy, clock):
    first, second, vendor = new_batch(database, policy), new_batch(database, policy), Vendor()
    async with stage_gate(database, policy, clock, first) as gate:
        await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    for _ in range(2):
        async with stage_gate(database, policy, clock, second) as gate:
            for lead in (uid(1), uid(2)):
                await gate.call(vendor.call(), leads=[lead], step="fetch")
    assert vendor.sent == 1
    assert ledger(database)["reuse"] == [(uid(1), 0, FETCH_MICROS), (uid(2), 0, 0)]


async def test_a_shared_call_is_split_exactly_and_the_remainder_goes_to_the_first(database, policy, clock):
    batch = new_batch(database, policy)
    vendor = Vendor()
    policy_of_odd_price = policy_with(policy, prices={FETCH: {"usd": "0.000011", "unit": "call"}})
    async with stage_gate(database, policy_of_odd_price, clock, batch) as gate:
        await gate.call(vendor.call(), leads=[uid(0), uid(1), uid(2)], step="fetch")
        await gate.call(vendor.call("b"), leads=[], step="fetch")
    assert ledger(database)["settled"] == [(uid(0), 4, 0), (uid(1), 4, 0), (uid(2), 3, 0), (None, 11, 0)]
    assert money_of(database) == (22, 0, 0)


async def test_a_call_without_a_price_is_refused_and_not_sent(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor()
    call = VendorCall(
        operation=CHAT, request={}, max_units={"openai.gpt-9.input": 1}, send=vendor.send, decode=lambda body: body
    )
    nameless = VendorCall(operation=CHAT, request={}, max_units={}, send=vendor.send, decode=lambda body: body)
    async with stage_gate(database, policy, clock, batch) as gate:
        with pytest.raises(UnknownPrice, match="gpt-9"):
            await gate.call(call, leads=[uid(0)], step="triage")
        with pytest.raises(UnknownPrice):
            await gate.call(nameless, leads=[uid(0)], step="triage")
    assert vendor.sent == 0
    assert attempts(database) == []


async def test_an_answer_billed_in_an_unlisted_unit_is_booked_at_its_worst_case(sqlite_database, policy, clock):
    batch = new_batch(sqlite_database, policy)

    async def send() -> Reply:
        return Reply(body={}, units={"openai.new_unit": 5})

    call = VendorCall(operation=FETCH, request={}, max_units={FETCH: 2}, send=send, decode=lambda body: body)
    async with stage_gate(sqlite_database, policy, clock, batch) as gate:
        answer = await gate.call(call, leads=[uid(0)], step="fetch")
    assert answer.cost_micros == 2 * FETCH_MICROS
    assert money_of(sqlite_database) == (2 * FETCH_MICROS, 0, 0)


async def test_a_body_that_does_not_fit_is_a_failed_item_and_stays_paid(database, policy, clock):
    first, second, vendor = new_batch(database, policy), new_batch(database, policy), Vendor("odd", "odd")

    def refuse(body):
        raise ValueError("not an object")

    for batch in (first, first, second):  # its own batch replays it, another one does not
        async with stage_gate(database, policy, clock, batch) as gate:
            with pytest.raises(CallFailed, match="undecodable_answer") as failure:
                await gate.call(vendor.call(decode=refuse), leads=[uid(0)], step="fetch")
            assert failure.value.error.error_class is ErrorClass.PERMANENT_ITEM
            assert not failure.value.outcome_unknown
    assert vendor.sent == 2
    assert scopes(database)["day"] == (2 * FETCH_MICROS, 0, 0)


async def test_a_full_scope_refuses_the_call_and_leaves_nothing_held(database, policy, clock):
    batch, vendor = new_batch(database, policy, cap_micros=2 * FETCH_MICROS + 1), Vendor()
    async with stage_gate(database, policy, clock, batch) as gate:
        for name in "ab":
            await gate.call(vendor.call(name), leads=[uid(0)], step="fetch")
        with pytest.raises(BudgetExceeded) as refusal:
            await gate.call(vendor.call("c"), leads=[uid(0)], step="fetch")
    assert refusal.value.scope == f"batch:{batch.batch_id}"
    assert vendor.sent == 2
    assert money_of(database) == (2 * FETCH_MICROS, 0, 0)


async def test_a_raised_batch_cap_counts_at_the_next_call(sqlite_database, policy, clock):
    from sqlalchemy import update

    from socialanalyzer_dagster.storage.models_leads import LeadBatchRow

    batch, vendor = new_batch(sqlite_database, policy, cap_micros=1), Vendor()
    async with stage_gate(sqlite_database, policy, clock, batch) as gate:
        with pytest.raises(BudgetExceeded):
            await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
        with sqlite_database.write() as connection:
            connection.execute(update(LeadBatchRow).values(cap_micros=FETCH_MICROS))
        await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert money_of(sqlite_database) == (FETCH_MICROS, 0, 0)


async def test_a_provider_month_counts_only_where_the_policy_sets_one(sqlite_database, policy, clock):
    tight = policy_with(policy, budgets={"provider_month_usd": {"insightiq": "0.05"}})
    batch, vendor = new_batch(sqlite_database, tight), Vendor()
    async with stage_gate(sqlite_database, tight, clock, batch) as gate:
        await gate.call(vendor.call("a"), leads=[uid(0)], step="fetch")
        with pytest.raises(BudgetExceeded, match="provider-month:insightiq:2026-11"):
            await gate.call(vendor.call("b"), leads=[uid(0)], step="fetch")
    assert "provider-month" in scopes(sqlite_database)


async def test_two_hundred_calls_at_once_never_exceed_the_cap_by_a_micro(database, policy, clock):
    batch, vendor = new_batch(database, policy, cap_micros=37 * FETCH_MICROS + 9), Vendor()
    fast = policy_with(
        policy, limits={"buckets": policy.document()["limits"]["buckets"] | {"insightiq": {"concurrent": 200}}}
    )
    async with stage_gate(database, fast, clock, batch) as gate:
        results = await asyncio.gather(
            *(gate.call(vendor.call(str(number)), leads=[uid(0)], step="fetch") for number in range(200)),
            return_exceptions=True,
        )
    assert sum(isinstance(result, BudgetExceeded) for result in results) == 163
    assert vendor.sent == 37
    assert money_of(database) == (37 * FETCH_MICROS, 0, 0)


async def test_two_gates_at_once_share_the_cap(database, policy, clock):
    batch, vendor = new_batch(database, policy, cap_micros=10 * FETCH_MICROS), Vendor()
    async with (
        stage_gate(database, policy, clock, batch) as one,
        stage_gate(database, policy, clock, batch) as other,
    ):
        results = await asyncio.gather(
            *(
                (one, other)[number % 2].call(vendor.call(str(number)), leads=[uid(0)], step="fetch")
                for number in range(40)
            ),
            return_exceptions=True,
        )
    assert sum(isinstance(result, BudgetExceeded) for result in results) == 30
    assert money_of(database) == (10 * FETCH_MICROS, 0, 0)


async def test_a_cap_warns_once_at_its_share_and_again_when_it_changes(sqlite_database, policy, clock):
    from sqlalchemy import update

    from socialanalyzer_dagster.storage.models_leads import LeadBatchRow

    warned: list[str] = []
    batch, vendor = new_batch(sqlite_database, policy, cap_micros=10 * FETCH_MICROS), Vendor()
    options = {"on_cap_warning": lambda warning: warned.append(warning.scope)}
    async with stage_gate(sqlite_database, policy, clock, batch, **options) as gate:
        for number in range(10):
            await gate.call(vendor.call(str(number)), leads=[uid(0)], step="fetch")
            assert len(warned) == (1 if number >= 7 else 0)
        with sqlite_database.write() as connection:
            connection.execute(update(LeadBatchRow).values(cap_micros=11 * FETCH_MICROS))
        await gate.call(vendor.call("more"), leads=[uid(0)], step="fetch")
    assert warned == [f"batch:{batch.batch_id}"] * 2


async def test_a_stopped_batch_is_refused_before_anything(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor()
    stop_batch(database, batch)
    async with stage_gate(database, policy, clock, batch) as gate:
        with pytest.raises(BatchStopped):
            await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert vendor.sent == 0


async def test_a_stop_that_this_process_has_not_noticed_refuses_the_reservation(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor()
    async with stage_gate(database, policy, clock, batch, **VirtualTime().options) as gate:
        await gate.call(vendor.call("a"), leads=[uid(0)], step="fetch")
        stop_batch(database, batch)  # the flag in memory is still fresh
        with pytest.raises(BatchStopped):
            await gate.call(vendor.call("b"), leads=[uid(0)], step="fetch")
    assert vendor.sent == 1
    assert money_of(database) == (FETCH_MICROS, 0, 0)


async def test_a_stop_between_reservation_and_sending_releases_the_money(database, policy, clock):
    time = VirtualTime()
    batch, vendor = new_batch(database, policy, cap_micros=FETCH_MICROS), Vendor()

    def stop_now(_warning):  # called after the reservation was committed
        stop_batch(database, batch)
        time.seconds += 5

    async with stage_gate(database, policy, clock, batch, on_cap_warning=stop_now, **time.options) as gate:
        with pytest.raises(BatchStopped):
            await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert vendor.sent == 0
    assert money_of(database) == (0, 0, 0)
    assert attempts(database) == [("released", 1, "not_sent")]


@pytest.mark.parametrize("error", [THROTTLED, NOT_SENT], ids=["throttled", "not sent"])
async def test_a_spending_call_that_was_certainly_not_charged_is_sent_again(database, policy, clock, error):
    time, batch, vendor = VirtualTime(), new_batch(database, policy), Vendor(error, {"data": 1})
    async with stage_gate(database, policy, clock, batch, **time.options) as gate:
        answer = await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert (answer.value, vendor.sent) == ({"data": 1}, 2)
    assert attempts(database) == [("released", 1, error.code), ("settled", 2, None)]
    assert money_of(database) == (FETCH_MICROS, 0, 0)
    if error is THROTTLED:
        assert time.slept[0] == 2.0


async def test_no_money_is_held_while_a_repeat_waits(database, policy, clock):
    held: list[tuple[int, int, int]] = []
    time, batch, vendor = VirtualTime(), new_batch(database, policy), Vendor(THROTTLED)

    async def sleep(seconds: float) -> None:
        held.append(money_of(database))
        await time.sleep(seconds)

    async with stage_gate(database, policy, clock, batch, sleep=sleep, monotonic=time.monotonic) as gate:
        await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert held
    assert set(held) == {(0, 0, 0)}


async def test_a_call_that_is_given_up_holds_nothing(database, policy, clock):
    error = vendor_error(ErrorClass.PERMANENT_ITEM, "http_422", status=422)
    batch, vendor = new_batch(database, policy), Vendor(error)
    async with stage_gate(database, policy, clock, batch, **VirtualTime().options) as gate:
        with pytest.raises(CallFailed) as failure:
            await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert failure.value.error is error
    assert not failure.value.outcome_unknown
    assert money_of(database) == (0, 0, 0)


async def test_a_vendor_that_asks_for_more_than_the_longest_wait_cannot_be_used_till_then(database, policy, clock):
    error = vendor_error(ErrorClass.THROTTLED, "throttled", status=429, retry_after_seconds=61.0)
    batch, vendor = new_batch(database, policy), Vendor(error)
    async with stage_gate(database, policy, clock, batch, **VirtualTime().options) as gate:
        with pytest.raises(ProviderUnavailable, match="rate_limit_reached") as refusal:
            await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert refusal.value.retry_at == clock.now() + timedelta(seconds=61)
    assert money_of(database) == (0, 0, 0)


async def test_after_a_refusal_of_the_service_no_further_call_is_sent(database, policy, clock):
    batch = new_batch(database, policy)
    vendor = Vendor(vendor_error(ErrorClass.PERMANENT_SERVICE, "no_credit", status=402))
    async with stage_gate(database, policy, clock, batch) as gate:
        for name in "abc":
            with pytest.raises(ProviderUnavailable, match="no_credit"):
                await gate.call(vendor.call(name), leads=[uid(0)], step="fetch")
    assert vendor.sent == 1
    assert money_of(database) == (0, 0, 0)


async def test_a_lost_answer_is_sent_once_more_and_its_worst_case_stays_unknown(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor(LOST, {"data": 1})
    async with stage_gate(database, policy, clock, batch, **VirtualTime().options) as gate:
        answer = await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert answer.value == {"data": 1}
    assert attempts(database) == [("unknown", 1, "timeout"), ("settled", 2, None)]
    assert money_of(database) == (FETCH_MICROS, 0, FETCH_MICROS)
    assert ledger(database)["unknown"] == [(uid(0), FETCH_MICROS, 0)]


async def test_two_lost_answers_are_an_unknown_outcome(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor(LOST, LOST, LOST, {"data": 1})
    async with stage_gate(database, policy, clock, batch, **VirtualTime().options) as gate:
        for _ in range(2):  # asking again in the same run sends nothing more
            with pytest.raises(CallFailed) as failure:
                await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
            assert failure.value.outcome_unknown
    assert vendor.sent == 2
    assert money_of(database) == (0, 0, 2 * FETCH_MICROS)


async def test_a_lost_call_is_sent_again_when_a_person_asks_and_by_no_run_of_itself(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor(LOST, LOST, LOST, LOST, {"data": 1})
    for asks, sent in ((False, 2), (False, 2), (True, 3), (False, 3), (True, 4)):
        clock.advance(minutes=1)
        batch = replace(batch, asked_at=clock.now()) if asks else batch
        async with stage_gate(database, policy, clock, batch, **VirtualTime().options) as gate:
            with pytest.raises(CallFailed) as failure:
                await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
        assert (failure.value.outcome_unknown, vendor.sent) == (True, sent)
    clock.advance(minutes=1)
    batch = replace(batch, asked_at=clock.now())
    async with stage_gate(database, policy, clock, batch, **VirtualTime().options) as gate:
        assert (await gate.call(vendor.call(), leads=[uid(0)], step="fetch")).value == {"data": 1}


async def test_a_lost_call_is_sent_again_once_also_under_a_stored_policy_that_said_more(sqlite_database, policy, clock):
    document = policy.document()
    lavish = stored_policy(document | {"retries": document["retries"] | {"reissue_lost": 5}})
    batch, vendor = new_batch(sqlite_database, lavish), Vendor(*[LOST] * 9)
    async with stage_gate(sqlite_database, lavish, clock, batch, **VirtualTime().options) as gate:
        with pytest.raises(CallFailed):
            await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert vendor.sent == 2


@pytest.mark.parametrize(("wait", "longest"), [("0", 0.0), ("10", 30.0)])
async def test_a_transcription_that_is_always_throttled_is_given_up_after_three_tries(
    sqlite_database, policy, clock, wait, longest
):
    patient = policy_with(policy, analysis={"transcription_wait_seconds": wait})
    batch, time = new_batch(sqlite_database, patient), VirtualTime()
    vendor = Vendor(*[vendor_error(ErrorClass.THROTTLED, "http_429", status=429)] * 9)
    call = replace(vendor.call(), operation="openai.transcription", max_units={"openai.whisper-1": 1}, tokens=None)
    async with stage_gate(sqlite_database, patient, clock, batch, **time.options) as gate:
        with pytest.raises(ProviderUnavailable, match="rate_limit_reached"):
            await gate.call(call, leads=[uid(0)], step="transcription")
    assert vendor.sent == 3
    assert time.seconds - 1000.0 <= longest


async def test_without_reissue_a_lost_answer_is_final(sqlite_database, policy, clock):
    strict = policy_with(policy, retries={"reissue_lost": 0})
    batch, vendor = new_batch(sqlite_database, strict), Vendor(LOST)
    for _ in range(2):
        async with stage_gate(sqlite_database, strict, clock, batch, **VirtualTime().options) as gate:
            with pytest.raises(CallFailed) as failure:
                await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
            assert failure.value.outcome_unknown
    assert vendor.sent == 1


async def test_a_free_call_is_repeated_without_money_or_rows(database, policy, clock):
    time, batch = VirtualTime(), new_batch(database, policy)
    vendor = Vendor(
        vendor_error(ErrorClass.TRANSIENT, "http_503", status=503),
        vendor_error(ErrorClass.TRANSIENT, "timeout"),
        "page",
    )
    call = VendorCall(operation="page.fetch", request={}, max_units={}, send=vendor.send, decode=str)
    async with stage_gate(database, policy, clock, batch, **time.options) as gate:
        answer = await gate.call(call, leads=[uid(0)], step="crawl")
    assert (answer.value, answer.cost_micros, vendor.sent) == ("page", 0, 3)
    assert attempts(database) == []


async def test_a_free_call_is_given_up_after_the_attempts_of_the_policy(sqlite_database, policy, clock):
    batch = new_batch(sqlite_database, policy)
    vendor = Vendor(*(vendor_error(ErrorClass.TRANSIENT, "http_503", status=503) for _ in range(9)))
    call = VendorCall(operation="page.fetch", request={}, max_units={}, send=vendor.send, decode=str)
    async with stage_gate(sqlite_database, policy, clock, batch, **VirtualTime().options) as gate:
        with pytest.raises(CallFailed):
            await gate.call(call, leads=[uid(0)], step="crawl")
    assert vendor.sent == policy.retries.attempts


async def test_a_fault_of_our_own_while_a_request_is_out_counts_as_lost(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor(KeyError("a bug"))
    async with stage_gate(database, policy, clock, batch) as gate:
        with pytest.raises(KeyError):
            await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert money_of(database) == (0, 0, FETCH_MICROS)
