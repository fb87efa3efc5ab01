"""The tests' own platform in front of the sandbox's CRM: batches go to scored, then to a plan and into HubSpot."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from batch_world import KEY, BookVendor, World, book_policy, candidate, quiet
from known_states import KnownStates
from sqlalchemy import select

from socialanalyzer_dagster.domain.crm_properties import UNIQUE_PROPERTY
from socialanalyzer_dagster.domain.outcomes import passed
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork
from socialanalyzer_dagster.domain.types import LeadUid, Stage, lead_uid
from socialanalyzer_dagster.pipeline.approvals import approve
from socialanalyzer_dagster.pipeline.crm_apply import SyncReport, apply_plan
from socialanalyzer_dagster.pipeline.crm_plan import PlanReport, make_plan
from socialanalyzer_dagster.pipeline.crm_reconcile import ReconcileReport, reconcile
from socialanalyzer_dagster.pipeline.crm_setup import create_missing
from socialanalyzer_dagster.pipeline.crm_undo import UndoReport, UndoRequest, undo
from socialanalyzer_dagster.pipeline.free_calls import Knocks
from socialanalyzer_dagster.pipeline.session import SessionParts
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.sandbox.vendors.hubspot import crm_of
from socialanalyzer_dagster.sandbox.vendors.hubspot_contacts import Contact, ContactBook
from socialanalyzer_dagster.sandbox.vendors.hubspot_properties import invalid
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage import crm_links, roster, sync_plans
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_leads import LeadRow
from socialanalyzer_dagster.storage.sync_plans import StoredRow
from socialanalyzer_dagster.vendors.connect import connect_hubspot
from socialanalyzer_dagster.vendors.hubspot import HubSpot

PLATFORM_KEY = BookVendor().platform.key
WRITES = ("batch_upsert", "batch_update", "batch_create", "contact_create", "contact_update")


@dataclass
class CrmVendor(BookVendor):
    """Leads whose tier, address, verdict and country tests choose by name."""

    tiers: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str | None] = field(default_factory=dict)
    countries: dict[str, str] = field(default_factory=dict)

    async def enrich(self, works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        for work in works:
            name, at = work.record.handle, context.clock.now()
            address = self.addresses.get(name, f"{name}@example.org")
            values = {"country": candidate("country", self.countries.get(name, "US"), at)}
            if address is not None:
                values["email"] = candidate("email", address, at)
            status = self.statuses.get(name, "valid") if address is not None else None
            yield LeadResult(
                uid=work.uid, outcome=passed(Stage.ENRICHED), values=values, email_status=status,
                candidates=tuple(values.values()),
            )  # fmt: skip

    async def score(self, works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        async for result in super().score(works, context):
            name = next(work.record.handle for work in works if work.uid == result.uid)
            assert result.score is not None
            tier = self.tiers.get(name, "standard_review")
            at = context.clock.now()
            yield replace(
                result, score=result.score.model_copy(update={"tier": tier}),
                values={"first_name": candidate("first_name", name.title(), at)},
            )  # fmt: skip


@dataclass(repr=False)  # asyncio spells the result of a fixture out, and forgets it
class CrmWorld(World):
    """A workplace with a CRM."""

    vendor: CrmVendor = field(default_factory=CrmVendor)
    hubspot: HubSpot | None = None
    server: SandboxServer | None = None
    sleeps: list[float] = field(default_factory=list)
    when_asleep: Callable[[], object] | None = None
    """What happens once, the next time that somebody waits."""
    suppression_key: bytes = KEY
    known: KnownStates | None = None
    """States to take a shorter way to."""

    @property
    def parts(self) -> SessionParts:
        plain = super().parts
        gate = replace(
            plain.gate,
            sleep=self._sleep,
            monotonic=self._monotonic,
            shared_time=lambda _connection: self.clock.now().timestamp() + self._monotonic(),
            suppression_key=self.suppression_key,
        )
        return replace(plain, vendors=replace(plain.vendors, hubspot=self.hubspot), gate=gate)

    def _monotonic(self) -> float:
        return time.monotonic() + sum(self.sleeps)

    async def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        happens, self.when_asleep = self.when_asleep, None
        if happens is not None:
            happens()

    @property
    def crm(self) -> Any:
        assert self.server is not None
        return crm_of(self.server.state)

    def faults(self, *faults: Fault) -> None:
        assert self.server is not None
        self.server.state.faults.set(faults)

    @property
    def writes(self) -> int:
        """Write calls the CRM has seen."""
        assert self.server is not None
        return sum(number for name, number in self.server.state.calls.items() if name.split(".")[-1] in WRITES)

    def contact(self, name: str) -> Contact | None:
        """The contact that carries a lead's uid."""
        return self.crm.contacts.find(uid_of(name), UNIQUE_PROPERTY)

    def ours(self) -> list[Contact]:
        """All contacts that carry a uid of ours."""
        return [each for each in self.crm.contacts.everyone() if each.value(UNIQUE_PROPERTY)]

    def change(self, contact: Contact, **values: str) -> None:
        """A rep edits a contact."""
        self.crm.contacts.update(contact, values, now=self.clock.now())

    def refuses(self, contact: Contact, patch: pytest.MonkeyPatch) -> None:
        """From now on the CRM refuses whatever is written to a contact, and the whole call that holds it."""
        check = ContactBook.check

        def checked(book: ContactBook, values: Any, *, owner: str | None) -> Any:
            if owner == contact.id:
                raise invalid("The account does not allow this value", about="lead_score")
            return check(book, values, owner=owner)

        patch.setattr(ContactBook, "check", checked)
        self.faults(Fault("hubspot", "*", "whole_refusal"))

    def person(self, email: str, **values: str) -> Contact:
        """A rep makes a contact."""
        return self.crm.contacts.create({"email": email, **values}, now=self.clock.now())

    def merge(self, primary: Contact, other: Contact) -> None:
        """A rep merges a contact into another one."""
        self.crm.contacts.merge(primary, other, now=self.clock.now())

    def delete(self, contact: Contact) -> None:
        """A rep deletes a contact."""
        self.crm.contacts.archive(contact, now=self.clock.now())

    async def approved(self, *names: str, **request: Any) -> str:
        """The key of a batch whose plan was approved; leads that were written before are looked at again."""
        self.clock.advance(days=200)
        return await self.ready(*names, **request)

    async def synced(self, *names: str, **request: Any) -> str:
        """The key of a batch whose plan was written, as with `approved`."""
        self.clock.advance(days=200)
        return await self.written(*names, **request)

    async def written(self, *names: str, **request: Any) -> str:
        """The key of a batch whose plan was written, at this moment."""

        async def write() -> str:
            key = await self.ready(*names, **request)
            await self.sync(key)
            return key

        return await self._reach(f"written {names} {request}", write)

    async def ready(self, *names: str, **request: Any) -> str:
        """The key of a batch whose plan was approved, at this moment."""

        async def decide() -> str:
            key = await self.scored(*names, **request)
            await self.plan(key)
            approve(self.workplace, key, by="Mara")
            return key

        return await self._reach(f"approved {names} {request}", decide)

    async def scored(self, *names: str, **request: Any) -> str:
        """The key of a batch whose leads went through scored."""

        async def judge() -> str:
            self.vendor.names = list(names)
            key = self.create(**request).key
            await self.run_at_once(key)
            return key

        return await self._reach(f"scored {names} {request}", judge)

    async def _reach(self, step: str, make: Callable[[], Awaitable[str]]) -> str:
        return await (make() if self.known is None else self.known.reach(self, step, make))

    async def plan(self, key: str) -> PlanReport:
        async with self.opened(key) as batch:
            return await make_plan(batch)

    async def sync(self, key: str) -> SyncReport:
        async with self.opened(key) as batch:
            return await apply_plan(batch, quiet)

    def rows(self, key: str) -> dict[str, StoredRow]:
        """The rows of the newest plan by handle."""
        from socialanalyzer_dagster.pipeline.batch_actions import find_batch

        with self.database.read() as connection:
            plan = sync_plans.newest_plan(connection, find_batch(self.workplace, key).batch_id)
            assert plan is not None
            handles = dict(connection.execute(select(LeadRow.lead_uid, LeadRow.handle)).all())
            return {handles[row.planned.uid]: row for row in sync_plans.plan_rows(connection, plan.plan_id)}

    def actions(self, key: str) -> dict[str, tuple[str, str | None]]:
        return {name: (str(row.planned.action), row.planned.reason) for name, row in self.rows(key).items()}

    def states(self, key: str) -> dict[str, str]:
        return {name: str(row.state) for name, row in self.rows(key).items()}

    def bdrs(self, *people: tuple[str, bool]) -> None:
        """The roster: names with whether they are active."""
        with self.database.write() as connection:
            roster.replace_roster(
                connection,
                [
                    roster.Bdr(name=name, owner_id=f"owner-{name}", is_active=is_active, position=position)
                    for position, (name, is_active) in enumerate(people)
                ],
            )

    def dealt(self) -> Counter[str]:
        """Leads per BDR by the counters of the running epoch."""
        with self.database.write() as connection:
            found = roster.counts(connection, roster.current_epoch(connection, self.clock.now()))
        return Counter({name: number for (_tier, name), number in found.items() if number})

    def assigned(self) -> Counter[str]:
        """Leads per BDR by the assignments."""
        with self.database.read() as connection:
            return Counter(roster.totals(connection))

    async def undo(self, key: str, *, yes: bool = False, **request: Any) -> UndoReport:
        """What an undo would restore, or restored."""
        assert self.hubspot is not None
        wanted = UndoRequest(key=key, by="Mara", is_confirmed=yes, **request)
        return await undo(self.workplace, self.hubspot, self.suppression_key, wanted)

    async def reconcile(self) -> ReconcileReport:
        """Our contacts read back."""
        assert self.hubspot is not None
        return await reconcile(self.workplace, self.hubspot, self.suppression_key)

    def links(self, *names: str) -> dict[LeadUid, str]:
        with self.database.read() as connection:
            found = crm_links.links_of(connection, [uid_of(name) for name in names])
        return {uid: link.contact_id for uid, link in found.items()}

    def link(self, name: str) -> crm_links.Link:
        with self.database.read() as connection:
            return crm_links.links_of(connection, [uid_of(name)])[uid_of(name)]


