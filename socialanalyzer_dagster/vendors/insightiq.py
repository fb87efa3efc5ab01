"""InsightIQ: the paid creator search export and the paid content fetch (vendor-contracts section 3)."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field, field_validator

from socialanalyzer_dagster.domain.calls import (
    ErrorClass,
    JobPage,
    JobStatus,
    Reply,
    VendorCall,
    VendorError,
    VendorJob,
)
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue
from socialanalyzer_dagster.vendors.http import (
    Ask,
    Connection,
    Headers,
    HttpAnswer,
    ServiceStatus,
    UnexpectedBodyError,
    VendorHttp,
    as_object,
    known_code,
    status_call,
    status_error,
    unreadable,
)
from socialanalyzer_dagster.vendors.insightiq_exports import (
    VENDOR,
    checked_max_results,
    export_status,
    export_units,
    is_failed_export,
    total_results,
)
from socialanalyzer_dagster.vendors.job_status import job_status_call
from socialanalyzer_dagster.vendors.lenient import Count, Lenient, Moment

PAGE_SIZE = 100
_EXPORT = "/v1/social/creators/profiles/search-export"
_CODES = frozenset({"invalid_credentials", "rate_limited", "not_found", "bad_request", "server_error", "forbidden"})


class ContactDetail(Lenient):
    """One contact of a profile; `kind` is the vendor's type in lower case."""

    kind: str = Field(alias="type")
    value: str

    @field_validator("kind")
    @classmethod
    def _in_lower_case(cls, kind: str) -> str:
        return kind.strip().lower()


class Location(Lenient):
    """Where a creator says to live."""

    city: str | None = None
    state: str | None = None
    country: str | None = None


class Profile(Lenient):
    """One creator of a search; everything may be missing, `engagement_rate` is on the vendor's scale."""

    platform_username: str | None = None
    url: str | None = None
    image_url: str | None = None
    full_name: str | None = None
    introduction: str | None = None
    is_verified: bool | None = None
    platform_account_type: str | None = None
    language: str | None = None
    follower_count: Count | None = None
    subscriber_count: Count | None = None
    content_count: Count | None = None
    engagement_rate: float | None = None
    location: Location | None = None
    creator_location: Location | None = None
    contact_details: tuple[ContactDetail, ...] = ()

    @field_validator("contact_details", mode="before")
    @classmethod
    def _as_list(cls, value: JsonValue) -> JsonValue:
        """The schema documents one object, practice sends a list (contracts 3.3); unusable entries are left out."""
        entries = [value] if isinstance(value, Mapping) else value if isinstance(value, list) else []
        return [one for one in entries if isinstance(one, Mapping) and _is_contact(one)]

    @property
    def place(self) -> Location:
        """The location under either of its two names."""
        return self.location or self.creator_location or Location()


def _is_contact(entry: JsonObject) -> bool:
    return isinstance(entry.get("type"), str) and isinstance(entry.get("value"), str) and bool(entry["value"])


class Engagement(Lenient):
    """Counts of one item; None is not known."""

    like_count: Count | None = None
    comment_count: Count | None = None
    view_count: Count | None = None
    share_count: Count | None = None


class GroupMedia(Lenient):
    """One part of a carousel."""

    media_url: str | None = None


class ContentProfile(Lenient):
    """The creator as it stands in a content item."""

    platform_username: str | None = None
    full_name: str | None = None
    introduction: str | None = None
    follower_count: Count | None = None
    image_url: str | None = None
    url: str | None = None
    is_private: bool | None = None


class ContentItem(Lenient):
    """One published item (contracts 3.4); its URLs expire soon."""

    platform_content_id: str | None = None
    url: str | None = None
    type: str | None = None
    format: str | None = None
    title: str | None = None
    description: str | None = None
    published_at: Moment | None = None
    duration: float | None = None
    engagement: Engagement = Engagement()
    media_url: str | None = None
    thumbnail_url: str | None = None
    content_group_media: tuple[GroupMedia, ...] = ()
    is_pinned: bool | None = None
    likes_and_views_disabled: bool | None = None
    hashtags: tuple[str, ...] = ()
    profile: ContentProfile = ContentProfile()


class ContentState(StrEnum):
    """What an answered content fetch says: `empty` is the vendor's positive word that there is nothing."""

    FOUND = "found"
    EMPTY = "empty"
    NOT_KNOWN = "not_known"


class Contents(Lenient):
    """The items of one creator, newest as the vendor orders them; `unreadable` counts items that were no objects."""

    state: ContentState
    items: tuple[ContentItem, ...] = ()
    unreadable: int = 0


