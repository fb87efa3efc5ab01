"""How a vendor call is described: clients build it, only the spending gate sends it (architecture section 4)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

from socialanalyzer_dagster.domain.types import JsonObject, JsonValue

T = TypeVar("T")
Units = Mapping[str, Decimal | int]
"""Price key -> number of units, e.g. {"openai.gpt-4o.input": 905, "openai.gpt-4o.output": 12}."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a vendor's headers say is left of a limit until it is full again; `limit` None where they do not say.

    `tokens_of` names the model whose tokens are counted; None means calls.
    """

    remaining: int
    reset_seconds: float
    limit: int | None = None
    tokens_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: the JSON to store, and what the vendor will bill for it.

    `reported_micros` is set where the vendor reports its own charge (Apify); it replaces the price of `units`.
    """

    body: JsonValue
    units: Units = field(default_factory=dict)
    reported_micros: int | None = None
    request_id: str | None = None
    quotas: tuple[Quota, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorCall(Generic[T]):
    """One request, not sent yet.

    `operation` is a key of operations.OPERATIONS; `request` is the canonical request without secrets, boundaries or
    expiring URLs and is what the fingerprint is made of; `max_units` bounds what can be billed; `decode` turns a stored
    or fresh body into the typed answer and raises ValueError when the body does not fit. `line` is set for calls
    that the vendor also takes as one line of a batch; `tokens` is what a vendor that limits model tokens will count, by
    model.
    """

    operation: str
    request: JsonObject
    max_units: Units
    send: Callable[[], Awaitable[Reply]]
    decode: Callable[[JsonValue], T]
    line: "BatchableLine | None" = None
    tokens: Mapping[str, int] = field(default_factory=dict)


class JobState(StrEnum):
    """Where an asynchronous vendor job stands; a value the contract does not list is FAILED."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """One poll of a job. A failed job may still have items and a charge."""

    job_id: str
    state: JobState
    dataset_id: str | None = None
    reported_micros: int | None = None
    reason: str | None = None

    @property
    def failure(self) -> str | None:
        """Why the job ended before it had everything, as a code; None of one that did not."""
        return (self.reason or "job_failed") if self.state is JobState.FAILED else None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """One page of a job's items; `next_offset` is None after the last page."""

    items: tuple[JsonObject, ...]
    next_offset: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorJob(Generic[T]):
    """A paid job that runs at the vendor: started once, polled by its stored id, read page by page.

    `start` takes the micro-USD it may cost at most and returns the first status with its job id; `find` looks for a job
    started after an instant when the answer to `start` was lost (None where the vendor has no list call); `units` gives
    what is billed for so many items where the vendor does not report it; `abort` stops the meter where the vendor can.
    A job that `outlives_runs` is waited for outside of any run in every stage, not only in discovery. Where the vendor
    `reports_cost`, what a job cost is read again some time after its end.
    """

    operation: str
    request: JsonObject
    max_units: Units
    start: Callable[[int], Awaitable[JobStatus]]
    poll: Callable[[str], Awaitable[JobStatus]]
    page: Callable[[JobStatus, int], Awaitable[JobPage]]
    units: Callable[[int], Units]
    decode: Callable[[JsonValue], T]
    find: Callable[[datetime], Awaitable[JobStatus | None]] | None = None
    abort: Callable[[str], Awaitable[None]] | None = None
    outlives_runs: bool = False
    reports_cost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LineBatch:
    """Lines to be bought together, with what is stored about them; `bodies` is empty when a stored batch is resumed."""

    request: JsonObject
    bodies: Mapping[str, JsonObject] = field(default_factory=dict)
    max_units: Units = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LineResult:
    """How one line ended; neither a reply nor an error means that the vendor did not get to it."""

    line_id: str
    reply: Reply | None = None
    error: "VendorError | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchableLine:
    """One request as a line of about `size_bytes`; lines of one `kind` may share a batch, which `job` makes of them."""

    kind: str
    body: JsonObject
    size_bytes: int
    job: Callable[[LineBatch], VendorJob[tuple[LineResult, ...]]]


class ErrorClass(StrEnum):
    """How an unsuccessful call is handled (spec 13.1)."""

    THROTTLED = "throttled"
    TRANSIENT = "transient"
    PERMANENT_ITEM = "permanent_item"
    PERMANENT_SERVICE = "permanent_service"
    UNKNOWN = "unknown"


class VendorError(Exception):
    """A vendor's refusal or silence, classified by status and body; its text holds no key, query string or body."""

    def __init__(
        self,
        vendor: str,
        error_class: ErrorClass,
        code: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
        quotas: tuple[Quota, ...] = (),
        sent: bool = True,
    ) -> None:
        super().__init__(f"{vendor}: {code}" + (f" (HTTP {status})" if status else ""))
        self.vendor = vendor
        self.error_class = error_class
        self.code = code
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.quotas = quotas
        self.sent = sent
        """False when the request certainly never reached the vendor, so that nothing can have been billed."""