def uid_of(name: str) -> LeadUid:
    return lead_uid(PLATFORM_KEY, name)


_PROPERTY = "hubspot.property"
_PROPERTIES: dict[str, Any] = {}


@asynccontextmanager
async def crm_world(
    database: Database, policy: Policy, clock: Any, home: Path, server: SandboxServer
) -> AsyncIterator[CrmWorld]:
    """A world whose CRM has every property and no contact of ours."""
    server.state.reset()
    hubspot = hubspot_of(server, home)
    try:
        await _set_up(server, hubspot, policy)
        world = CrmWorld(database, book_policy(policy), clock, home, hubspot=hubspot, server=server)
        world.bdrs(("Ada", True), ("Ben", True), ("Cleo", True))
        yield world
    finally:
        server.state.faults.reset()
        await hubspot.aclose()


async def _set_up(server: SandboxServer, hubspot: HubSpot, policy: Policy) -> None:
    """Make the properties once per test process; later worlds begin with what was made then."""
    store = server.state.store
    for name, definition in _PROPERTIES.items():
        store.put(_PROPERTY, name, definition)
    if not _PROPERTIES:
        await create_missing(Knocks(policy), hubspot, policy)
        _PROPERTIES.update(store.items(_PROPERTY))


def hubspot_of(server: SandboxServer, home: Path) -> HubSpot:
    """A client of the sandbox's CRM."""
    settings = Settings.from_environment(
        {"SOCIALANALYZER_SANDBOX_URL": server.base_url, "SOCIALANALYZER_HOME": str(home)}
    )
    client = connect_hubspot(settings)
    assert client is not None
    return client
