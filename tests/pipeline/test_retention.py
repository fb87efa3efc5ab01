"""The daily purge: what is past its period goes, what is needed stays, and history is not touched (spec 19.5)."""

import os
from datetime import timedelta

import pytest
from batch_world import FETCH, candidate
from crm_world import CrmWorld, uid_of
from privacy_world import everything_in, places_of, privacy_parts, with_retention
from sqlalchemy import select, update

from socialanalyzer_dagster.domain.creator_lists import ListRow
from socialanalyzer_dagster.domain.notification_alerts import BreakerOpened
from socialanalyzer_dagster.domain.outcomes import rejected
from socialanalyzer_dagster.domain.policy import PolicyError, parse_policy, shipped_policy
from socialanalyzer_dagster.domain.ports import LeadResult
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, stop
from socialanalyzer_dagster.pipeline.discovery import DiscoveryFailed
from socialanalyzer_dagster.pipeline.retention import expired_left, purge
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.storage import outbox
from socialanalyzer_dagster.storage.attempts import packed, unpacked
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.log_entries import AddLogEntries, LogEntry
from socialanalyzer_dagster.storage.models_control import (
    LedgerEntryRow,
    ProviderAnswerRow,
    ProviderAttemptRow,
    SuppressionRow,
    VendorJobRow,
)
from socialanalyzer_dagster.storage.models_leads import FilterHistoryRow, FoundItemRow, LeadRow, SearchRow
from socialanalyzer_dagster.storage.models_notifications import OutboxRow
from socialanalyzer_dagster.storage.outbox import OutboxQuestion, OutboxState
from socialanalyzer_dagster.storage.vendor_jobs import JobPhase
from socialanalyzer_dagster.vendors.media_store import FolderStore, keeper

ANSWERS = table_of(ProviderAnswerRow)
ATTEMPTS = table_of(ProviderAttemptRow)
OUTBOX = table_of(OutboxRow)


async def purged(world: CrmWorld, **periods: int) -> dict[str, int]:
    """Run the purge twice: the second finds nothing, and neither does the check."""
    policy = with_retention(world, **periods)
    async with privacy_parts(world, policy) as parts:
        done = await purge(parts)
        assert not +(await purge(parts))
        left = await expired_left(parts)
    assert not {name: number for name, number in left.items() if number}, left
    return {name: number for name, number in done.items() if number}


async def finished(world: CrmWorld, *names: str, sync: bool = False) -> str:
    if sync:
        return await world.written(*names)
    key = await world.ready(*names)
    stop(world.workplace, key, Deed(by="Mara"))
    return key


def rows(world: CrmWorld, model) -> list:
    with world.database.read() as connection:
        return connection.execute(select(model.__table__)).all()


def age_media(world: CrmWorld, key: str, days: int) -> None:
    at = (world.clock.now() - timedelta(days=days)).timestamp()
    os.utime(world.home / "media" / key, (at, at))


async def test_nothing_young_is_purged(world: CrmWorld) -> None:
    await finished(world, "walker1", "walker2", sync=True)
    before = everything_in(world.database)
    assert await purged(world) == {}
    after = everything_in(world.database)
    changed = {place.split(".")[0] for place in after if after[place] != before[place]}
    assert changed <= {"policies", "audit_entries"}, "what the test itself does to the policy"


async def test_raw_pages_and_answers_go_after_30_days_and_parsed_values_stay(world_on_each: CrmWorld) -> None:
    world = world_on_each
    await finished(world, "walker1", "walker2", sync=True)
    ledger, history = rows(world, LedgerEntryRow), rows(world, FilterHistoryRow)
    world.clock.advance(days=31)
    done = await purged(world)
    assert done["answers"] == len([row for row in rows(world, ProviderAttemptRow) if row.operation == FETCH])
    assert (done["vendor_jobs"], done["found_items"]) == (1, 2)
    texts = everything_in(world.database)
    assert not texts["vendor_job_pages.body"]
    assert set(texts["found_items.raw"].splitlines()) == {"null"}
    assert {row.state for row in rows(world, VendorJobRow)} == {"expired"}
    assert "walker1@example.org" in texts["contact_values.value"]
    assert "walker1" in texts["evidence.body"]
    assert (rows(world, LedgerEntryRow), rows(world, FilterHistoryRow)) == (ledger, history)


