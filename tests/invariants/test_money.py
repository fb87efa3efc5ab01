"""What must be true of money, whatever happens on the way: invariants I-20 to I-31 (spec 21.2)."""

import asyncio
import socket
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from batch_world import FETCH, FETCH_MICROS, FOUND_MICROS, SEARCH, World, book_policy
from crm_world import CrmWorld
from dagster import DefaultScheduleStatus
from gate_world import Vendor, gate_over, handle, ledger, new_batch, policy_with, stage_gate, uid, vendor_error
from sqlalchemy import func, select

from socialanalyzer_dagster.definitions import build_definitions
from socialanalyzer_dagster.domain.calls import ErrorClass, Reply, VendorCall
from socialanalyzer_dagster.domain.creator_lists import CreatorList, ListRow
from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.policy import Policy, PolicyError, parse_policy, shipped_policy
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import BudgetExceeded, UnknownPrice
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.approvals import approve
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, retry, stop
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.batch_view import batch_view
from socialanalyzer_dagster.pipeline.batches import create_batch
from socialanalyzer_dagster.pipeline.crm_admission import SyncRefused
from socialanalyzer_dagster.pipeline.ledger_view import ledger_view
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.pipeline.rescore import rescore
from socialanalyzer_dagster.platforms.enrichment_leads import LeadView
from socialanalyzer_dagster.platforms.enrichment_steps_lookups import needs_lookup
from socialanalyzer_dagster.platforms.registry import platform
from socialanalyzer_dagster.settings import Settings, SettingsError
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_control import (
    BudgetScopeRow,
    LedgerEntryRow,
    ProviderAttemptRow,
    VendorJobRow,
)
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow
from socialanalyzer_dagster.vendors.connect import connect_vendors
from tests.platforms.leads import creators, record_of, work_of
from tests.platforms.runs import Bench, run

pytestmark = pytest.mark.xdist_group("invariants")  # their town is built once, not in every test process
BY = Deed(by="Ada")


def one(database: Database, query: Any) -> Any:
    with database.read() as connection:
        return connection.execute(query).scalar_one()


def over_cap(database: Database) -> int:
    """Scopes whose settled, held and unknown money exceeds their cap."""
    used = BudgetScopeRow.settled_micros + BudgetScopeRow.held_micros + BudgetScopeRow.unknown_micros
    return one(database, select(func.count()).where(used > BudgetScopeRow.cap_micros))


def complete(world: World, key: str) -> None:
    ending = Ending(status=BatchStatus.COMPLETED, cause=None, now=world.clock.now())
    finish_batch(world.workplace, find_batch(world.workplace, key), ending)


async def test_i_20_settled_held_and_unknown_stay_under_every_cap_in_any_interleaving(sqlite_database, policy, clock):
    database = sqlite_database
    fast = policy_with(
        policy,
        limits={"buckets": policy.document()["limits"]["buckets"] | {"insightiq": {"concurrent": 60}}},
        budgets={"day_usd": "0.9"},
    )
    batches = [new_batch(database, fast, cap_micros=13 * FETCH_MICROS + 7) for _ in range(2)]
    lost = vendor_error(ErrorClass.UNKNOWN, "timeout")
    seen: list[int] = []

    class Watched(Vendor):
        async def send(self) -> Reply:
            seen.append(await asyncio.to_thread(over_cap, database))
            return await super().send()

    vendors = [Watched(*([lost, {"a": 1}] * 20)), Watched(*([{"a": 1}, lost] * 20))]

    async def process(at: int) -> list[Any]:
        async with gate_over(database, fast, clock) as gate:
            stage = gate.bind(batches[at], Stage.SCREENED)
            await stage.identify(uid(0), [handle(0)])
            calls = (stage.call(vendors[at].call(f"{at}-{n}"), leads=[uid(0)], step="fetch") for n in range(40))
            return await asyncio.gather(*calls, return_exceptions=True)

    results = [each for part in await asyncio.gather(process(0), process(1)) for each in part]
    assert {type(each) for each in results if isinstance(each, Exception)} <= {BudgetExceeded, CallFailed}
    assert any(isinstance(each, BudgetExceeded) for each in results)
    assert seen
    assert not any(seen)
    assert over_cap(database) == 0
    unknown = one(database, select(func.sum(BudgetScopeRow.unknown_micros)).where(BudgetScopeRow.scope.like("day:%")))
    assert unknown, "money of lost answers stays held"


