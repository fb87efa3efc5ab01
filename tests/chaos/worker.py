"""One process that brings one batch as far as it goes, as `batch run` does, and may be killed on the way."""

import asyncio
import contextvars
import os
import sys
import traceback
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from socialanalyzer_dagster.domain.calls import VendorError
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.approvals import approve
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, StatusRefused
from socialanalyzer_dagster.pipeline.crm_apply import apply_plan
from socialanalyzer_dagster.pipeline.crm_plan import make_plan
from socialanalyzer_dagster.pipeline.crm_sync import next_stretch
from socialanalyzer_dagster.pipeline.discovery import DiscoveryFailed, discover
from socialanalyzer_dagster.pipeline.gate import GateOptions, StageGate
from socialanalyzer_dagster.pipeline.gate_answers import DEMO_APPROVER
from socialanalyzer_dagster.pipeline.launching import Stretch
from socialanalyzer_dagster.pipeline.locks import BatchLocked
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.runner import MissingCheckpoint, run_stage
from socialanalyzer_dagster.pipeline.session import PipelineSession, SessionParts
from socialanalyzer_dagster.pipeline.workplace import SystemClock, Workplace
from socialanalyzer_dagster.platforms.registry import PLATFORMS
from socialanalyzer_dagster.sandbox.fault_log import TRACE_HEADER
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.vendors.bundle import Vendors
from socialanalyzer_dagster.vendors.connect import connect_vendors
from tests.chaos.kills import Fate, Kill, arm

DONE, CRASHED, REFUSED = 0, 1, 3
REFUSALS = (BatchRefused, BatchLocked, MissingCheckpoint, DiscoveryFailed, StatusRefused)
_PATIENCE_SECONDS = 3.0
_LONGEST_WAIT_SECONDS = 0.2
_TRACE: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="")


@dataclass(frozen=True)
class Order:
    """What a worker is to do: a batch, the installation it belongs to, and how it is to die."""

    key: str
    environment: Mapping[str, str]
    said: Path
    kill: Kill | None = None


def work(order: Order) -> None:
    """The whole life of a worker process; ends with DONE, REFUSED when a run would have been refused, or CRASHED."""
    os.environ.update(order.environment)
    os.dup2(os.open(order.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    fate = Fate(order.kill)
    arm(fate)
    trace_requests()
    shorten_waits()
    try:
        asyncio.run(bring_up_to_date(order.key, fate))
        code = DONE
    except REFUSALS as refused:
        sys.stderr.write(f"{type(refused).__name__}: {refused}\n")
        code = REFUSED
    except BaseException:  # noqa: BLE001 - the supervisor reads it and fails
        traceback.print_exc()
        code = CRASHED
    sys.stderr.flush()
    os._exit(code)


async def bring_up_to_date(key: str, fate: Fate) -> None:
    """Every step that is due: up to the plan, the approval, the sync."""
    settings = Settings.from_environment()
    database = Database(settings.database_url.get_secret_value())
    workplace = Workplace(
        database=database,
        platforms=PLATFORMS,
        clock=SystemClock(),
        home=settings.home,
        mode=settings.environment,
        suppression_key=settings.suppression_key,
    )
    run = _Run(workplace, settings, connect_vendors(settings), fate, key)
    if run.stretch() is Stretch.TO_PLAN:
        for stage in (Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED):
            await run.step(stage)
        await run.step("plan")
    if run.status() == BatchStatus.AWAITING_APPROVAL:
        fate.step = "approval"
        approve(workplace, key, by=DEMO_APPROVER)
    if run.stretch() is Stretch.SYNC:
        await run.step(Stage.SYNCED)


@dataclass
class _Run:
    workplace: Workplace
    settings: Settings
    vendors: Vendors
    fate: Fate
    key: str

    def __post_init__(self) -> None:
        self._run_id = str(uuid.uuid4())

    def status(self) -> str:
        return find_batch(self.workplace, self.key).status

    def stretch(self) -> Stretch:
        batch = find_batch(self.workplace, self.key)
        with self.workplace.database.read() as connection:
            return next_stretch(connection, batch)

    async def step(self, name: str) -> None:
        """One step in a session of its own, as an asset has it."""
        self.fate.step = name
        gate = GateOptions(
            clock=self.workplace.clock, suppression_key=self.settings.suppression_hmac_key.get_secret_value().encode()
        )
        parts = SessionParts(
            workplace=self.workplace, vendors=self.vendors, gate=gate, boundary_secret=self.settings.boundary_secret
        )
        async with PipelineSession(parts) as session, session.open_batch(self.key, run_id=self._run_id) as batch:
            await _do(batch, name)


async def _do(batch: OpenBatch, name: str) -> None:
    if name == Stage.DISCOVERED:
        await discover(batch)
    elif name == "plan":
        await make_plan(batch)
    elif name == Stage.SYNCED:
        await apply_plan(batch)
    else:
        await run_stage(batch, Stage(name))


def trace_requests() -> None:
    """From now on every request says for which batch, stage and leads it is made; the sandbox's fault log keeps it.

    An answer is waited for as long as a client does, but not in minutes: what hangs, hangs until then.
    """
    for name in ("call", "run_job"):
        setattr(StageGate, name, _traced(getattr(StageGate, name)))
    send = httpx.AsyncClient.send

    async def sent(client: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        request.headers[TRACE_HEADER] = _TRACE.get()
        patience = request.extensions["timeout"]
        request.extensions["timeout"] = {**patience, "read": min(patience["read"], _PATIENCE_SECONDS)}
        return await send(client, request, **options)

    httpx.AsyncClient.send = sent  # type: ignore[method-assign]


def shorten_waits() -> None:
    """From now on vendors ask for short waits: 10 s of HubSpot's window or a minute of Apify's memory prove no more."""
    made = VendorError.__init__

    def short(error: VendorError, *facts: Any, **more: Any) -> None:
        made(error, *facts, **more)
        if error.retry_after_seconds is not None:
            error.retry_after_seconds = min(error.retry_after_seconds, _LONGEST_WAIT_SECONDS)

    VendorError.__init__ = short  # type: ignore[method-assign]


def _traced(method: Any) -> Any:
    async def called(gate: StageGate, what: Any, **options: Any) -> Any:
        leads = ",".join(options.get("leads") or ())
        before = _TRACE.set(f"{gate._batch.batch_id} {gate._stage.value} {leads}".strip())
        try:
            return await method(gate, what, **options)
        finally:
            _TRACE.reset(before)

    return called
