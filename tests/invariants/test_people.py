"""What must be true of people's data, whatever is asked and whatever fails: I-36, I-51, I-55, I-68 (spec 19, 21)."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from batch_world import KEY, World
from crm_world import CrmWorld, uid_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from privacy_world import as_text, email, erased, everything_in, handle, places_of, privacy_parts, with_retention
from sqlalchemy import select, text, update

from socialanalyzer_dagster.domain.crm_properties import UNIQUE_PROPERTY
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.leads import (
    Candidate,
    CandidateKind,
    FoundItem,
    Identifier,
    IdentifierKind,
    LeadRecord,
)
from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, Policy, shipped_policy
from socialanalyzer_dagster.domain.refusals import PersonSuppressed
from socialanalyzer_dagster.domain.spelling_sieve import sieve_of
from socialanalyzer_dagster.domain.suppression import identifier_hash
from socialanalyzer_dagster.domain.types import LeadUid, PlatformKey, Stage
from socialanalyzer_dagster.pipeline.approvals import approve
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_view import batch_view
from socialanalyzer_dagster.pipeline.crm_setup import create_missing
from socialanalyzer_dagster.pipeline.discovery_privacy import Listed
from socialanalyzer_dagster.pipeline.free_calls import Knocks
from socialanalyzer_dagster.pipeline.retention import purge
from socialanalyzer_dagster.pipeline.suppression import SuppressionList
from socialanalyzer_dagster.pipeline.suppressions import SuppressionRequest, add
from socialanalyzer_dagster.platforms.registry import PLATFORMS
from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.sandbox.vendors.hubspot import crm_of
from socialanalyzer_dagster.storage import person_registry
from socialanalyzer_dagster.storage.attempts import unpacked
from socialanalyzer_dagster.storage.columns import Base
from socialanalyzer_dagster.storage.database import Database, table_of
from socialanalyzer_dagster.storage.models_control import (
    LedgerEntryRow,
    ProviderAttemptRow,
    SuppressionRow,
    VendorJobPageRow,
)
from socialanalyzer_dagster.storage.models_crm import CrmLinkRow
from socialanalyzer_dagster.storage.models_leads import (
    BatchStageRow,
    FilterHistoryRow,
    FoundItemRow,
    LeadBatchRow,
    LeadRow,
    SearchRow,
)
from socialanalyzer_dagster.storage.models_results import ContactValueRow, EvidenceRow, StageOutcomeRow
from socialanalyzer_dagster.storage.suppressions import hashes
from tests.invariants.conftest import Town
from tests.pipeline.crm_world import hubspot_of

BY = "Ada"
_NEVER_TOUCHED = (LedgerEntryRow, ProviderAttemptRow, FilterHistoryRow, BatchStageRow, LeadBatchRow, SearchRow)


def rows(database: Database, model) -> list:
    with database.read() as connection:
        return connection.execute(select(table_of(model))).all()


async def synced(world: CrmWorld, *names: str) -> str:
    key = await world.scored(*names)
    await world.plan(key)
    approve(world.workplace, key, by=BY)
    await world.sync(key)
    return key


# --- I-68: retention and erasure reach every copy ---------------------------------------------------------------------


def test_i_68_every_table_and_column_says_what_becomes_of_a_person_in_it():
    explained = {rule.table.name for rule in person_registry.RULES}
    assert explained == set(Base.metadata.tables), "add the new table to storage/person_registry.py"
    assert len(person_registry.RULES) == len(explained)
    open_columns = {rule.table.name: sorted(rule.unexplained) for rule in person_registry.RULES if rule.unexplained}
    assert open_columns == {}, "say in storage/person_registry.py what erasure does with these columns"


@pytest.fixture
async def village(town: Town, tmp_path: Path, clock) -> AsyncIterator[CrmWorld]:
    """A copy of the town, its media and its CRM, in which a person may be erased."""
    with (
        closing(sqlite3.connect(town.home / "town.db")) as source,
        closing(sqlite3.connect(tmp_path / "village.db")) as copy,
    ):
        source.backup(copy)
    shutil.copytree(town.home / "media", tmp_path / "media")
    database = Database(f"sqlite:///{tmp_path / 'village.db'}")
    with SandboxServer(SandboxConfig(port=0)) as server:
        policy = shipped_policy(INSTANT_POLICY)
        client = hubspot_of(server, tmp_path)
        await create_missing(Knocks(policy), client, policy)
        world = CrmWorld(database, policy, clock, tmp_path, hubspot=client, server=server)
        for contact in town.contacts:
            if contact.get(UNIQUE_PROPERTY):
                made = crm_of(server.state).contacts.create(contact, now=clock.now())
                with database.write() as connection:
                    own = CrmLinkRow.lead_uid == contact[UNIQUE_PROPERTY]
                    connection.execute(update(CrmLinkRow).where(own).values(crm_object_id=made.id))
        yield world
        await client.aclose()
    database.dispose()


def words_of(world: CrmWorld, uid: str) -> list[str]:
    """What a search for the person would look for: address, handle, name, and pieces of the bio nobody else writes."""
    with world.database.read() as connection:
        record = connection.execute(select(LeadRow.record).where(LeadRow.lead_uid == uid)).scalar_one()
        address = connection.execute(
            select(ContactValueRow.value).where(ContactValueRow.lead_uid == uid, ContactValueRow.field == "email")
        ).scalar_one()
    bio = record["bio"] or ""
    pieces = [bio[at : at + 25] for at in range(0, max(len(bio) - 25, 0), 25)]
    words = [address, record["handle"], record["display_name"], record["profile_url"], *pieces]
    models = (LeadRow, EvidenceRow, FoundItemRow, CrmLinkRow)
    others = [
        as_text(value)
        for model in models
        for row in rows(world.database, model)
        if row.lead_uid != uid
        for value in row
    ]
    items = [as_text(item) for row in rows(world.database, VendorJobPageRow) for item in unpacked(row.body)]
    marks = (uid, address.lower(), record["handle"].lower())
    others += [item for item in items if not any(mark in item.lower() for mark in marks)]
    written_by_others = "\n".join(others).lower()
    telling = [word for word in words if word.lower() not in written_by_others]
    assert {record["handle"], record["profile_url"]} <= set(telling), "nobody else of the town is named like the person"
    return telling


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
async def test_i_68_erasure_reaches_every_table_column_object_and_the_crm(village: CrmWorld, platform: str):
    world = village
    with world.database.read() as connection:
        uid = connection.execute(
            select(CrmLinkRow.lead_uid)
            .join(LeadRow, LeadRow.lead_uid == CrmLinkRow.lead_uid)
            .where(LeadRow.platform == platform)
            .order_by(CrmLinkRow.lead_uid)
        ).scalars().first()  # fmt: skip
    assert uid is not None
    words = words_of(world, uid)
    before = places_of(world.database, *words)
    assert {"leads.record", "contact_values.value", "vendor_job_pages.body", "provider_answers.body"} <= before
    others = {row.lead_uid: row for row in rows(world.database, LeadRow) if row.lead_uid != uid}
    kept = {model: rows(world.database, model) for model in _NEVER_TOUCHED}
    async with privacy_parts(world) as parts:
        request = await _erase(parts, words[0].upper())
    assert (request.state, request.leads) == ("done", (uid,))
    assert places_of(world.database, *words) == set()
    assert not [path for path in (world.home / "media").rglob("*") if uid in str(path) and path.is_file()]
    contacts = str([each.properties for each in crm_of(world.server.state).contacts.everyone()])
    stored_by_crm = str(list(world.server.state.store.items("hubspot.contact")))
    assert not [word for word in (*words, uid) if word.lower() in (contacts + stored_by_crm).lower()]
    assert {row.lead_uid: row for row in rows(world.database, LeadRow) if row.lead_uid != uid} == others
    assert {model: rows(world.database, model) for model in _NEVER_TOUCHED} == kept
    with world.database.read() as connection:
        listed = {keyed for _, keyed in hashes(connection)}
    assert identifier_hash(email(words[0]), KEY) in listed


async def _erase(parts, address: str):
    from privacy_world import asked

    from socialanalyzer_dagster.pipeline.erasure import erase

    return await erase(parts, asked(email(address)))


async def test_i_68_retention_reaches_every_copy(village: CrmWorld):
    world = village
    words = [row.handle for row in rows(world.database, LeadRow) if len(row.handle) > 5]
    history = {model: rows(world.database, model) for model in (LedgerEntryRow, FilterHistoryRow, BatchStageRow)}
    world.clock.at = max(row.finished_at for row in rows(world.database, StageOutcomeRow))
    world.clock.advance(days=731 * 2)
    async with privacy_parts(world, with_retention(world)) as parts:
        await purge(parts)
    assert places_of(world.database, *words) == set()
    assert not [path for path in (world.home / "media").rglob("*") if path.is_file()]
    assert {model: rows(world.database, model) for model in history} == history
    assert {row.reduced_at is not None for row in rows(world.database, LeadRow)} == {True}


# --- I-51: archive, purge and erase never touch what an active batch uses ---------------------------------------------


async def test_i_51_the_purge_leaves_everything_alone_that_an_active_batch_uses(crm: CrmWorld):
    await crm.scored("walker1", "walker2")
    crm.clock.advance(days=3000)
    policy = with_retention(crm, media_days=1, raw_days=1, lead_days=1, synced_days=1)
    before = everything_in(crm.database)
    async with privacy_parts(crm, policy) as parts:
        assert not +(await purge(parts))
    assert everything_in(crm.database) == before


async def test_i_51_the_purge_removes_neither_fingerprints_nor_ledger_nor_history(crm: CrmWorld):
    await synced(crm, "walker1", "walker2", "rambler3")
    crm.clock.advance(days=3000)
    kept = {model: rows(crm.database, model) for model in _NEVER_TOUCHED}
    outcomes = [(row.stage, row.result, row.code, row.cost_micros) for row in rows(crm.database, StageOutcomeRow)]
    async with privacy_parts(crm, with_retention(crm)) as parts:
        assert (await purge(parts))["leads_reduced"] == 1
    assert {model: rows(crm.database, model) for model in _NEVER_TOUCHED} == kept
    after = [(row.stage, row.result, row.code, row.cost_micros) for row in rows(crm.database, StageOutcomeRow)]
    assert after == outcomes


# --- I-55: history is complete, whatever a cache forgets --------------------------------------------------------------


async def test_i_55_what_a_batch_shows_does_not_depend_on_what_was_purged(crm: CrmWorld):
    key = await synced(crm, "walker1", "walker2", "rambler3")
    before = batch_view(crm.workplace, key)
    crm.clock.advance(days=3000)
    async with privacy_parts(crm, with_retention(crm)) as parts:
        await purge(parts)
    assert batch_view(crm.workplace, key) == before
    assert find_batch(crm.workplace, key).summary


# --- I-36: a list or key that cannot be read stops paid work ----------------------------------------------------------


async def test_i_36_without_the_list_no_paid_work_is_done(world: World):
    world.vendor.names = ["walker1", "walker2"]
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    sent = world.vendor.sent
    with world.database.write() as connection:
        connection.execute(text("ALTER TABLE suppressions RENAME TO lost"))
        connection.execute(text("INSERT INTO install_settings VALUES ('suppression_revision', '7')"))
    await world.run(key, Stage.SCREENED)
    assert world.vendor.sent == sent
    assert "passed" not in world.codes(Stage.SCREENED)


@pytest.mark.parametrize("key", [b"", b"too short"])
async def test_i_36_without_a_usable_key_nothing_is_stored_and_nothing_is_bought(world: World, key: bytes, monkeypatch):
    parts = world.parts
    weak = replace(parts, gate=replace(parts.gate, suppression_key=key))
    monkeypatch.setattr(World, "parts", weak)
    batch = world.create().key
    with pytest.raises(Exception, match="32 bytes"):
        await world.run(batch, Stage.DISCOVERED)
    assert rows(world.database, LeadRow) == []


# --- suppression under every spelling, at all three gates -------------------------------------------------------------

LOCAL = st.from_regex(r"[a-z]{3,8}", fullmatch=True)
PLATFORM = PlatformKey("testbook")


def spelled(draw: st.DrawFn, text_: str) -> str:
    flips = draw(st.lists(st.booleans(), min_size=len(text_), max_size=len(text_)))
    return "".join(char.upper() if flip else char for char, flip in zip(text_, flips, strict=True))


@st.composite
def same_mailbox(draw: st.DrawFn) -> tuple[str, str]:
    local = draw(LOCAL)
    dots = draw(st.lists(st.booleans(), min_size=len(local) - 1, max_size=len(local) - 1))
    dotted = "".join(char + ("." if dot else "") for char, dot in zip(local, [*dots, False], strict=True))
    tag = draw(st.sampled_from(["", "+trips", "+a.b", "+1"]))
    domain = draw(st.sampled_from(["gmail.com", "googlemail.com"]))
    edge = draw(st.sampled_from(["", " ", "\t"]))
    return f"{local}@gmail.com", f"{edge}{spelled(draw, dotted + tag + '@' + domain)}{edge}"


@st.composite
def same_account(draw: st.DrawFn) -> tuple[str, str]:
    name = draw(st.from_regex(r"[a-z][a-z0-9_]{3,12}", fullmatch=True))
    at = draw(st.sampled_from(["", "@", " @"]))
    return f"instagram:{name}", f"{spelled(draw, 'instagram')}:{at}{spelled(draw, name)}"


@st.composite
def same_profile(draw: st.DrawFn) -> tuple[str, str]:
    name = draw(st.from_regex(r"[a-z][a-z0-9_]{3,12}", fullmatch=True).filter(lambda each: each not in _PATHS))
    scheme = draw(st.sampled_from(["https://", "http://", ""]))
    host = draw(st.sampled_from(["www.instagram.com", "instagram.com", "m.instagram.com", "Instagram.com"]))
    end = draw(st.sampled_from(["", "/", "/?igshid=1", "?utm_source=x", "#top"]))
    return f"https://www.instagram.com/{name}", f"{scheme}{host}/{spelled(draw, name)}{end}"


@st.composite
def same_phone(draw: st.DrawFn) -> tuple[str, str]:
    digits = draw(st.from_regex(r"[2-9][0-9]{2}[2-9][0-9]{6}", fullmatch=True))
    a, b, c = digits[:3], digits[3:6], digits[6:]
    forms = [f"+1{digits}", f"({a}) {b}-{c}", f"{a}.{b}.{c}", f"001 {a} {b} {c}", f"tel:+1-{a}-{b}-{c}", f"1{digits}"]
    return f"+1{digits}", draw(st.sampled_from(forms))


_PATHS = {"explore", "reel", "reels", "stories", "direct", "accounts", "about", "developer", "legal", "press"}
SPELLINGS = [
    (IdentifierKind.EMAIL, same_mailbox()), (IdentifierKind.HANDLE, same_account()),
    (IdentifierKind.PROFILE_URL, same_profile()), (IdentifierKind.PHONE, same_phone()),
]  # fmt: skip


def item_of(kind: IdentifierKind, value: str, clock) -> FoundItem:
    """A found item that carries the identifier where real items carry it."""
    name = value.partition(":")[2].strip() if kind is IdentifierKind.HANDLE else "somebody"
    record = LeadRecord(
        platform="instagram" if kind is IdentifierKind.HANDLE else PLATFORM, platform_id=name, handle=name,
        profile_url=value if kind is IdentifierKind.PROFILE_URL else "https://testbook.example/somebody",
        audience_kind="followers",
    )  # fmt: skip
    fields = {IdentifierKind.EMAIL: "email", IdentifierKind.PHONE: "phone"}
    found = [
        Candidate(
            field=fields[kind], value=value, canonical=value, kind=CandidateKind.TEXT, step="B", provider="book",
            source_url=None, fetched_at=clock.now(),
        )
    ] if kind in fields else []  # fmt: skip
    return FoundItem(item_no=1, record=record, candidates=tuple(found))


@pytest.mark.parametrize(("kind", "pairs"), SPELLINGS, ids=[kind.value for kind, _ in SPELLINGS])
def test_a_suppressed_person_is_recognised_in_any_spelling_at_the_first_two_gates(sqlite_database, clock, kind, pairs):
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(pairs)
    def holds(pair: tuple[str, str]) -> None:
        known, spelling = pair
        keyed = identifier_hash(Identifier(kind, known), KEY)
        listed = frozenset({(kind.value, keyed)})
        assert keyed is not None
        assert sieve_of([Identifier(kind, known)]).lets_through(Identifier(kind, spelling))
        assert sieve_of([Identifier(kind, spelling)]).lets_through(Identifier(kind, known))
        item = item_of(kind, spelling, clock)
        assert Listed(KEY, 1, listed).hash_of(item.record, item.candidates) == keyed
        people = SuppressionList(sqlite_database, KEY)
        people._listed, people._checked_at = listed, float("inf")
        people._remember(LeadUid("somebody"), [Identifier(kind, spelling)])
        assert not people._listed.isdisjoint(people._people[LeadUid("somebody")])

    holds()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (IdentifierKind.EMAIL, "Walker.One+x@Googlemail.com"), (IdentifierKind.HANDLE, "TESTBOOK:@Walker1"),
        (IdentifierKind.PROFILE_URL, "testbook.example/Walker1/"),
    ],
)  # fmt: skip
async def test_a_person_suppressed_after_the_approval_is_stopped_at_the_third_gate(crm: CrmWorld, kind, value):
    crm.vendor.addresses = {"walker1": "walkerone@gmail.com"}
    key = await crm.scored("walker1", "walker2")
    await crm.plan(key)
    approve(crm.workplace, key, by=BY)
    request = SuppressionRequest(identifier=Identifier(kind, value), reason="asked", source="Kai", now=crm.clock.now())
    add(crm.database, KEY, request)
    await crm.sync(key)
    assert crm.codes(Stage.SYNCED) == {"created": 1, "suppressed": 1}
    assert crm.contact("walker1") is None


async def test_an_erased_person_is_stopped_at_each_gate_by_each_of_their_names(crm: CrmWorld):
    crm.vendor.aliases = {"walker1": ("walker-first",)}
    await synced(crm, "walker1", "walker2")
    await erased(crm, uid_of("walker1"))
    with crm.database.read() as connection:
        listed = hashes(connection)
    people = SuppressionList(crm.database, KEY)
    for who in (
        email("WALKER1@example.org"), handle("@Walker1"), handle("walker-first"),
        Identifier(IdentifierKind.PROFILE_URL, "http://www.testbook.example/walker1?x=1"),
    ):  # fmt: skip
        assert (who.kind.value, identifier_hash(who, KEY)) in listed
        with pytest.raises(PersonSuppressed):
            await people.identify(LeadUid(f"new {who.value}"), [who])
    tombstone = next(row for row in rows(crm.database, LeadRow) if row.erased_at is not None)
    with pytest.raises(PersonSuppressed):
        await people.check([LeadUid(tombstone.lead_uid)])
    assert {row.source for row in rows(crm.database, SuppressionRow)} == {"privacy erase"}


# --- contacts are written as non-marketing, with their legal basis ----------------------------------------------------


async def test_no_contact_is_ever_written_with_a_marketing_status_and_each_with_its_legal_basis(crm: CrmWorld):
    policy: Policy = crm.policy
    properties = crm_properties(policy)
    assert not [name for name in properties if "market" in name.lower()]
    assert policy.crm.legal_basis_property in properties
    assert "notice_due_at" in properties
    await synced(crm, "walker1", "walker2")
    for contact in crm.ours():
        assert not [name for name in contact.properties if "market" in name.lower()]
        basis = contact.value(policy.crm.legal_basis_property) or ""
        assert basis.replace("-", "–") == policy.crm.legal_basis_value.replace("-", "–"), "the CRM plays with dashes"
        assert contact.value("notice_due_at")