@pytest.mark.parametrize("name", ["batch_absolute_usd", "platform_day_usd", "day_usd", "month_usd"])
def test_i_20_there_is_no_unlimited_value(name: str, world: World):
    for value in (0, None, "Infinity", -1):
        document = shipped_policy().document()
        document["budgets"][name] = value
        with pytest.raises(PolicyError):
            parse_policy(document)
    for budget in (0, 200.01, float("inf")):
        with pytest.raises(FilterProblems):
            world.create(fields={"max_budget_usd": budget})


async def test_i_20_the_cost_of_a_failed_stage_counts(world: World):
    world.vendor.names = ["p1"]
    world.vendor.bugs["screened:p1"] = ValueError("private")
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED)
    view = batch_view(world.workplace, key)
    assert view["stages"]["screened"]["failed"] == 1
    assert view["spend_micros"] == FOUND_MICROS + FETCH_MICROS


async def test_i_21_no_call_goes_out_without_stored_attempt_reservation_and_price(sqlite_database, policy, clock):
    database, batch = sqlite_database, new_batch(sqlite_database, policy)
    stored: list[tuple[str, int, int]] = []

    class Watched(Vendor):
        async def send(self) -> Reply:
            query = select(ProviderAttemptRow.state, ProviderAttemptRow.reserved_micros)
            with database.read() as connection:
                ((state, reserved),) = connection.execute(query).all()
            held = one(database, select(func.min(BudgetScopeRow.held_micros)))
            stored.append((state, reserved, held))
            return await super().send()

    vendor = Watched()
    nameless = VendorCall(operation=FETCH, request={}, max_units={"x.y": 1}, send=vendor.send, decode=dict)
    async with stage_gate(database, policy, clock, batch) as gate:
        with pytest.raises(UnknownPrice, match=r"x\.y"):
            await gate.call(nameless, leads=[uid(0)], step="fetch")
        assert vendor.sent == 0
        await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert stored == [("reserved", FETCH_MICROS, FETCH_MICROS)]


async def test_i_22_a_paid_answer_is_never_bought_twice(world: World, clock):
    world.vendor.names = ["p1", "r1"]
    first = world.create(filters={"keyword": "first"}).key
    await world.run(first)
    sent = world.vendor.asked.copy()
    await world.run(first)
    assert world.vendor.asked == sent, "the same stages again"
    complete(world, first)

    clock.advance(days=6)
    second = world.create(filters={"keyword": "second"}).key
    await world.run(second)
    assert world.vendor.asked - sent == Counter(search=1), "known leads are not looked at again"
    assert world.codes(Stage.DISCOVERED)["known_recent"] == 2

    clock.advance(days=85)  # 91 days after the rejection, 91 after the score
    third = world.create(filters={"keyword": "third"}).key
    await world.run(third, Stage.DISCOVERED, Stage.SCREENED)
    bought_again = world.vendor.asked - sent - Counter(search=2)
    assert bought_again == Counter({"screened:r1": 1}), "a rejection stands for 90 days, a score for 180"


async def test_i_23_nothing_is_written_before_an_approval_and_only_leads_that_passed_scored(crm: CrmWorld):
    crm.vendor.bugs["scored:p3"] = ValueError("private")
    key = await crm.scored("p1", "r2", "p3")
    with pytest.raises(SyncRefused):
        await crm.sync(key)
    await crm.plan(key)
    with pytest.raises(SyncRefused):
        await crm.sync(key)
    assert (crm.writes, crm.ours()) == (0, [])
    assert set(crm.rows(key)) == {"p1"}
    approve(crm.workplace, key, by="Ada")
    await crm.sync(key)
    assert [crm.contact(name) is not None for name in ("p1", "r2", "p3")] == [True, False, False]