async def test_logs_of_batches_go_after_90_days(world: CrmWorld) -> None:
    key = await finished(world, "walker1")
    batch_id = find_batch(world.workplace, key).batch_id
    entry = LogEntry(at=world.clock.now(), level="WARNING", logger="x", message="hm", exception=None, fields={})
    with world.database.write() as connection:
        AddLogEntries.apply(connection, [AddLogEntries(batch_id=batch_id, entries=(entry,))])
    world.clock.advance(days=89)
    assert "log_entries" not in await purged(world)
    world.clock.advance(days=2)
    assert (await purged(world))["log_entries"] == 1


async def test_told_messages_go_after_90_days_unsent_ones_never_and_no_event_is_told_again(
    world: CrmWorld,
) -> None:
    every = (*OutboxState,)
    events = [BreakerOpened(service=state, trip=1, code="http_503") for state in every]

    def tell() -> int:
        with world.database.write() as connection:
            return outbox.emit(connection, *events, now=world.clock.now())

    tell()
    with world.database.write() as connection:
        for state in every:
            connection.execute(update(OUTBOX).where(OUTBOX.c.dedup_key.contains(f":{state}:")).values(state=state))
    world.clock.advance(days=89)
    assert "messages" not in await purged(world)
    world.clock.advance(days=2)
    assert (await purged(world))["messages"] == 4
    assert tell() == 0
    emptied = {"sent", "listed", "not_configured", "dropped"}
    assert {row.dedup_key.split(":")[2]: (row.state, bool(row.facts)) for row in rows(world, OutboxRow)} == {
        state: ("forgotten", False) if state in emptied else (state, True) for state in every
    }
    with world.database.read() as connection:
        assert not {row["state"] for row in outbox.messages(connection, OutboxQuestion(limit=50))} & {"forgotten"}


async def test_an_answer_with_a_longer_reuse_window_keeps_what_a_repeat_is_answered_from(world: CrmWorld) -> None:
    await finished(world, "walker1", sync=True)
    body = {"id": "raw", "choices": [{"finish_reason": "stop", "message": {"content": "{}", "extra": "raw words"}}]}
    with world.database.write() as connection:
        key = connection.execute(select(ATTEMPTS.c.attempt_key).where(ATTEMPTS.c.operation == FETCH)).scalars().first()
        connection.execute(update(ATTEMPTS).where(ATTEMPTS.c.attempt_key == key).values(operation="openai.chat"))
        connection.execute(update(ANSWERS).where(ANSWERS.c.attempt_key == key).values(body=packed(body)))
    world.clock.advance(days=31)
    assert (await purged(world))["answers_reduced"] == 1
    (kept,) = rows(world, ProviderAnswerRow)
    assert "raw words" not in str(unpacked(kept.body))
    assert unpacked(kept.body)["choices"][0]["message"]["content"] == "{}"
    world.clock.advance(days=60)
    assert (await purged(world))["answers"] == 1


async def test_an_expired_job_is_bought_again_and_never_read_as_one_without_items(world: CrmWorld) -> None:
    world.vendor.names = ["walker1", "walker2"]
    key = world.create().key
    async with world.opened(key) as batch:
        await batch.platform.discover(batch.context(Stage.DISCOVERED)).__anext__()
    with world.database.write() as connection:
        jobs = table_of(VendorJobRow)
        from socialanalyzer_dagster.storage.person_calls import expire_jobs

        assert (
            expire_jobs(connection, list(connection.execute(select(jobs.c.attempt_key)).scalars()))["vendor_jobs"] == 1
        )
    await world.run(key, Stage.DISCOVERED)
    assert world.vendor.asked["search"] == 2
    assert world.codes(Stage.DISCOVERED) == {"passed": 2}
    assert {row.state for row in rows(world, VendorJobRow)} == {JobPhase.EXPIRED, JobPhase.READ}


