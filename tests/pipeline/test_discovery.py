"""Discovery: one result per found item, nobody twice, and who is known is told before anything else is paid (6.6)."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from batch_world import FOUND_MICROS, KEY, PLATFORM, World, book_policy, quiet
from sqlalchemy import delete, select

from socialanalyzer_dagster.domain.calls import ErrorClass, Reply, VendorCall, VendorError
from socialanalyzer_dagster.domain.creator_lists import ListRow
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.suppression import identifier_hash
from socialanalyzer_dagster.domain.types import Stage, lead_uid
from socialanalyzer_dagster.pipeline import list_store
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, retry
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.crm_lookup import foreign_contacts
from socialanalyzer_dagster.pipeline.discovery import DiscoveryFailed, discover
from socialanalyzer_dagster.pipeline.discovery_store import DiscoveryStore
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.pipeline.run_outcomes import FailedRun, run_failed
from socialanalyzer_dagster.pipeline.runner_work import load_works
from socialanalyzer_dagster.storage import suppressions
from socialanalyzer_dagster.storage.models_leads import (
    BatchLeadRow,
    BatchStageRow,
    FilterHistoryRow,
    FoundItemRow,
    LeadAliasRow,
    LeadClaimRow,
    LeadRow,
)
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow
from socialanalyzer_dagster.storage.suppressions import Suppression
from socialanalyzer_dagster.vendors.hubspot_batches import Contact, ReadResult

BY = Deed(by="Ada")


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


@pytest.fixture
def world_on_each(database, policy, clock, tmp_path):
    """The same over each engine, for what claims, keys and transactions decide."""
    return World(database, book_policy(policy), clock, tmp_path)


def positions(world):
    with world.database.read() as connection:
        rows = connection.execute(
            select(LeadRow.handle, BatchLeadRow.position)
            .join(BatchLeadRow, BatchLeadRow.lead_uid == LeadRow.lead_uid)
            .order_by(BatchLeadRow.position)
        )
        return [tuple(row) for row in rows]


def complete(world, key):
    batch = find_batch(world.workplace, key)
    finish_batch(world.workplace, batch, Ending(status=BatchStatus.COMPLETED, cause=None, now=world.clock.now()))


async def test_every_item_has_one_result_and_their_sum_is_what_was_received(world_on_each):
    world_on_each.vendor.names = ["p1", "?", "p2", "p1", "p3", "p4", "p5"]
    key = world_on_each.create(filters={"keyword": "few", "max_results": 4}).key
    report = (await world_on_each.run(key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert report.items == {"lead": 4, "no_identity": 1, "duplicate_in_batch": 1, "over_max_results": 1}
    assert sum(report.items.values()) == len(world_on_each.vendor.names)
    assert positions(world_on_each) == [("p1", 1), ("p2", 2), ("p3", 3), ("p4", 4)]
    assert report.spend_micros == 7 * FOUND_MICROS


async def test_an_alias_names_the_same_account_and_its_facts_are_merged(world_on_each):
    world_on_each.vendor.names = ["p1", "p1-campaign"]
    world_on_each.vendor.aliases = {"p1-campaign": ("p1",)}
    world_on_each.vendor.emails = {"p1-campaign": "p1@example.org"}
    key = world_on_each.create().key
    report = (await world_on_each.run(key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert report.items == {"lead": 1, "duplicate_in_batch": 1}
    async with world_on_each.opened(key) as batch:
        with world_on_each.database.read() as connection:
            (work,) = load_works(connection, batch.of(Stage.SCREENED), [(lead_uid(PLATFORM, "p1"), 1)])
    assert [each.value for each in work.candidates] == ["p1@example.org"]
    with world_on_each.database.read() as connection:
        assert connection.execute(select(LeadAliasRow.alias)).scalars().all() == ["p1-campaign"]


def listed(*handles):
    return [ListRow(line=number, handle=handle) for number, handle in enumerate(handles, start=2)]


@pytest.fixture
def short_windows(monkeypatch):
    monkeypatch.setattr(list_store, "_LEAST_ROWS", 2)
    monkeypatch.setattr(list_store, "_MOST_ROWS", 2)


async def test_a_long_list_is_taken_in_window_by_window_with_the_same_result(world, short_windows):
    world.vendor.aliases = {"late": ("p1",)}
    world.vendor.emails = {"late": "p1@example.org"}
    key = world.create(creator_list=listed("p1", "p2", "p3", "?", "late", "p2", "p4")).key
    report = (await world.run(key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert report.items == {"lead": 4, "duplicate_in_batch": 2, "no_identity": 1}
    assert (report.worked, report.counters.passed) == (4, 4)
    assert positions(world) == [("p1", 1), ("p2", 2), ("p3", 3), ("p4", 4)]
    async with world.opened(key) as batch:
        with world.database.read() as connection:
            (work,) = load_works(connection, batch.of(Stage.SCREENED), [(lead_uid(PLATFORM, "p1"), 1)])
    assert [each.value for each in work.candidates] == ["p1@example.org"], "a later window's facts are merged"


async def test_rows_after_the_last_lead_that_may_go_on_become_no_leads(world, short_windows):
    first = world.create(creator_list=listed("p1", "p2")).key
    await world.run(first)
    complete(world, first)
    names = ("p1", "p2", "p3", "p4", "p5", "?", "p6", "p7")
    key = world.create(creator_list=listed(*names), fields={"max_leads": 3}).key
    report = (await world.run(key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert report.items == {"lead": 5, "no_identity": 1, "over_max_results": 2}
    assert world.codes(Stage.DISCOVERED) == {"passed": 2 + 3, "known_recent": 2}
    assert [position for _, position in positions(world)] == [1, 1, 2, 2, 3, 4, 5]


async def test_a_list_whose_discovery_was_killed_goes_on_with_the_same_places(world, short_windows, monkeypatch):
    key = world.create(creator_list=listed("p1", "p2", "p3", "p4", "p5"), fields={"max_leads": 4}).key
    decide, calls = DiscoveryStore.decide, []

    def killed(store, decisions):
        calls.append(decisions)
        if len(calls) == 4:  # the second window's leads are stored and claimed, not decided
            raise RuntimeError("killed")
        decide(store, decisions)

    monkeypatch.setattr(DiscoveryStore, "decide", killed)
    with pytest.raises(RuntimeError, match="killed"):
        await world.run(key, Stage.DISCOVERED)
    report = (await world.run(key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert report.items == {"lead": 4, "over_max_results": 1}
    assert positions(world) == [("p1", 1), ("p2", 2), ("p3", 3), ("p4", 4)]
    assert world.codes(Stage.DISCOVERED) == {"passed": 4}


async def test_leads_that_a_kill_left_undecided_are_decided_although_enough_have_passed(
    sqlite_database, policy, clock, tmp_path, monkeypatch
):
    world = World(sqlite_database, book_policy(policy, runtime={"commit_leads": 1}), clock, tmp_path)
    monkeypatch.setattr(list_store, "_LEAST_ROWS", 3)
    monkeypatch.setattr(list_store, "_MOST_ROWS", 3)
    key = world.create(creator_list=listed("p1", "p2", "p3", "p4", "p5"), fields={"max_leads": 1}).key
    decide, decided = DiscoveryStore._decide, []

    def killed(store, connection, decisions):
        decided.extend(decisions)
        if decisions and len(decided) == 3:
            raise RuntimeError("killed")
        decide(store, connection, decisions)

    monkeypatch.setattr(DiscoveryStore, "_decide", killed)
    with pytest.raises(RuntimeError, match="killed"):
        await world.run(key, Stage.DISCOVERED)
    report = (await world.run(key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert report.items == {"lead": 3, "over_max_results": 2}
    assert world.codes(Stage.DISCOVERED) == {"passed": 3}


async def test_a_suppressed_person_leaves_a_keyed_hash_only(world_on_each):
    keyed = identifier_hash(Identifier(IdentifierKind.HANDLE, f"{PLATFORM}:p2"), KEY)
    with world_on_each.database.write() as connection:
        entry = Suppression(
            kind="handle", keyed_hash=keyed, reason="asked", source="mail", added_at=world_on_each.clock.now()
        )
        suppressions.add_suppressions(connection, [entry])
    key = world_on_each.create().key
    report = (await world_on_each.run(key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert report.items == {"lead": 5, "suppressed": 1}
    with world_on_each.database.read() as connection:
        row = connection.execute(
            select(FoundItemRow.identity_hash, FoundItemRow.raw, FoundItemRow.lead_uid).where(
                FoundItemRow.result == "suppressed"
            )
        ).one()
        assert tuple(row) == (keyed, None, None)
        assert connection.execute(select(LeadRow).where(LeadRow.handle == "p2")).first() is None


async def test_leads_judged_lately_are_known_and_old_ones_are_refreshed(world_on_each, clock):
    world_on_each.vendor.names = ["p1", "r1"]
    first = world_on_each.create().key
    await world_on_each.run(first)
    complete(world_on_each, first)
    second = world_on_each.create().key
    await world_on_each.run(second, Stage.DISCOVERED)
    assert set(world_on_each.codes(Stage.DISCOVERED)) == {"passed", "known_recent"}
    assert world_on_each.outcomes()["discovered", "p1"] == [("passed", None), ("rejected", "known_recent")]
    assert find_batch(world_on_each.workplace, second).status == "completed_empty"
    clock.at += timedelta(days=91)
    third = world_on_each.create().key
    await world_on_each.run(third, Stage.DISCOVERED)
    assert world_on_each.outcomes()["discovered", "r1"][-1] == ("passed", None), (
        "a rejection is looked at again after 90 days"
    )
    assert world_on_each.outcomes()["discovered", "p1"][-1] == ("rejected", "known_recent"), "a scored lead after 180"


async def test_two_batches_never_work_on_one_lead(world_on_each):
    first, second = world_on_each.create().key, world_on_each.create().key
    await asyncio.gather(world_on_each.run(first, Stage.DISCOVERED), world_on_each.run(second, Stage.DISCOVERED))
    assert world_on_each.codes(Stage.DISCOVERED) == {"passed": 6, "claimed_by_other_batch": 6}
    with world_on_each.database.read() as connection:
        assert len(connection.execute(select(LeadClaimRow.lead_uid)).all()) == 6
        assert len(connection.execute(select(LeadRow.lead_uid)).all()) == 6


async def test_claims_end_with_the_batch_and_with_its_silence(world_on_each, clock):
    first = world_on_each.create().key
    await world_on_each.run(first, Stage.DISCOVERED)
    clock.at += timedelta(hours=25)
    second = world_on_each.create().key
    await world_on_each.run(second, Stage.DISCOVERED)
    assert world_on_each.outcomes()["discovered", "p1"] == [("passed", None), ("passed", None)]
    complete(world_on_each, second)
    with world_on_each.database.read() as connection:
        assert connection.execute(select(LeadClaimRow)).first() is None


async def test_a_discovery_killed_half_way_goes_on_with_the_same_positions_and_no_second_purchase(world_on_each):
    world_on_each.vendor.names = [f"p{n}" for n in range(1, 11)]
    key = world_on_each.create().key
    await world_on_each.run(key, Stage.DISCOVERED)
    whole = positions(world_on_each)
    with world_on_each.database.write() as connection:  # as if the process had died after the first seven items
        late = select(BatchLeadRow.lead_uid).where(BatchLeadRow.position > 7)
        connection.execute(delete(FoundItemRow).where(FoundItemRow.item_no > 7))
        connection.execute(delete(StageOutcomeRow))
        connection.execute(delete(LeadRow).where(LeadRow.lead_uid.in_(late)))
        connection.execute(delete(BatchStageRow))
    await world_on_each.run(key, Stage.DISCOVERED)
    assert positions(world_on_each) == whole
    assert world_on_each.codes(Stage.DISCOVERED) == {"passed": 10}
    assert world_on_each.vendor.asked["search"] == 1


async def test_novelty_is_recorded_at_the_end_of_discovery(world_on_each):
    first = world_on_each.create(filters={"keyword": "same"}).key
    await world_on_each.run(first, Stage.DISCOVERED)
    complete(world_on_each, first)
    world_on_each.vendor.names.append("p7")
    second = world_on_each.create(filters={"keyword": "same"}).key
    await world_on_each.run(second, Stage.DISCOVERED)
    with world_on_each.database.read() as connection:
        rows = connection.execute(
            select(FilterHistoryRow.total_found, FilterHistoryRow.new_found, FilterHistoryRow.novelty_rate).order_by(
                FilterHistoryRow.id
            )
        ).all()
    assert [tuple(row) for row in rows] == [(6, 6, "1.000"), (7, 7, "1.000")], "passed at discovered only: not known"


async def test_a_vendor_job_that_is_still_running_makes_the_batch_wait_and_is_resumed(world):
    hasty = book_policy(world.policy, discovery={"wait_seconds": 1, "poll_seconds": 0.01})
    activate(world.database, hasty, Authorship(author="Ada", note="hasty", at=world.clock.now()))
    world.vendor.job_runs = True
    key = world.create().key
    reports = await world.run(key)
    assert find_batch(world.workplace, key).status == "awaiting_provider"
    assert "still working" in reports[Stage.DISCOVERED].halt
    assert reports[Stage.SCREENED].worked == 0
    world.vendor.job_runs = False
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}
    assert world.vendor.asked["search"] == 1


async def test_a_search_that_fails_at_the_vendor_fails_the_batch_and_may_be_retried(world):
    async def broken(_context):
        raise CallFailed(VendorError("insightiq", ErrorClass.PERMANENT_ITEM, "export_failed"))
        yield

    key = world.create().key
    healthy, world.vendor.discover = world.vendor.discover, broken
    with pytest.raises(DiscoveryFailed):
        await world.run(key)
    batch = find_batch(world.workplace, key)
    assert batch.status == "failed"
    assert "export_failed" in batch.cause
    world.vendor.discover = healthy
    retry(world.workplace, key, BY)
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}


async def test_a_search_in_doubt_is_bought_again_only_when_a_person_asks(world):
    plain = type(world.vendor).job

    def killed(vendor, most):
        job = plain(vendor, most)

        async def start(max_micros):
            status = await job.start(max_micros)
            if vendor.asked["search"] == 1:
                raise RuntimeError("killed while the request was out")
            return status

        return replace(job, start=start)

    async def launched():
        world.clock.advance(minutes=1)
        attempt = find_batch(world.workplace, key).attempt
        async with world.opened(key, f"run-{attempt}", launched_attempt=attempt) as batch:
            await discover(batch, quiet)

    world.vendor.job = killed.__get__(world.vendor)
    key = world.create().key
    with pytest.raises(RuntimeError):
        await launched()
    run_failed(world.workplace, key, FailedRun(run_id="run-1"))
    assert find_batch(world.workplace, key).status == "queued"
    with pytest.raises(DiscoveryFailed):
        await launched()
    assert "check the provider's statement" in find_batch(world.workplace, key).cause
    retry(world.workplace, key, Deed(by="provider_recovery_sensor", is_person=False))
    with pytest.raises(DiscoveryFailed):
        await launched()
    assert world.vendor.asked["search"] == 1
    retry(world.workplace, key, BY)
    await launched()
    assert world.codes(Stage.DISCOVERED) == {"passed": 6}


class Crm:
    """A CRM that knows some contacts."""

    def __init__(self, *contacts, forgets=()):
        self.contacts = contacts
        self.forgets = frozenset(forgets)

    def batch_read(self, *, id_property, ids, properties):
        del properties

        async def send():
            return Reply(body={})

        def decode(_body):
            by_value = {each.properties.get(id_property): each for each in self.contacts}
            found = {one: by_value[one] for one in ids if one in by_value}
            rest = [one for one in ids if one not in found]
            return ReadResult(
                found=found,
                missing=tuple(one for one in rest if one not in self.forgets),
                unknown=tuple(one for one in rest if one in self.forgets),
            )

        request = {"by": id_property, "ids": list(ids)}
        return VendorCall(operation="hubspot.read", request=request, max_units={}, send=send, decode=decode)


async def test_only_contacts_that_somebody_else_created_count_as_in_the_crm(world):
    key = world.create().key
    one, two, three = (lead_uid(PLATFORM, name) for name in ("p1", "p2", "p3"))
    emails = {one: ["One@example.org"], two: ["two@example.org"], three: []}
    crm = Crm(
        Contact(id="1", properties={"email": "one@example.org"}),
        Contact(id="2", properties={"email": "two@example.org", "creator_uid": "another-lead"}),
    )
    async with world.opened(key) as batch:
        gate = batch.context(Stage.DISCOVERED).gate
        assert await foreign_contacts(gate, crm, emails, batch_size=100) == {one}
        with pytest.raises(ProviderUnavailable):
            await foreign_contacts(gate, Crm(forgets=[two]), emails, batch_size=100)
