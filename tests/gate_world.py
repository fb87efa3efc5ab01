"""A batch, invented vendors and gates over them, for the tests of the spending gate."""

import asyncio
import hashlib
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from socialanalyzer_dagster.domain.calls import ErrorClass, Reply, VendorCall, VendorError
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.policy import Policy, parse_policy
from socialanalyzer_dagster.domain.types import LeadUid, PlatformKey, Stage, canonical_json, lead_uid
from socialanalyzer_dagster.pipeline.gate import GateOptions, SpendingGate, StageGate, spending_gate
from socialanalyzer_dagster.pipeline.gate_parts import BatchIdentity
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.database import Database, upsert
from socialanalyzer_dagster.storage.models_control import (
    BudgetScopeRow,
    LedgerEntryRow,
    PolicyRow,
    ProviderAttemptRow,
    VendorJobRow,
)
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow, SearchRow

KEY = b"suppression key for tests, 32 byte"
PLATFORM = PlatformKey("instagram")
FETCH = "insightiq.contents_fetch"
CHAT = "openai.chat"
FETCH_MICROS = 40_000
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def policy_with(policy: Policy, **sections: dict[str, Any]) -> Policy:
    """The policy with some keys of some sections changed."""
    document = policy.document()
    for name, changes in sections.items():
        document[name] = document[name] | changes
    return parse_policy(document)


def store_policy(database: Database, policy: Policy) -> None:
    """Make a policy the active one."""
    with database.write() as connection:
        connection.execute(update(PolicyRow).values(is_active=False))
        number = connection.execute(select(func.count()).select_from(PolicyRow)).scalar_one() + 1
        row = {
            "policy_hash": policy.digest, "number": number, "policy_version": policy.policy_version,
            "document": policy.document(), "author": "test", "note": "", "diff": {}, "created_at": NOW,
            "is_active": True,
        }  # fmt: skip
        statement = upsert(connection, PolicyRow).values(row)
        connection.execute(statement.on_conflict_do_update(index_elements=["policy_hash"], set_={"is_active": True}))


def new_batch(
    database: Database, policy: Policy, *, cap_micros: int = 100_000_000, platform: PlatformKey = PLATFORM
) -> BatchIdentity:
    """A stored batch under the policy, which becomes the active one."""
    store_policy(database, policy)
    with database.write() as connection:
        batch_id = stored_batch(connection, policy_hash=policy.digest, platform=platform, cap_micros=cap_micros)
    return BatchIdentity(batch_id=batch_id, platform=platform, policy_version=policy.policy_version)


def stored_batch(connection: Connection, *, policy_hash: str, platform: str, cap_micros: int) -> str:
    """The id of a new batch under a stored policy."""
    batch_id = str(uuid.uuid4())
    search = {"fingerprint": "s", "platform": platform, "kind": "filters", "filters": {}, "created_at": NOW}
    connection.execute(upsert(connection, SearchRow).values(search).on_conflict_do_nothing())
    connection.execute(
        insert(LeadBatchRow).values(
            batch_id=batch_id, partition_key=f"2026-11-20.{platform}.{batch_id}", idempotency_key=batch_id,
            idempotency_hash="h", platform=platform, day=date(2026, 11, 20), search_fingerprint="s", filters={},
            bdr_names=[], max_leads=10, cap_micros=cap_micros, stop_at_cap=False, estimate={}, estimate_micros=0,
            worst_case_micros=0, policy_hash=policy_hash, policy_version="1.0.0", mode="sandbox",
            status="screening", version=1, attempt=1, stop_requested=False, capped=False, reused_micros=0,
            interruptions=0, created_at=NOW,
        )
    )  # fmt: skip
    return batch_id


def activate_budgets(connection: Connection, budgets: dict[str, Any]) -> str:
    """Make caps the active ones without a whole policy around them; gives the hash they are stored under."""
    digest = hashlib.sha256(canonical_json(budgets).encode()).hexdigest()
    connection.execute(update(PolicyRow).where(PolicyRow.is_active).values(is_active=False))
    row = {
        "policy_hash": digest, "number": int(digest[:7], 16), "policy_version": "1.0.0", "author": "test", "note": "",
        "document": {"budgets": budgets}, "diff": {}, "created_at": NOW, "is_active": True,
    }  # fmt: skip
    statement = upsert(connection, PolicyRow).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=["policy_hash"], set_={"is_active": True}))
    return digest


def stop_batch(database: Database, batch: BatchIdentity, *, stopped: bool = True) -> None:
    """Set the stop flag, or take it back as a retry does."""
    with database.write() as connection:
        connection.execute(
            update(LeadBatchRow).where(LeadBatchRow.batch_id == batch.batch_id).values(stop_requested=stopped)
        )


