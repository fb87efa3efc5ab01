"""Reading outside pages and media: public addresses only, few redirects, bounded in time and size (I-63, spec 8.7)."""

import asyncio
from dataclasses import dataclass
from hashlib import sha256

import httpx

from socialanalyzer_dagster.domain.calls import ErrorClass, Reply, VendorCall, VendorError
from socialanalyzer_dagster.domain.types import JsonValue
from socialanalyzer_dagster.vendors.http import UnexpectedBodyError, as_object, fault_error, retry_after_seconds
from socialanalyzer_dagster.vendors.media_store import Keep
from socialanalyzer_dagster.vendors.media_types import sniff
from socialanalyzer_dagster.vendors.name_lookup import NameNotFoundError
from socialanalyzer_dagster.vendors.page_bodies import read_bounded, text_of
from socialanalyzer_dagster.vendors.page_routes import PageRefusedError, Route, parsed_url
from socialanalyzer_dagster.vendors.robots import RobotsBook
from socialanalyzer_dagster.vendors.transport import CONNECT_SECONDS, new_transport

AGENT = "SocialAnalyzerBot"
MOST_REDIRECTS = 5
_PAGE_TYPES = {
    "text/html",
    "application/xhtml+xml",
    "text/plain",
    "text/xml",
    "application/xml",
    "application/rss+xml",
    "application/atom+xml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far one read may go; `vendor` and `operation` name it in errors."""

    vendor: str
    operation: str
    seconds: float
    most_bytes: int
    obeys_robots: bool


PAGE = Bounds(vendor="page_fetcher", operation="page.fetch", seconds=10.0, most_bytes=5_000_000, obeys_robots=True)
ROBOTS = Bounds(vendor="page_fetcher", operation="page.fetch", seconds=10.0, most_bytes=500_000, obeys_robots=False)
MEDIA = Bounds(vendor="media", operation="media.download", seconds=15.0, most_bytes=25_000_000, obeys_robots=False)


_HEADERS = {"User-Agent": f"{AGENT}/1.0", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
_TIMEOUT = httpx.Timeout(PAGE.seconds, connect=CONNECT_SECONDS).as_dict()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A complete answer with status 200; `url` is the last one after redirects."""

    url: str
    content_type: str
    data: bytes

    @property
    def text(self) -> str:
        """The content as text."""
        return text_of(self.data, self.content_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page as text; `url` is the last one after redirects."""

    url: str
    content_type: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Media bytes with the type told from the bytes."""

    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMedia:
    """Media that is in our store under `key`."""

    key: str
    content_type: str
    size_bytes: int
    sha256: str


class PageFetcher:
    """Reads public pages and media without cookies; all of it is free."""

    def __init__(self, route: Route, *, inner: httpx.AsyncBaseTransport | None = None) -> None:
        self._route = route
        self._network = new_transport(loopback_only=route.loopback_only, inner=inner, keep_alive=route.loopback_only)
        self._robots = RobotsBook(AGENT, self._load_robots)

    def page(self, url: str) -> VendorCall[Page]:
        """A page of a site, if its robots.txt allows (spec 8.2); raises VendorError when it cannot be read."""

        async def send() -> Reply:
            loaded = await self._load(url, PAGE)
            kind = loaded.content_type.partition(";")[0].strip().lower()
            if kind not in _PAGE_TYPES:
                raise VendorError(PAGE.vendor, ErrorClass.PERMANENT_ITEM, "content_type_not_allowed")
            return Reply(body={"url": loaded.url, "content_type": kind, "text": loaded.text})

        return VendorCall(operation=PAGE.operation, request={"url": url}, max_units={}, send=send, decode=decode_page)

    def media(self, url: str, *, keep: Keep, seconds: float = MEDIA.seconds) -> VendorCall[KeptMedia]:
        """Media put into the store by `keep`; its URL expires, so the request names it without its query."""

        async def send() -> Reply:
            found = await self.read_media(url, seconds=seconds)
            key = await keep(found.data, found.content_type)
            digest, size = sha256(found.data).hexdigest(), len(found.data)
            return Reply(body={"key": key, "content_type": found.content_type, "size_bytes": size, "sha256": digest})

        request = {"url": url.partition("?")[0]}
        return VendorCall(operation=MEDIA.operation, request=request, max_units={}, send=send, decode=decode_kept)

    async def read_media(self, url: str, *, seconds: float = MEDIA.seconds) -> Media:
        """The bytes of a picture, video or audio file; raises VendorError."""
        loaded = await self._load(url, MEDIA, seconds)
        kind = sniff(loaded.data)
        if kind is None:
            raise VendorError(MEDIA.vendor, ErrorClass.PERMANENT_ITEM, "content_type_not_allowed")
        return Media(data=loaded.data, content_type=kind)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._network.aclose()

    async def _load_robots(self, url: str) -> str:
        return (await self._load(url, ROBOTS)).text

    async def _load(self, url: str, bounds: Bounds, seconds: float | None = None) -> Loaded:
        try:
            async with asyncio.timeout(seconds or bounds.seconds):
                return await self._follow(url, bounds)
        except TimeoutError:
            raise VendorError(bounds.vendor, ErrorClass.TRANSIENT, "timeout") from None
        except PageRefusedError as refusal:
            raise VendorError(bounds.vendor, ErrorClass.PERMANENT_ITEM, refusal.code) from None
        except NameNotFoundError:
            raise VendorError(bounds.vendor, ErrorClass.PERMANENT_ITEM, "host_not_found", sent=False) from None
        except httpx.RequestError as error:
            raise fault_error(bounds.vendor, bounds.operation, error) from None
        except OSError:  # a TLS record that makes no sense comes as it is
            raise VendorError(bounds.vendor, ErrorClass.TRANSIENT, "connection_broken") from None

    async def _follow(self, text: str, bounds: Bounds) -> Loaded:
        url = parsed_url(text)
        for _ in range(MOST_REDIRECTS + 1):
            if bounds.obeys_robots and not await self._robots.allows(url):
                raise PageRefusedError("robots_disallow")
            found = await self._once(url, bounds)
            if isinstance(found, Loaded):
                return found
            if (url.scheme, found.scheme) == ("https", "http"):
                raise PageRefusedError("https_downgrade")
            url = found
        raise PageRefusedError("too_many_redirects")

    async def _once(self, url: httpx.URL, bounds: Bounds) -> Loaded | httpx.URL:
        """The content, or where the answer redirects to."""
        target = await self._route.target(url)
        request = httpx.Request(
            "GET",
            target.url,
            headers={**_HEADERS, **target.headers},
            extensions={"timeout": _TIMEOUT, **target.extensions},
        )
        response = await self._network.handle_async_request(request)  # a client would read redirects before we do
        try:
            if response.has_redirect_location:
                return parsed_url(response.headers["location"], base=url)
            error = classify(response.status_code, response.headers, bounds.vendor)
            if error is not None:
                raise error
            data = await read_bounded(response, bounds.most_bytes)
        finally:
            await response.aclose()
        return Loaded(url=str(url), content_type=response.headers.get("content-type", ""), data=data)


def classify(status: int, headers: httpx.Headers, vendor: str) -> VendorError | None:
    """A site's refusal concerns this page alone, never the service."""
    if status == 200:
        return None
    wait = retry_after_seconds(headers)
    code = f"http_{status}"
    if status == 429:
        return VendorError(vendor, ErrorClass.THROTTLED, code, status=status, retry_after_seconds=wait)
    error_class = ErrorClass.TRANSIENT if status >= 500 or status == 408 else ErrorClass.PERMANENT_ITEM
    return VendorError(vendor, error_class, code, status=status, retry_after_seconds=wait)


def decode_page(body: JsonValue) -> Page:
    """Raises ValueError when a stored body is no page."""
    facts = as_object(body)
    url, kind, text = facts.get("url"), facts.get("content_type"), facts.get("text")
    if not isinstance(url, str) or not isinstance(kind, str) or not isinstance(text, str):
        raise UnexpectedBodyError("not a stored page")
    return Page(url=url, content_type=kind, text=text)


def decode_kept(body: JsonValue) -> KeptMedia:
    """Raises ValueError when a stored body names no media."""
    facts = as_object(body)
    key, kind, size, digest = (facts.get(name) for name in ("key", "content_type", "size_bytes", "sha256"))
    if (
        not isinstance(key, str)
        or not isinstance(kind, str)
        or not isinstance(digest, str)
        or not isinstance(size, int)
    ):
        raise UnexpectedBodyError("not stored media")
    return KeptMedia(key=key, content_type=kind, size_bytes=size, sha256=digest)