class InsightIQ:
    """Describes InsightIQ calls; nothing is sent before the gate does it."""

    def __init__(self, connection: Connection) -> None:
        self._http = VendorHttp(VENDOR, connection, classify)

    def search_export(self, body: JsonObject) -> VendorJob[tuple[Profile, ...]]:
        """A search job, billed per profile delivered; the body is sent as it is (contracts 3.2).

        Raises ValueError when a required key is missing or `max_results` is not 1 to 4000. Starting twice pays twice
        and the vendor has no list of jobs, so a lost answer stays unknown.
        """
        most = checked_max_results(body)

        async def start(_max_total_charge_micros: int) -> JobStatus:
            ask = Ask(operation="insightiq.search_export", method="POST", path=_EXPORT, body=body)
            return export_status(await self._http.ask(ask), "insightiq.search_export")

        return VendorJob(
            operation="insightiq.search_export",
            request=body,
            max_units={"insightiq.search_export": most},
            start=start,
            poll=self._poll,
            page=self._page,
            units=export_units,
            decode=decode_profiles,
        )

    def contents_fetch(self, *, profile_url: str, work_platform_id: str) -> VendorCall[Contents]:
        """The newest items of a profile; an answer without a list of items is an error, never empty (spec 7.2)."""
        body = {"profile_url": profile_url, "work_platform_id": work_platform_id}
        operation = "insightiq.contents_fetch"

        async def send() -> Reply:
            ask = Ask(operation=operation, method="POST", path="/v1/social/creators/contents/fetch", body=body)
            answer = await self._http.ask(ask)
            if not isinstance(as_object(answer.value).get("data"), list):
                raise unreadable(VENDOR, operation, status=answer.status, code="answer_without_items")
            return Reply(body=answer.value, units={operation: 1}, request_id=answer.headers.get("request-id"))

        return VendorCall(
            operation=operation, request=body, max_units={operation: 1}, send=send, decode=decode_contents
        )

    def status(self) -> VendorCall[ServiceStatus]:
        """A free call that proves the key pair works."""

        async def detail() -> str:
            await self._http.ask(Ask(operation="insightiq.status", path="/v1/work-platforms", query={"limit": 1}))
            return "the key pair is accepted"

        return status_call(VENDOR, "insightiq.status", detail)

    def job_status(self, job_id: str) -> VendorCall[JobStatus]:
        """Where a search job stands; free."""
        return job_status_call("insightiq.search_export_page", job_id, lambda: self._poll(job_id))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _poll(self, job_id: str) -> JobStatus:
        return export_status(await self._read(job_id, limit=1, offset=0), "insightiq.search_export_page")

    async def _page(self, status: JobStatus, offset: int) -> JobPage:
        """A short page moves the offset by what it held, so that nothing paid for is skipped."""
        answer = await self._read(status.job_id, limit=PAGE_SIZE, offset=offset)
        body = as_object(answer.value)
        items = body.get("data")
        if not isinstance(items, list):
            raise unreadable(VENDOR, "insightiq.search_export_page", status=answer.status, code="page_without_items")
        total = total_results(body, items)
        after = offset + len(items)
        is_last = not items or (total is not None and after >= total)
        return JobPage(items=tuple(as_object(item) for item in items), next_offset=None if is_last else after)

    async def _read(self, job_id: str, *, limit: int, offset: int) -> HttpAnswer:
        query = {"limit": limit, "offset": offset}
        return await self._http.ask(
            Ask(operation="insightiq.search_export_page", path=f"{_EXPORT}/{job_id}", query=query)
        )


def decode_profiles(body: JsonValue) -> tuple[Profile, ...]:
    """Profiles in vendor order; raises ValueError when the body is not a list of objects."""
    if not isinstance(body, list):
        raise UnexpectedBodyError("the search export is not a list of profiles")
    return tuple(Profile.model_validate(as_object(item)) for item in body)


def decode_contents(body: JsonValue) -> Contents:
    """The three states of spec 7.2; raises ValueError when there is no list of items."""
    data = as_object(body).get("data")
    if not isinstance(data, list):
        raise UnexpectedBodyError("the content answer has no list of items")
    items = tuple(ContentItem.model_validate(item) for item in data if isinstance(item, Mapping))
    if not data:
        return Contents(state=ContentState.EMPTY)
    state = ContentState.FOUND if items else ContentState.NOT_KNOWN
    return Contents(state=state, items=items, unreadable=len(data) - len(items))


def classify(status: int, headers: Headers, body: JsonValue) -> VendorError | None:
    """Contracts 3.5: the status decides; an error object inside a 2xx is read by the status it names.

    A search that says it failed is an answer, whatever else it says: it is over.
    """
    if 200 <= status < 300 and is_failed_export(as_object(body)):
        return None
    problem = as_object(body).get("error") or as_object(body).get("errors")
    code = known_code(as_object(problem).get("code"), _CODES)
    if not problem or not 200 <= status < 300:
        return status_error(VENDOR, status, headers, code=None if code == "rate_limited" else code)
    named = as_object(problem).get("status_code") or as_object(problem).get("http_status_code")
    if isinstance(named, int) and named >= 400:
        return status_error(VENDOR, named, headers)
    return VendorError(VENDOR, ErrorClass.UNKNOWN, "error_in_answer", status=status)