async def test_a_lead_that_was_not_synced_is_reduced_after_180_days_and_still_recognised(
    world_on_each: CrmWorld,
) -> None:
    world = world_on_each
    world.vendor.aliases = {"walker1": ("walker-one",), "walker2": ("walker-two",)}
    await finished(world, "walker1", "walker2", "rambler3")
    world.clock.advance(days=20)
    done = await purged(world, media_days=1, raw_days=5, lead_days=10)
    assert done["leads_reduced"] == 3
    assert places_of(world.database, "walker1", "rambler3", "walker-one") == set()
    texts = everything_in(world.database)
    assert not texts["evidence.body"]
    assert not texts["contact_values.value"]
    assert len({row.platform_id for row in rows(world, LeadRow)}) == 3
    assert world.codes(Stage.SCREENED)["inactive"] == 1, "the outcome's code and date stay"
    world.vendor.aliases = {}
    sent = world.vendor.sent
    await world.scored("walker-one", "walker2", "rambler3")
    assert world.codes(Stage.DISCOVERED)["known_recent"] == 3
    assert world.vendor.sent == sent + 1
    assert len(rows(world, LeadRow)) == 3


async def test_a_reduced_lead_that_is_found_when_it_counts_as_new_is_collected_anew(world: CrmWorld) -> None:
    await finished(world, "walker1")
    world.clock.advance(days=400)
    await purged(world)
    collected = rows(world, LeadRow)[0].collected_at
    await world.scored("walker1")
    (lead,) = rows(world, LeadRow)
    assert (lead.lead_uid, lead.platform_id, lead.handle, lead.reduced_at) == (
        uid_of("walker1"),
        "walker1",
        "walker1",
        None,
    )
    assert lead.collected_at > collected
    assert lead.notice_due_at > world.clock.now()


async def test_a_synced_lead_stays_until_nobody_in_the_crm_has_touched_it_for_730_days(world: CrmWorld) -> None:
    await finished(world, "walker1", "walker2", sync=True)
    world.clock.advance(days=729)
    assert "synced_leads_reduced" not in await purged(world)
    contact = world.contact("walker2")
    assert contact is not None
    world.change(contact, city="Bern")
    world.clock.advance(days=2)
    assert (await purged(world))["synced_leads_reduced"] == 1
    assert places_of(world.database, "walker1@example.org") == set()
    assert "walker2@example.org" in everything_in(world.database)["contact_values.value"]
    assert world.contact("walker1") is not None, "the CRM keeps its own periods"
    assert set(world.links("walker1", "walker2")) == {uid_of("walker1"), uid_of("walker2")}


async def test_a_crm_that_does_not_answer_is_no_proof_of_inactivity(world: CrmWorld) -> None:
    await finished(world, "walker1", sync=True)
    world.clock.advance(days=800)
    world.faults(Fault("hubspot", "*", "error_500"))
    async with privacy_parts(world) as parts:
        done = await purge(parts)
        left = await expired_left(parts)
    assert "synced_leads_reduced" not in +done
    assert (left["synced_leads"], left["synced_leads_unclear"]) == (0, 1)
    assert "walker1@example.org" in everything_in(world.database)["contact_values.value"]


async def test_a_possible_minor_is_erased_and_stays_out(world: CrmWorld, monkeypatch) -> None:
    first = type(world.vendor).screen

    async def screen(self, works, context):
        async for result in first(self, works, context):
            minor = result.uid == uid_of("walker1")
            outcome = rejected(Stage.SCREENED, "profile_possible_minor", reasoning="15 years") if minor else None
            yield LeadResult(uid=result.uid, outcome=outcome) if outcome else result

    monkeypatch.setattr(type(world.vendor), "screen", screen)
    world.vendor.emails = {"walker1": "walker1@example.org"}
    await world.scored("walker1", "walker2")
    async with privacy_parts(world) as parts:
        assert (await expired_left(parts))["possible_minors"] == 0
        world.clock.advance(hours=25)
        assert (await expired_left(parts))["possible_minors"] == 1
        done = await purge(parts)
        assert (await expired_left(parts))["possible_minors"] == 0
    assert done["possible_minors"] == 1
    assert places_of(world.database, "walker1", "15 years") == set()
    assert len(rows(world, SuppressionRow)) >= 3
    assert world.codes(Stage.SCREENED) == {"profile_possible_minor": 1, "passed": 1}


