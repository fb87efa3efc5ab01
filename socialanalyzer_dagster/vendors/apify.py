"""Apify runs: start, poll, read, find again, abort and what a run cost (vendor-contracts section 4)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Generic, TypeVar

from socialanalyzer_dagster.domain.calls import (
    ErrorClass,
    JobPage,
    JobState,
    JobStatus,
    Units,
    VendorCall,
    VendorError,
    VendorJob,
)
from socialanalyzer_dagster.domain.money import MICROS_PER_USD
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue, sha256_of
from socialanalyzer_dagster.vendors.http import (
    Ask,
    Connection,
    Headers,
    ServiceStatus,
    VendorHttp,
    as_object,
    known_code,
    status_call,
    status_error,
    unreadable,
)
from socialanalyzer_dagster.vendors.job_status import job_status_call

T = TypeVar("T")

VENDOR = "apify"
PAGE_SIZE = 1000
POLL_SECONDS = 20
_CLOCK_MARGIN = timedelta(minutes=2)
_MARKS = 1_000_000
_RUNNING = {"READY", "RUNNING", "TIMING-OUT", "ABORTING"}
_ENDED = {"FAILED", "TIMED-OUT", "ABORTED"}
_BUSY = frozenset({"actor_memory_limit_exceeded", "concurrent_runs_limit_exceeded"})
_NO_MONEY = frozenset(
    {
        "not_enough_usage_to_run_paid_actor",
        "monthly_usage_limit_too_low",
        "x402_payment_required",
        "apify_plan_required_to_use_paid_actor",
    }
)
_CODES = (
    _BUSY
    | _NO_MONEY
    | {
        "invalid_input",
        "run_input_body_not_valid_json",
        "max_total_charge_usd_below_minimum",
        "token_not_provided",
        "user_or_token_not_found",
        "insufficient_permissions",
        "actor_not_found",
        "record_not_found",
        "run_timeout_exceeded",
        "rate_limit_exceeded",
    }
)
_BUSY_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """What a run may use; `memory_mb` is a power of two from 128."""

    timeout_seconds: int
    memory_mb: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorRun(Generic[T]):
    """One actor with its validated input; `max_items` bounds what is charged per result."""

    operation: str
    actor_id: str
    actor_input: JsonObject
    max_items: int
    units: Callable[[int], Units]
    decode: Callable[[JsonValue], T]

    @property
    def request(self) -> JsonObject:
        """What the fingerprint is made of."""
        return {"actor": self.actor_id, "input": self.actor_input, "max_items": self.max_items}

    @property
    def mark(self) -> int:
        """A number below one million that tells this request's runs from others when a run must be found again."""
        return int(sha256_of(self.request)[:12], 16) % (_MARKS - 1) + 1


class ApifyRuns:
    """Describes actor runs as jobs; nothing is sent before the gate does it."""

    def __init__(self, connection: Connection) -> None:
        self._http = VendorHttp(VENDOR, connection, classify)

    def job(self, run: ActorRun[T], limits: RunLimits) -> VendorJob[T]:
        """The job of one run; raises ValueError when the memory is no power of two from 128."""
        if limits.memory_mb < 128 or limits.memory_mb & (limits.memory_mb - 1):
            raise ValueError("actor memory must be a power of two from 128 MB")

        async def start(max_total_charge_micros: int) -> JobStatus:
            return await self._start(run, limits, max_total_charge_micros)

        async def find(started_after: datetime) -> JobStatus | None:
            return await self._find(run, started_after)

        return VendorJob(
            operation=run.operation,
            request=run.request,
            max_units=run.units(run.max_items),
            start=start,
            poll=self._poll,
            page=self._page,
            units=run.units,
            decode=run.decode,
            find=find,
            abort=self._abort,
            reports_cost=True,
        )

    def status(self) -> VendorCall[ServiceStatus]:
        """A free call that proves the token works and tells the usage of the month."""

        async def detail() -> str:
            answer = await self._http.ask(Ask(operation="apify.read", path="/v2/users/me/limits"))
            used = as_object(_data(answer.value).get("current")).get("monthlyUsageUsd")
            return f"used this month: ${used}" if isinstance(used, int | float) else "the token is accepted"

        return status_call(VENDOR, "apify.read", detail)

    def run_status(self, run_id: str) -> VendorCall[JobStatus]:
        """Where an actor run stands; free."""
        return job_status_call("apify.read", run_id, lambda: self._poll(run_id, wait_seconds=0))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _start(self, run: ActorRun[T], limits: RunLimits, max_micros: int) -> JobStatus:
        query: dict[str, str | int] = {
            "timeout": limits.timeout_seconds,
            "memory": limits.memory_mb,
            "maxItems": run.max_items,
            "maxTotalChargeUsd": charge_limit_usd(max_micros, run.mark),
        }
        path = f"/v2/actors/{run.actor_id}/runs"
        ask = Ask(operation=run.operation, method="POST", path=path, query=query, body=run.actor_input)
        answer = await self._http.ask(ask)
        return job_status(_data(answer.value), run.operation)

    async def _poll(self, job_id: str, wait_seconds: int = POLL_SECONDS) -> JobStatus:
        ask = Ask(operation="apify.read", path=f"/v2/actor-runs/{job_id}", query={"waitForFinish": wait_seconds})
        answer = await self._http.ask(ask)
        return job_status(_data(answer.value), "apify.read")

    async def _page(self, status: JobStatus, offset: int) -> JobPage:
        """Uncleaned items, so that a short page moves the offset by exactly what it held."""
        if status.dataset_id is None:
            raise VendorError(VENDOR, ErrorClass.PERMANENT_ITEM, "run_without_dataset")
        query: dict[str, str | int] = {"format": "json", "offset": offset, "limit": PAGE_SIZE}
        answer = await self._http.ask(
            Ask(operation="apify.read", path=f"/v2/datasets/{status.dataset_id}/items", query=query)
        )
        if not isinstance(answer.value, list):
            raise unreadable(VENDOR, "apify.read", status=answer.status, code="page_without_items")
        items = tuple(as_object(item) for item in answer.value)
        return JobPage(items=items, next_offset=offset + len(items) if items else None)

    async def _find(self, run: ActorRun[T], started_after: datetime) -> JobStatus | None:
        since = (started_after - _CLOCK_MARGIN).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        query: dict[str, str | int] = {"desc": 1, "limit": PAGE_SIZE, "startedAfter": since}
        answer = await self._http.ask(Ask(operation="apify.read", path=f"/v2/actors/{run.actor_id}/runs", query=query))
        items = _data(answer.value).get("items")
        if not isinstance(items, list):
            raise unreadable(VENDOR, "apify.read", status=answer.status, code="page_without_items")
        for item in items:
            run_id = as_object(item).get("id")
            if isinstance(run_id, str) and (status := await self._adopted(run, run_id)):
                return status
        return None

    async def _adopted(self, run: ActorRun[T], run_id: str) -> JobStatus | None:
        answer = await self._http.ask(Ask(operation="apify.read", path=f"/v2/actor-runs/{run_id}"))
        data = _data(answer.value)
        options = as_object(data.get("options"))
        same = options.get("maxItems") == run.max_items and charge_mark(options.get("maxTotalChargeUsd")) == run.mark
        return job_status(data, "apify.read") if same else None

    async def _abort(self, job_id: str) -> None:
        await self._http.ask(Ask(operation="apify.read", method="POST", path=f"/v2/actor-runs/{job_id}/abort"))


