"""What the spending gate is made of, and the place a call is made from."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.operations import Operation
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Clock
from socialanalyzer_dagster.domain.types import JsonObject, LeadUid, PlatformKey, Stage, canonical_json
from socialanalyzer_dagster.pipeline.gate_doors import Doors
from socialanalyzer_dagster.pipeline.limit_rates import Sleep
from socialanalyzer_dagster.pipeline.pricing import PriceTable
from socialanalyzer_dagster.pipeline.stop_flags import StopFlags
from socialanalyzer_dagster.pipeline.suppression import SuppressionList
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.attempts import Attempt, attempt_key_of
from socialanalyzer_dagster.storage.budget_scopes import CapSource, CapWarning
from socialanalyzer_dagster.storage.database import Database

_LOG = logging.getLogger(__name__)


def log_cap_warning(warning: CapWarning) -> None:
    """The default answer to a cap that reached its warning share."""
    used, cap = usd_text(warning.used_micros), usd_text(warning.cap_micros)
    _LOG.warning("the %s cap of %s is nearly reached: %s of it are used or reserved", warning.scope, cap, used)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateParts:
    """Everything the gate consults; one set per process and run. `owner` names this run in what it reserves."""

    database: Database
    writer: GroupWriter
    policy: Policy
    prices: PriceTable
    caps: CapSource
    doors: Doors
    suppression: SuppressionList
    stop_flags: StopFlags
    clock: Clock
    owner: str
    on_cap_warning: Callable[[CapWarning], None] = log_cap_warning
    sleep: Sleep = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic

    def reusable_since(self, operation: Operation) -> datetime | None:
        """From when on anybody's answer may be given again; None for never (spec 12.4)."""
        days = self.policy.cache.reuse_days.get(operation.key)
        return self.clock.now() - timedelta(days=days) if days is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchIdentity:
    """The batch that calls are made for; its cap is read from its row at every reservation.

    `asked_at` is when a person last asked for its work: what was lost before may be sent once more (spec 12.4).
    """

    batch_id: str
    platform: PlatformKey
    policy_version: str
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoBatch:
    """In place of a batch for calls that belong to none, such as keyword ideas: only the shared caps bound them.

    No lock keeps two processes from asking the same at once, so each `run` makes calls of its own; the reuse window
    finds what others paid for.
    """

    platform: PlatformKey
    policy_version: str
    run: str
    batch_id: None = field(default=None, init=False)
    asked_at: None = field(default=None, init=False)


@dataclass(frozen=True, slots=True)
class CallKeys:
    """`fingerprint` is the request alone; `call_key` also names whose call it is (spec 12.4)."""

    fingerprint: str
    call_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSite:
    """Who makes a call, where, and for which leads; outside batches there are no stages."""

    batch: BatchIdentity | NoBatch
    stage: Stage | None
    step: str
    leads: tuple[LeadUid, ...]

    def keys(self, operation: Operation, request: JsonObject, ordinal: int) -> CallKeys:
        """A call for one lead belongs to the lead, any other to the batch, or to the run where there is no batch."""
        text = canonical_json([operation.vendor, operation.key, request, ordinal])
        batch = self.batch
        owner = self.leads[0] if len(self.leads) == 1 else batch.run if isinstance(batch, NoBatch) else batch.batch_id
        return CallKeys(
            fingerprint=hashlib.sha256(text.encode()).hexdigest(),
            call_key=hashlib.sha256(f"{owner}\n{text}".encode()).hexdigest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One sending that is about to be made."""

    site: CallSite
    operation: Operation
    keys: CallKeys
    issue: int
    worst_micros: int

    def attempt(self, parts: GateParts) -> Attempt:
        """As it is stored; scopes come with the reservation."""
        return Attempt(
            attempt_key=attempt_key_of(self.keys.call_key, self.issue),
            call_key=self.keys.call_key,
            fingerprint=self.keys.fingerprint,
            provider=self.operation.vendor,
            operation=self.operation.key,
            batch_id=self.site.batch.batch_id,
            platform=self.site.batch.platform,
            stage=None if self.site.stage is None else self.site.stage.value,
            step=self.site.step,
            leads=self.site.leads,
            issue=self.issue,
            owner=parts.owner,
            policy_version=self.site.batch.policy_version,
            reserved_micros=self.worst_micros,
            reserved_at=parts.clock.now(),
        )