def uid(number: int) -> LeadUid:
    return lead_uid(PLATFORM, f"creator{number}")


def handle(number: int) -> Identifier:
    return Identifier(IdentifierKind.HANDLE, f"{PLATFORM}:creator{number}")


@asynccontextmanager
async def gate_over(database: Database, policy: Policy, clock: Any, **options: Any) -> AsyncIterator[SpendingGate]:
    """A gate of its own run."""
    async with (
        GroupWriter(database) as writer,
        spending_gate(database, writer, policy, GateOptions(clock=clock, suppression_key=KEY, **options)) as gate,
    ):
        yield gate


@asynccontextmanager
async def stage_gate(
    database: Database, policy: Policy, clock: Any, batch: BatchIdentity, *, leads: int = 3, **options: Any
) -> AsyncIterator[StageGate]:
    """The gate of a batch's screening with some identified leads."""
    async with gate_over(database, policy, clock, **options) as gate:
        bound = gate.bind(batch, Stage.SCREENED)
        for number in range(leads):
            await bound.identify(uid(number), [handle(number)])
        yield bound


class Vendor:
    """Answers calls by a script and counts what it charged."""

    def __init__(self, *script: Any, charge: int = 1) -> None:
        self.script = list(script)
        self.sent = 0
        self.charge = charge
        self.arrived = asyncio.Event()
        self.hold: asyncio.Event | None = None

    async def send(self) -> Reply:
        self.sent += 1
        self.arrived.set()
        if self.hold is not None:
            await self.hold.wait()
        step = self.script.pop(0) if self.script else {"answer": self.sent}
        if isinstance(step, BaseException):
            raise step
        if callable(step):
            step = step()
        return Reply(body=step, units={FETCH: self.charge})

    def call(
        self, name: str = "a", *, operation: str = FETCH, decode: Callable[[Any], Any] = lambda body: body
    ) -> VendorCall[Any]:
        return VendorCall(
            operation=operation, request={"of": name}, max_units={FETCH: 1}, send=self.send, decode=decode
        )


def vendor_error(error_class: ErrorClass, code: str = "fault", **facts: Any) -> VendorError:
    return VendorError("insightiq", error_class, code, **facts)


class VirtualTime:
    """Sleeping costs nothing and moves its own monotonic clock."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)

    @property
    def options(self) -> dict[str, Callable[..., Any] | Callable[..., Awaitable[Any]]]:
        return {"sleep": self.sleep, "monotonic": self.monotonic, "shared_time": lambda _connection: self.seconds}


def scopes(database: Database) -> dict[str, tuple[int, int, int]]:
    """Scope kind -> settled, held, unknown."""
    with database.read() as connection:
        rows = connection.execute(select(BudgetScopeRow)).all()
        table = connection.execute(select(BudgetScopeRow.__table__)).all()
    assert rows
    return {row.scope.split(":")[0]: (row.settled_micros, row.held_micros, row.unknown_micros) for row in table}


def money_of(database: Database) -> tuple[int, int, int]:
    """Settled, held and unknown, which must be the same in every scope."""
    found = set(scopes(database).values())
    assert len(found) == 1, found
    return found.pop()


def ledger(database: Database) -> dict[str, list[tuple[str | None, int, int]]]:
    """Kind -> (lead, amount, saved) in order."""
    rows: dict[str, list[tuple[str | None, int, int]]] = defaultdict(list)
    with database.read() as connection:
        found = connection.execute(
            select(
                LedgerEntryRow.kind, LedgerEntryRow.lead_uid, LedgerEntryRow.amount_micros, LedgerEntryRow.saved_micros
            ).order_by(LedgerEntryRow.id)
        )
        for kind, lead, amount, saved in found:
            rows[kind].append((lead, amount, saved))
    return dict(rows)


def attempts(database: Database) -> list[tuple[str, int, str | None]]:
    """State, issue and error code, in order of issue."""
    with database.read() as connection:
        found = connection.execute(
            select(ProviderAttemptRow.state, ProviderAttemptRow.issue, ProviderAttemptRow.error_code).order_by(
                ProviderAttemptRow.issue, ProviderAttemptRow.attempt_key
            )
        )
        return [tuple(row) for row in found]  # type: ignore[misc]


def jobs(database: Database) -> list[tuple[str, str | None]]:
    """State and vendor id of the stored jobs."""
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(select(VendorJobRow.state, VendorJobRow.job_id))]  # type: ignore[misc]