async def test_i_24_a_search_is_reserved_before_it_is_bought_by_the_same_number_and_price(world: World):
    made = world.create(
        filters={"keyword": "dear", "max_results": 10}, fields={"max_budget_usd": Decimal("0.19")}, stop_at_cap=True
    )
    report = (await world.run(made.key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert world.vendor.sent == 0
    assert report.capped is not None
    assert batch_view(world.workplace, made.key)["spend_micros"] == 0

    affordable = world.create(filters={"keyword": "cheap", "max_results": 10})
    await world.run(affordable.key, Stage.DISCOVERED)
    reserved = one(
        world.database,
        select(ProviderAttemptRow.reserved_micros).where(ProviderAttemptRow.batch_id == affordable.batch_id),
    )
    requested = one(world.database, select(VendorJobRow.request).where(VendorJobRow.batch_id == affordable.batch_id))
    estimate = batch_view(world.workplace, affordable.key)["estimate"]["stages"]["discovered"]
    price = int(world.policy.prices[SEARCH].usd * 1_000_000)
    assert (requested, reserved) == ({"most": 10}, 10 * price)
    assert (estimate["leads"], estimate["micros"]) == (10, 10 * price)


async def test_i_25_a_job_is_stored_before_it_is_polled_and_resumed_never_rebought(world: World):
    polled_with: list[str | None] = []
    plain = type(world.vendor).job

    def watched(vendor: Any, most: int) -> Any:
        job = plain(vendor, most)

        async def poll(job_id: str) -> Any:
            polled_with.append(await asyncio.to_thread(one, world.database, select(VendorJobRow.job_id)))
            return await job.poll(job_id)

        return replace(job, poll=poll)

    impatient = book_policy(world.policy, discovery={"wait_seconds": 1, "poll_seconds": "0.6"})
    activate(world.database, impatient, Authorship(author="test", note="", at=world.clock.now()))
    world.vendor.job = watched.__get__(world.vendor)  # type: ignore[method-assign]
    world.vendor.job_runs = True
    key = world.create().key
    report = (await world.run(key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert report.status == "awaiting_provider"
    assert polled_with
    assert all(polled_with), "its id was stored before the first poll"
    world.vendor.job_runs = False
    retry(world.workplace, key, BY)
    await world.run(key, Stage.DISCOVERED)
    assert world.vendor.asked["search"] == 1
    assert world.codes(Stage.DISCOVERED) == {"passed": 6}


async def test_i_26_duplicates_leave_before_the_first_paid_step(world: World):
    world.vendor.names = ["p1", "p2", "p1", "p1", "p2-old"]
    world.vendor.aliases = {"p2-old": ("p2",)}
    first, second = (world.create(filters={"keyword": word}).key for word in ("a", "b"))
    await world.run(first, Stage.DISCOVERED)
    await world.run(second, Stage.DISCOVERED)
    await world.run(first, Stage.SCREENED)
    await world.run(second, Stage.SCREENED)
    paid = {name: number for name, number in world.vendor.asked.items() if name != "search"}
    assert paid == {"screened:p1": 1, "screened:p2": 1}
    assert batch_view(world.workplace, second)["stages"]["discovered"]["reasons"] == {"claimed_by_other_batch": 2}


async def test_i_27_cheap_tests_come_first_and_lookups_need_a_domain_and_an_allowance(bench: Bench, server, town):
    chosen = platform("patreon")
    somebody = next(iter(creators(server.state.world, "patreon")))
    nsfw = work_of(record_of(somebody, is_nsfw=True))
    results = await run(chosen.screen, [nsfw], bench.context(chosen))
    assert (results[nsfw.uid].outcome.code, bench.gate.sent) == ("nsfw", [])

    view = LeadView(record_of(somebody), {}, (), {})
    assert not needs_lookup(view, bench.policy), "no domain, no lookup"
    shared = LeadView(record_of(somebody, {"personal_website": "https://adatrail.gmail.com"}), {}, (), {})
    assert not needs_lookup(shared, bench.policy)

    most = int(bench.policy.enrichment.max_lead_usd * 1_000_000)
    with town.database.read() as connection:
        spent = connection.execute(
            select(LedgerEntryRow.lead_uid, func.sum(LedgerEntryRow.amount_micros))
            .where(LedgerEntryRow.stage == Stage.ENRICHED, LedgerEntryRow.lead_uid.is_not(None))
            .group_by(LedgerEntryRow.lead_uid)
        ).all()
        passed = set(
            connection.execute(
                select(StageOutcomeRow.lead_uid).where(
                    StageOutcomeRow.stage == Stage.SCREENED, StageOutcomeRow.result == "passed"
                )
            ).scalars()
        )
    assert spent
    assert {lead for lead, _ in spent} <= passed, "only leads that passed triage"
    assert max(amount for _, amount in spent) <= most


async def test_i_28_what_a_stage_needs_is_looked_at_before_its_first_paid_call(town, server):
    people = sum(row.platform == "instagram" for row in town.leads())
    rows = [ListRow(line=at, handle=f"again{at}") for at in range(1, people + 1)]
    key = create_batch(town.workplace, BatchRequest(platform="instagram", creator_list=CreatorList(rows))).key
    vendors = connect_vendors(town.settings)
    try:
        await town.stages(key, replace(vendors, hubspot=None), Stage.DISCOVERED)
        before = server.state.bill.total_micros()
        reports = await town.stages(key, replace(vendors, hubspot=None, llm=None), Stage.SCREENED)
    finally:
        await vendors.close()
    assert reports[Stage.SCREENED].status == "paused"
    assert "openai" in reports[Stage.SCREENED].halt
    assert server.state.bill.total_micros() == before, "no content was bought that nobody could judge"
    assert stop(town.workplace, key, BY).status == "stopped", "the town is left without open batches"


async def test_i_29_costs_of_leads_sum_to_the_vendors_bill_to_the_micro(town, sqlite_database, policy, clock):
    with town.database.read() as connection:
        ids = [find_batch(town.workplace, key).batch_id for key in town.keys.values()]
        books = [ledger_view(connection, batch_id) for batch_id in ids]
        booked = connection.execute(
            select(func.sum(LedgerEntryRow.amount_micros)).where(LedgerEntryRow.batch_id.in_(ids))
        ).scalar_one()
    assert sum(book["total_micros"] for book in books) == town.bill["total_micros"] == booked
    by_vendor = Counter[str]()
    for book in books:
        by_vendor.update(book["by_vendor"])
    names = {"email_verifier": "millionverifier"}
    assert {names.get(name, name): micros for name, micros in by_vendor.items() if micros} == {
        name: entry["micros"] for name, entry in town.bill["vendors"].items() if entry["micros"]
    }

    odd = policy_with(policy, prices={FETCH: {"usd": "0.000011", "unit": "call"}})
    batch = new_batch(sqlite_database, odd)
    async with stage_gate(sqlite_database, odd, clock, batch) as gate:
        await gate.call(Vendor().call(), leads=[uid(0), uid(1), uid(2)], step="fetch")
    assert [amount for _, amount, _ in ledger(sqlite_database)["settled"]] == [4, 4, 3]


def test_i_30_paid_actions_are_off_by_default(policy: Policy, tmp_path):
    settings = Settings.from_environment({})
    assert settings.is_sandbox
    for url in (settings.openai_url, settings.apify_url, settings.insightiq_url, settings.hubspot_url):
        assert url.startswith("http://127.0.0.1:")
    with pytest.raises(SettingsError):
        Settings.from_environment({"SOCIALANALYZER_SANDBOX_URL": "http://api.openai.com"})
    with pytest.raises(SettingsError):
        Settings.from_environment({"SOCIALANALYZER_ENV": "live"})
    definitions = build_definitions()
    active = [each.name for each in definitions.schedules or [] if each.default_status is DefaultScheduleStatus.RUNNING]
    assert active == []
    assert policy.gates.requires_approval[Stage.SYNCED]
    assert all(price.confirmed_on is None for price in shipped_policy().prices.values())


async def test_i_31_rescoring_costs_nothing_and_needs_no_network(world: World, clock, monkeypatch: pytest.MonkeyPatch):
    await world.run(world.create().key)
    before = one(world.database, select(func.count()).select_from(LedgerEntryRow))

    def offline(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("re-scoring opened a socket")

    monkeypatch.setattr(socket.socket, "connect", offline)
    monkeypatch.setattr(socket, "create_connection", offline)
    document = world.policy.document()
    for row in document["tiers"]["rows"]:
        row["at_least"] = "0.99"
    result = rescore(world.database, parse_policy(document), batch_id=None, now=clock.now())
    assert (result.scores, result.as_json()["cost_micros"]) == (6, 0)
    assert [flow["to"] for flow in result.as_json()["tier_flow"]] != ["auto_enroll"]
    same = rescore(world.database, world.policy, batch_id=None, now=clock.now() + timedelta(days=400))
    assert (same.scores, same.moved) == (6, [])
    assert one(world.database, select(func.count()).select_from(LedgerEntryRow)) == before


def test_every_money_invariant_has_a_test():
    numbers = {int(name[7:9]) for name in globals() if name.startswith("test_i_")}
    assert numbers == set(range(20, 32))