def charge_limit_usd(max_micros: int, mark: int) -> str:
    """The limit in dollars with the request's mark in the digits below a micro-dollar, where no price reaches.

    The API has no idempotency key and lists runs without their input; the echoed limit is how a run is recognised.
    """
    return f"{Decimal(max_micros * _MARKS + mark) / (_MARKS * MICROS_PER_USD):.12f}"


def charge_mark(limit_usd: JsonValue) -> int | None:
    """The mark inside a charge limit that a run reports; None when there is no limit."""
    if not isinstance(limit_usd, int | float) or isinstance(limit_usd, bool) or not math.isfinite(limit_usd):
        return None
    return round(limit_usd * _MARKS * MICROS_PER_USD) % _MARKS


def job_status(run: JsonObject, operation: str) -> JobStatus:
    """Where a run stands and what it reports to have cost; a status the contract does not list is a failure."""
    run_id, word, dataset = run.get("id"), str(run.get("status")), run.get("defaultDatasetId")
    if not isinstance(run_id, str) or not run_id:
        raise unreadable(VENDOR, operation, code="answer_without_run_id")
    found = JobStatus(
        job_id=run_id,
        state=JobState.RUNNING if word in _RUNNING else JobState.SUCCEEDED if word == "SUCCEEDED" else JobState.FAILED,
        dataset_id=dataset if isinstance(dataset, str) and dataset else None,
        reported_micros=run_cost_micros(run),
    )
    if found.state is not JobState.FAILED:
        return found
    return replace(found, reason=word.lower().replace("-", "_") if word in _ENDED else "unknown_status")


def run_cost_micros(run: JsonObject) -> int | None:
    """The larger of the reported usage and the priced events (contracts 4.1); None while the run reports neither."""
    reported = _usd(run.get("usageTotalUsd"))
    events = _events_usd(run)
    known = [usd for usd in (reported, events) if usd is not None]
    if not known:
        return None
    micros = (max(known) * MICROS_PER_USD).quantize(Decimal("0.001"))
    return int(micros.to_integral_value(rounding=ROUND_CEILING))


def _events_usd(run: JsonObject) -> Decimal | None:
    counts = as_object(run.get("chargedEventCounts"))
    pricing = as_object(run.get("pricingInfo"))
    prices = as_object(as_object(pricing.get("pricingPerEvent")).get("actorChargeEvents"))
    if not counts or not prices:
        return None
    total = Decimal(0)
    for event, count in counts.items():
        price = _usd(as_object(prices.get(event)).get("eventPriceUsd"))
        if price is not None and isinstance(count, int):
            total += price * count
    return total


def _usd(value: JsonValue) -> Decimal | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        return None
    return Decimal(str(value))


def _data(value: JsonValue) -> JsonObject:
    data = as_object(value).get("data")
    return data if isinstance(data, Mapping) else {}


def classify(status: int, headers: Headers, body: JsonValue) -> VendorError | None:
    """Contracts 4.2: the error type decides between 'wait', 'stop' and 'this item never'."""
    problem = as_object(body).get("error")
    code = known_code(as_object(problem).get("type"), _CODES)
    if code in _BUSY:
        return VendorError(VENDOR, ErrorClass.THROTTLED, code, status=status, retry_after_seconds=_BUSY_SECONDS)
    if code in _NO_MONEY:
        return VendorError(VENDOR, ErrorClass.PERMANENT_SERVICE, code, status=status)
    if problem and 200 <= status < 300:
        return VendorError(VENDOR, ErrorClass.UNKNOWN, code or "error_in_answer", status=status)
    return status_error(VENDOR, status, headers, code=code)
