"""MillionVerifier: does a mailbox exist (vendor-contracts section 6); errors come as HTTP 200 with an error text."""

from collections.abc import Mapping
from enum import StrEnum

from socialanalyzer_dagster.domain.calls import ErrorClass, Reply, VendorCall, VendorError
from socialanalyzer_dagster.domain.types import JsonValue
from socialanalyzer_dagster.vendors.http import (
    Ask,
    Connection,
    Headers,
    ServiceStatus,
    UnexpectedBodyError,
    VendorHttp,
    as_object,
    status_call,
    status_error,
)
from socialanalyzer_dagster.vendors.lenient import Lenient

VENDOR = "email_verifier"
VENDOR_SECONDS = 15
_KEY_ERRORS = {
    "apikey_not_found",
    "no_apikey_specified",
    "invalid_api_key",
    "empty_api_key",
    "ip_address_blocked",
    "insufficient_credits",
}
_ITEM_ERRORS = {"file_not_found", "no_email_specified"}
_PASSING_ERRORS = {"internal_error"}


class EmailStatus(StrEnum):
    """What verification says of an address (spec 8.6)."""

    VALID = "valid"
    CATCH_ALL = "catch_all"
    UNKNOWN = "unknown"
    INVALID = "invalid"
    DISPOSABLE = "disposable"
    UNVERIFIED = "unverified"


_STATUSES = {
    "ok": EmailStatus.VALID,
    "catch_all": EmailStatus.CATCH_ALL,
    "unknown": EmailStatus.UNKNOWN,
    "invalid": EmailStatus.INVALID,
    "disposable": EmailStatus.DISPOSABLE,
}


class Verification(Lenient):
    """The verdict on one address; `result` is the vendor's word and alone decides."""

    result: str | None = None
    quality: str | None = None
    free: bool | None = None
    role: bool | None = None

    @property
    def status(self) -> EmailStatus:
        """The pipeline's word for the verdict; anything not listed is unverified."""
        return _STATUSES.get((self.result or "").strip().lower(), EmailStatus.UNVERIFIED)


class EmailVerifier:
    """Describes MillionVerifier calls; the key travels in the query and is nowhere else."""

    def __init__(self, connection: Connection, api_key: str) -> None:
        self._http = VendorHttp(VENDOR, connection, classify)
        self._api_key = api_key

    def verify(self, email: str) -> VendorCall[Verification]:
        """The verdict; every address counts as billed (contracts 1). Raises ValueError for an empty address."""
        if not email.strip():
            raise ValueError("there is no address to verify")
        operation = "email_verifier.single"

        async def send() -> Reply:
            query: dict[str, str | int] = {"api": self._api_key, "email": email.strip(), "timeout": VENDOR_SECONDS}
            answer = await self._http.ask(Ask(operation=operation, path="/api/v3/", query=query))
            return Reply(body=answer.value, units={operation: 1})

        request = {"email": email.strip().lower()}
        return VendorCall(
            operation=operation, request=request, max_units={operation: 1}, send=send, decode=decode_verification
        )

    def credits(self) -> VendorCall[ServiceStatus]:
        """The credits left, a free call that proves the key works."""

        async def detail() -> str:
            query = {"api": self._api_key}
            answer = await self._http.ask(Ask(operation="email_verifier.credits", path="/api/v3/credits", query=query))
            left = as_object(answer.value).get("credits")
            return f"credits left: {left}" if isinstance(left, int) else "the key is accepted"

        return status_call(VENDOR, "email_verifier.credits", detail)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def decode_verification(body: JsonValue) -> Verification:
    """Raises ValueError when the body is not the vendor's answer."""
    if not isinstance(body, Mapping) or "result" not in body:
        raise UnexpectedBodyError("the answer has no result")
    return Verification.model_validate(body)


def classify(status: int, headers: Headers, body: JsonValue) -> VendorError | None:
    """Contracts 6: the `error` text of the body decides, whatever the status says."""
    text = as_object(body).get("error")
    word = text.strip().lower().replace(" ", "_") if isinstance(text, str) else ""
    if word in _KEY_ERRORS:
        return VendorError(VENDOR, ErrorClass.PERMANENT_SERVICE, word, status=status)
    if word in _ITEM_ERRORS:
        return VendorError(VENDOR, ErrorClass.PERMANENT_ITEM, word, status=status)
    if word in _PASSING_ERRORS:
        return VendorError(VENDOR, ErrorClass.TRANSIENT, word, status=status)
    if word and 200 <= status < 300:
        return VendorError(VENDOR, ErrorClass.UNKNOWN, "error_in_answer", status=status)  # billed or not, nobody says
    return status_error(VENDOR, status, headers)
