"""Apollo: matching one person by the facts we know (vendor-contracts section 5)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta

from pydantic import field_validator

from socialanalyzer_dagster.domain.calls import ErrorClass, Quota, Reply, VendorCall, VendorError
from socialanalyzer_dagster.domain.types import JsonValue
from socialanalyzer_dagster.vendors.http import (
    Ask,
    Connection,
    Headers,
    ServiceStatus,
    UnexpectedBodyError,
    VendorHttp,
    as_object,
    known_code,
    retry_after_seconds,
    status_call,
    status_error,
    vendor_now,
)
from socialanalyzer_dagster.vendors.lenient import Lenient
from socialanalyzer_dagster.vendors.quotas import whole_number, window_seconds_left

VENDOR = "apollo"
PLACEHOLDER_EMAIL = "email_not_unlocked@domain.com"
_CODES = frozenset({"api_inaccessible"})
_WINDOWS = (
    (("24-hour", "daily"), timedelta(days=1)),
    (("hourly",), timedelta(hours=1)),
    (("minute",), timedelta(minutes=1)),
)


class Organization(Lenient):
    """The employer Apollo names."""

    name: str | None = None
    primary_domain: str | None = None


class PhoneNumber(Lenient):
    """One phone number as written."""

    raw_number: str | None = None


class Person(Lenient):
    """A matched person; the placeholder for a locked address is no address."""

    id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    title: str | None = None
    headline: str | None = None
    email: str | None = None
    email_status: str | None = None
    personal_emails: tuple[str, ...] = ()
    phone_numbers: tuple[PhoneNumber, ...] = ()
    linkedin_url: str | None = None
    twitter_url: str | None = None
    facebook_url: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    organization: Organization | None = None

    @field_validator("email")
    @classmethod
    def _placeholder_is_none(cls, email: str | None) -> str | None:
        return None if not email or email.strip().lower() == PLACEHOLDER_EMAIL else email

    @property
    def phone(self) -> str | None:
        """The first number, as written."""
        return next((one.raw_number for one in self.phone_numbers if one.raw_number), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonQuery:
    """What is known about the person; at least one fact besides the name parts is the caller's duty (spec 8.5)."""

    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    domain: str | None = None
    organization_name: str | None = None
    linkedin_url: str | None = None


class Apollo:
    """Describes Apollo calls; nothing is sent before the gate does it."""

    def __init__(self, connection: Connection) -> None:
        self._http = VendorHttp(VENDOR, connection, classify, quotas)

    def people_match(self, query: PersonQuery) -> VendorCall[Person | None]:
        """The person, or None for Apollo's positive 'no match'; one credit when found, else free.

        Raises ValueError when the query is empty.
        """
        facts = {key: value.strip() for key, value in asdict(query).items() if isinstance(value, str) and value.strip()}
        if not facts:
            raise ValueError("a person match needs at least one fact")
        operation = "apollo.people_match"

        async def send() -> Reply:
            parameters = {**facts, "reveal_personal_emails": "true"}
            ask = Ask(operation=operation, method="POST", path="/people/match", query=parameters)
            answer = await self._http.ask(ask)
            found = decode_person(answer.value) is not None
            return Reply(body=answer.value, units={operation: 1} if found else {}, quotas=answer.quotas)

        return VendorCall(operation=operation, request=facts, max_units={operation: 1}, send=send, decode=decode_person)

    def status(self) -> VendorCall[ServiceStatus]:
        """A free call that proves the key works; it needs a master key, a plain one is refused with 403."""

        async def detail() -> str:
            ask = Ask(operation="apollo.status", method="POST", path="/usage_stats/api_usage_stats", body={})
            await self._http.ask(ask)
            return "the key is accepted"

        return status_call(VENDOR, "apollo.status", detail)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def decode_person(body: JsonValue) -> Person | None:
    """None when nobody matched: `person` null, or an empty object (contracts 5); ValueError for anything else."""
    if not isinstance(body, Mapping):
        raise UnexpectedBodyError("the answer is not an object")
    person = body.get("person")
    if person is None or person == {}:
        return None
    if not isinstance(person, Mapping):
        raise UnexpectedBodyError("the person is not an object")
    return Person.model_validate(person)


def classify(status: int, headers: Headers, body: JsonValue) -> VendorError | None:
    """Contracts 5: the window of a 429 may be an hour or a day; an error text inside a 2xx is no answer."""
    code = known_code(as_object(body).get("error_code"), _CODES)
    if status == 429:
        wait = retry_after_seconds(headers)
        seconds = exhausted_window_seconds(headers) if wait is None else wait
        return VendorError(VENDOR, ErrorClass.THROTTLED, "throttled", status=status, retry_after_seconds=seconds)
    if 200 <= status < 300 and as_object(body).get("error"):
        permanent = code == "api_inaccessible"
        error_class = ErrorClass.PERMANENT_SERVICE if permanent else ErrorClass.UNKNOWN
        return VendorError(VENDOR, error_class, code or "error_in_answer", status=status)
    return status_error(VENDOR, status, headers, code=code)


def quotas(headers: Headers) -> tuple[Quota, ...]:
    """What is left of each fixed window."""
    now, found = vendor_now(headers), []
    for names, length in _WINDOWS:
        for name in names:
            left = whole_number(headers.get(f"x-{name}-requests-left"))
            if left is not None:
                limit = whole_number(headers.get(f"x-rate-limit-{name}"))
                reset = window_seconds_left(now, length)
                found.append(Quota(remaining=left, reset_seconds=reset, limit=limit))
                break
    return tuple(found)


def exhausted_window_seconds(headers: Headers) -> float | None:
    """Seconds to the end of the longest fixed window without requests left; None when the headers name none."""
    for names, length in _WINDOWS:
        if any(_is_exhausted(headers, name) for name in names):
            return window_seconds_left(vendor_now(headers), length)
    return None


def _is_exhausted(headers: Headers, name: str) -> bool:
    left = whole_number(headers.get(f"x-{name}-requests-left"))
    if left is not None:
        return left <= 0
    limit, used = whole_number(headers.get(f"x-rate-limit-{name}")), whole_number(headers.get(f"x-{name}-usage"))
    return limit is not None and used is not None and used >= limit
