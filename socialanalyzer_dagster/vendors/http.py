"""One way to ask a vendor over HTTP: transport faults, statuses and bodies all become VendorError."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx

from socialanalyzer_dagster.domain.calls import ErrorClass, Quota, Reply, VendorCall, VendorError
from socialanalyzer_dagster.domain.operations import OPERATIONS
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue
from socialanalyzer_dagster.vendors.transport import HostRefused, was_sent

Headers = Mapping[str, str]
Classify = Callable[[int, Headers, JsonValue], VendorError | None]
"""Status, headers (lower-case names) and JSON body (None when it is not JSON) -> the error, or None for success."""
ReadQuotas = Callable[[Headers], tuple[Quota, ...]]
Query = Mapping[str, str | int | float | bool]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a vendor is and what opens it; the key stays out of every text form."""

    base_url: str
    client: httpx.AsyncClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One HTTP request; `path` starts with a slash and is appended to the vendor's base URL."""

    operation: str
    path: str
    method: str = "GET"
    query: Query | None = None
    body: JsonValue = None
    read_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """A successful answer with its parsed body."""

    status: int
    headers: Headers
    value: JsonValue
    quotas: tuple[Quota, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The answer to a free status call, for health checks."""

    vendor: str
    detail: str


class UnexpectedBodyError(ValueError):
    """A stored or fresh body does not have the shape of the contract."""


class VendorHttp:
    """Asks one vendor; repeats nothing. `quotas` reads what the vendor's headers announce."""

    def __init__(
        self, vendor: str, connection: Connection, classify: Classify, quotas: ReadQuotas = lambda _headers: ()
    ) -> None:
        self._vendor = vendor
        self._base_url = connection.base_url.rstrip("/")
        self._client = connection.client
        self._classify = classify
        self._quotas = quotas

    async def ask(self, ask: Ask) -> HttpAnswer:
        """The answer; raises VendorError for everything that is not a success with a JSON body."""
        sending = self._client.send(self._request(ask))
        try:
            response = await in_time(self._vendor, ask.operation, self._seconds(ask), sending)
        except httpx.RequestError as error:
            raise fault_error(self._vendor, ask.operation, error) from None
        value, is_json = parse_json(response.content)
        refused = self._classify(response.status_code, response.headers, value if is_json else None)
        quotas = self._quotas(response.headers)
        if refused is not None:
            settled = settle_class(refused, ask.operation)
            settled.quotas = quotas
            raise settled
        if not is_json:
            raise unreadable(self._vendor, ask.operation, status=response.status_code)
        return HttpAnswer(status=response.status_code, headers=response.headers, value=value, quotas=quotas)

    async def aclose(self) -> None:
        """Close the vendor's connections."""
        await self._client.aclose()

    def _seconds(self, ask: Ask) -> float | None:
        return ask.read_seconds if ask.read_seconds is not None else self._client.timeout.read

    def _request(self, ask: Ask) -> httpx.Request:
        request = self._client.build_request(
            ask.method,
            self._base_url + ask.path,
            params=dict(ask.query) if ask.query else None,
            json=ask.body,
        )
        if ask.read_seconds is not None:
            request.extensions["timeout"] = {**request.extensions["timeout"], "read": ask.read_seconds}
        return request


async def in_time(vendor: str, operation: str, seconds: float | None, sending: Awaitable[T]) -> T:
    """The whole answer within the request's timeout, which a client's own never ends while an answer drips (spec 3.3).

    Raises VendorError `timeout`, for a call that spends as a lost answer.
    """
    try:
        async with asyncio.timeout(seconds):
            return await sending
    except TimeoutError:
        raise VendorError(vendor, _lost(operation), "timeout") from None


def parse_json(content: bytes) -> tuple[JsonValue, bool]:
    """The value and True, or None and False when the content is not JSON (NaN and nothing at all are not)."""
    try:
        return json.loads(content, parse_constant=_refuse_constant), True
    except (ValueError, RecursionError):
        return None, False


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def fault_error(vendor: str, operation: str, error: httpx.RequestError) -> VendorError:
    """A transport fault: harmless when nothing left, `unknown` when a call that spends lost its answer (spec 13.1)."""
    if isinstance(error, HostRefused):
        return VendorError(vendor, ErrorClass.PERMANENT_SERVICE, "host_not_allowed", sent=False)
    if not was_sent(error):
        return VendorError(vendor, ErrorClass.TRANSIENT, "not_sent", sent=False)
    code = "timeout" if isinstance(error, httpx.TimeoutException) else "connection_broken"
    return VendorError(vendor, _lost(operation), code)


def unreadable(
    vendor: str, operation: str, *, status: int | None = None, code: str = "unreadable_answer"
) -> VendorError:
    """A success whose body says nothing we can use: the answer of a call that spends counts as lost."""
    return VendorError(vendor, _lost(operation), code, status=status)


def settle_class(error: VendorError, operation: str) -> VendorError:
    """The same error, `unknown` where the contract does not promise that an answered 5xx is free (spec 13.1)."""
    facts = OPERATIONS[operation]
    answered_5xx = error.status is not None and (error.status >= 500 or error.status == 408)
    if answered_5xx and error.error_class is ErrorClass.TRANSIENT and facts.spends and not facts.answered_5xx_is_free:
        return VendorError(error.vendor, ErrorClass.UNKNOWN, error.code, status=error.status)
    return error


def _lost(operation: str) -> ErrorClass:
    return ErrorClass.UNKNOWN if OPERATIONS[operation].spends else ErrorClass.TRANSIENT


def status_error(vendor: str, status: int, headers: Headers, *, code: str | None = None) -> VendorError | None:
    """The reading of a status that every vendor shares (spec 13.1); None for a 2xx.

    `code` is one of our own words: nothing of a body ever gets into an error.
    """
    if 200 <= status < 300:
        return None
    name = code or f"http_{status}"
    if status == 429:
        wait = retry_after_seconds(headers)
        return VendorError(vendor, ErrorClass.THROTTLED, code or "throttled", status=status, retry_after_seconds=wait)
    if status in (401, 402, 403) or status < 400:
        return VendorError(vendor, ErrorClass.PERMANENT_SERVICE, name, status=status)
    if status >= 500 or status == 408:
        wait = retry_after_seconds(headers)
        return VendorError(vendor, ErrorClass.TRANSIENT, name, status=status, retry_after_seconds=wait)
    return VendorError(vendor, ErrorClass.PERMANENT_ITEM, name, status=status)


def retry_after_seconds(headers: Headers) -> float | None:
    """`Retry-After` as seconds from now, given as seconds or as an HTTP date; None when absent or unreadable."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        moment = _http_date(text)
        if moment is None:
            return None
        seconds = (moment - vendor_now(headers)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def vendor_now(headers: Headers) -> datetime:
    """The vendor's idea of now: its Date header, else our clock."""
    return _http_date(headers.get("date", "")) or datetime.now(UTC)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def status_call(vendor: str, operation: str, detail: Callable[[], Awaitable[str]]) -> VendorCall[ServiceStatus]:
    """A free call that proves the vendor can be used; `detail` asks and says in words what was answered."""

    async def send() -> Reply:
        return Reply(body=await detail())

    return VendorCall(
        operation=operation,
        request={"status": vendor},
        max_units={},
        send=send,
        decode=lambda body: ServiceStatus(vendor, str(body)),
    )


def as_object(value: JsonValue) -> JsonObject:
    """The value when it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def known_code(value: JsonValue, known: frozenset[str]) -> str | None:
    """The vendor's own error word when it is on our list; anything else stays out of errors and logs."""
    if not isinstance(value, str):
        return None
    word = value.strip().lower().replace(" ", "_").replace("-", "_")
    return word if word in known else None