async def test_media_goes_after_7_days_unless_a_batch_works_on_the_lead(world: CrmWorld) -> None:
    store = FolderStore(world.home / "media")
    await finished(world, "walker1", "walker2", sync=True)
    await world.scored("walker3")
    old = [await keeper(store, uid_of(name))(b"picture", "image/jpeg") for name in ("walker1", "walker3")]
    young = await keeper(store, uid_of("walker2"))(b"picture", "image/jpeg")
    await store.put("grids/" + old[0].removeprefix("media/"), b"grid", "image/jpeg")
    for key in (old[0], old[1], "grids/" + old[0].removeprefix("media/")):
        age_media(world, key, 8)
    age_media(world, young, 6)
    assert (await purged(world))["media_objects"] == 2
    assert [await store.exists(key) for key in (*old, young)] == [False, True, True]


async def test_a_creator_list_goes_when_it_was_not_used_for_so_long_and_says_so(world: CrmWorld) -> None:
    people = (ListRow(line=2, handle="walker1"), ListRow(line=3, handle="walker2"))
    key = world.create(creator_list=people).key
    await world.run(key)
    stop(world.workplace, key, Deed(by="Mara"))
    world.clock.advance(days=181)
    assert (await purged(world))["list_rows"] == 2
    assert len(rows(world, SearchRow)) == 1, "the fingerprint stays"
    again = world.create(creator_list=people).key
    await world.run(again, Stage.DISCOVERED)
    assert find_batch(world.workplace, again).search_fingerprint == find_batch(world.workplace, key).search_fingerprint


async def test_a_list_whose_rows_are_gone_fails_in_words(world: CrmWorld) -> None:
    key = world.create(creator_list=(ListRow(line=2, handle="walker1"),)).key
    with world.database.write() as connection:
        from socialanalyzer_dagster.storage.retention import drop_list

        drop_list(connection, find_batch(world.workplace, key).search_fingerprint)
    with pytest.raises(DiscoveryFailed, match="retention"):
        await world.run(key, Stage.DISCOVERED)
    assert find_batch(world.workplace, key).status == "failed"


@pytest.mark.parametrize("broken", [{"media_days": 200}, {"raw_days": 181}, {"lead_days": 731}])
def test_periods_that_contradict_each_other_are_refused(broken) -> None:
    document = shipped_policy().document()
    document["retention"] |= broken
    with pytest.raises(PolicyError, match="no later than"):
        parse_policy(document)


async def test_a_contact_candidate_of_a_lead_is_part_of_what_is_reduced(world: CrmWorld) -> None:
    await finished(world, "walker1")
    with world.database.write() as connection:
        from socialanalyzer_dagster.storage.contacts import insert_candidates

        insert_candidates(connection, {uid_of("walker1"): [candidate("phone", "+13035550100", world.clock.now())]})
    world.clock.advance(days=181)
    await purged(world)
    assert places_of(world.database, "3035550100") == set()


async def test_the_words_about_an_unusable_row_go_with_its_raw_form(world: CrmWorld) -> None:
    key = world.create(creator_list=(ListRow(line=2, handle="walker1"), ListRow(line=3, handle="?walker2"))).key
    await world.run(key, Stage.DISCOVERED)
    stop(world.workplace, key, Deed(by="Mara"))
    with world.database.write() as connection:
        connection.execute(update(FoundItemRow).values(raw=None, problem="'walker2' is not a page"))
    world.clock.advance(days=31)
    await purged(world)
    assert {row.problem for row in rows(world, FoundItemRow)} == {None}
