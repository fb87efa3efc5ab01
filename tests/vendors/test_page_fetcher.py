"""Facts about reading outside URLs (I-63, spec 8.2, 8.7)."""

import asyncio
import gzip
import ipaddress

import httpx
import pytest
from wire_answers import value_of

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.vendors.name_lookup import NameNotFoundError
from socialanalyzer_dagster.vendors.page_routes import GatewayRoute, PageRefusedError, PublicRoute, Target, parsed_url
from socialanalyzer_dagster.vendors.pages import PageFetcher

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20
HTML = {"content-type": "text/html; charset=utf-8"}


class OpenRoute:
    """Every host is public; nothing is looked up."""

    loopback_only = False

    async def target(self, url):
        if url.host.endswith("private.example"):
            raise PageRefusedError("address_not_public")
        if url.host == "nowhere.example":
            raise NameNotFoundError
        return Target(url)


def fetcher(handler, route=None) -> PageFetcher:
    return PageFetcher(route or OpenRoute(), inner=httpx.MockTransport(handler))


def site(pages):
    """A web of URL -> (status, headers, content); robots.txt is absent where it is not listed."""

    def handler(request):
        status, headers, content = pages.get(str(request.url), (404, {}, b""))
        return httpx.Response(status, headers=headers, content=streamed(content))

    return handler


async def streamed(content):
    """Bytes as they come from a network: in pieces."""
    half = len(content) // 2
    for part in (content[:half], content[half:]):
        yield part


async def refusal(call) -> VendorError:
    with pytest.raises(VendorError) as caught:
        await call.send()
    return caught.value


async def keep(data, content_type):
    return f"media/lead/x-{len(data)}-{content_type}"


async def test_a_page_is_read_with_its_charset():
    page = (200, {"content-type": "text/html; charset=latin-1"}, "Gr\xfc\xdfe".encode("latin-1"))
    found = await value_of(fetcher(site({"https://a.example/x": page})).page("https://a.example/x"))
    assert (found.text, found.content_type, found.url) == ("Gr\xfc\xdfe", "text/html", "https://a.example/x")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//a.example",
        "http://",
        "x",
    ],
)
async def test_only_http_and_https_are_read(url):
    assert (await refusal(fetcher(site({})).page(url))).error_class is ErrorClass.PERMANENT_ITEM


async def test_urls_with_credentials_are_not_read():
    error = await refusal(fetcher(site({})).page("https://user:pw@a.example/"))
    assert (error.code, "pw" in repr(error)) == ("credentials_in_url", False)


async def test_five_redirects_are_followed_and_a_sixth_is_not():
    pages = {f"https://a.example/{n}": (302, {"location": f"/{n + 1}"}, b"") for n in range(5)}
    pages["https://a.example/5"] = (200, HTML, b"end")
    assert (await value_of(fetcher(site(pages)).page("https://a.example/0"))).url == "https://a.example/5"
    pages["https://a.example/5"] = (302, {"location": "/6"}, b"")
    pages["https://a.example/6"] = (200, HTML, b"end")
    assert (await refusal(fetcher(site(pages)).page("https://a.example/0"))).code == "too_many_redirects"


async def test_every_redirect_is_checked_again():
    pages = {"https://a.example/": (302, {"location": "https://www.private.example/"}, b"")}
    assert (await refusal(fetcher(site(pages)).page("https://a.example/"))).code == "address_not_public"
    assert (await refusal(fetcher(site(pages)).media("https://a.example/", keep=keep))).code == "address_not_public"
    pages = {"https://a.example/": (302, {"location": "file:///etc/passwd"}, b"")}
    assert (await refusal(fetcher(site(pages)).page("https://a.example/"))).code == "scheme_not_allowed"


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (401, ErrorClass.PERMANENT_ITEM),
        (403, ErrorClass.PERMANENT_ITEM),
        (404, ErrorClass.PERMANENT_ITEM),
        (410, ErrorClass.PERMANENT_ITEM),
        (429, ErrorClass.THROTTLED),
        (500, ErrorClass.TRANSIENT),
        (503, ErrorClass.TRANSIENT),
        (204, ErrorClass.PERMANENT_ITEM),
    ],
)
async def test_a_sites_refusal_never_stops_the_whole_service(status, error_class):
    pages = {"https://a.example/": (status, HTML, b"")}
    assert (await refusal(fetcher(site(pages)).page("https://a.example/"))).error_class is error_class


async def test_a_host_without_address_is_told():
    error = await refusal(fetcher(site({})).page("https://nowhere.example/"))
    assert (error.code, error.sent) == ("host_not_found", False)


async def test_pages_of_other_types_are_refused():
    pages = {"https://a.example/": (200, {"content-type": "application/pdf"}, b"%PDF")}
    assert (await refusal(fetcher(site(pages)).page("https://a.example/"))).code == "content_type_not_allowed"


async def endless():
    while True:
        yield b"x" * 100_000


async def test_a_page_is_cut_off_at_five_megabytes_while_reading():
    def handler(request):
        if request.url.path == "/robots.txt":
            return httpx.Response(404)
        return httpx.Response(200, headers=HTML, content=endless())

    assert (await refusal(fetcher(handler).page("https://a.example/"))).code == "too_large"


async def test_packed_bytes_are_counted_unpacked():
    bomb = gzip.compress(b"0" * 6_000_000)
    pages = {"https://a.example/": (200, {**HTML, "content-encoding": "gzip"}, bomb)}
    assert (await refusal(fetcher(site(pages)).page("https://a.example/"))).code == "too_large"


async def test_packed_pages_are_read_and_damaged_or_unknown_packing_refused():
    for encoding, content, code in (("gzip", b"not gzip", "damaged_content"), ("br", b"x", "encoding_not_allowed")):
        pages = {"https://a.example/": (200, {**HTML, "content-encoding": encoding}, content)}
        assert (await refusal(fetcher(site(pages)).page("https://a.example/"))).code == code
    pages = {"https://a.example/": (200, {**HTML, "content-encoding": "gzip"}, gzip.compress(b"hello" * 9))}
    assert (await value_of(fetcher(site(pages)).page("https://a.example/"))).text == "hello" * 9


async def test_robots_txt_is_obeyed_for_pages_and_read_once():
    asked = []
    rules = b"User-agent: *\nDisallow: /private"

    def handler(request):
        asked.append(request.url.path)
        if request.url.path == "/robots.txt":
            return httpx.Response(200, content=streamed(rules), headers={"content-type": "text/plain"})
        return httpx.Response(200, content=streamed(b"x"), headers=HTML)

    client = fetcher(handler)
    assert (await refusal(client.page("https://a.example/private/x"))).code == "robots_disallow"
    await value_of(client.page("https://a.example/open"))
    assert asked == ["/robots.txt", "/open"]


@pytest.mark.parametrize(("status", "is_read"), [(404, True), (403, True), (503, False)])
async def test_rules_that_cannot_be_read_now_allow_nothing(status, is_read):
    pages = {"https://a.example/robots.txt": (status, {}, b""), "https://a.example/": (200, HTML, b"x")}
    call = fetcher(site(pages)).page("https://a.example/")
    if is_read:
        assert (await value_of(call)).text == "x"
    else:
        assert (await refusal(call)).error_class is ErrorClass.TRANSIENT


async def test_media_are_told_by_their_bytes_and_kept_in_the_store():
    pages = {"https://cdn.example/p?sig=1": (200, {"content-type": "text/html"}, PNG)}
    call = fetcher(site(pages)).media("https://cdn.example/p?sig=1", keep=keep)
    found = await value_of(call)
    assert (found.key, found.content_type, found.size_bytes) == ("media/lead/x-28-image/png", "image/png", len(PNG))
    assert call.request == {"url": "https://cdn.example/p"}


async def test_bytes_that_are_no_media_are_refused_whatever_the_header_says():
    pages = {"https://cdn.example/p": (200, {"content-type": "image/png"}, b"<html>")}
    assert (
        await refusal(fetcher(site(pages)).media("https://cdn.example/p", keep=keep))
    ).code == "content_type_not_allowed"


async def test_a_slow_drip_ends_at_the_time_limit():
    async def drip():
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    client = fetcher(lambda _request: httpx.Response(200, content=drip()))
    with pytest.raises(VendorError) as caught:
        await client.read_media("https://cdn.example/p", seconds=0.05)
    assert (caught.value.error_class, caught.value.code) == (ErrorClass.TRANSIENT, "timeout")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "169.254.169.254", "localhost", "2130706433", "0x7f.1", "127.1"]
)
async def test_private_hosts_are_refused_however_they_are_written(host):
    with pytest.raises((PageRefusedError, NameNotFoundError)):
        await PublicRoute().target(parsed_url(f"http://{host}/"))


def names(*addresses):
    """A name server that gives every host these addresses."""

    async def look_up(_host, _port):
        return [ipaddress.ip_address(address) for address in addresses]

    return look_up


async def test_the_connection_goes_to_the_checked_address_under_the_urls_own_name():
    target = await PublicRoute(names("93.184.216.34")).target(httpx.URL("https://www.one.example:8443/x?y=1"))
    assert str(target.url) == "https://93.184.216.34:8443/x?y=1"
    assert target.headers == {"Host": "www.one.example:8443"}
    assert target.extensions == {"sni_hostname": "www.one.example"}


async def test_one_private_address_among_public_ones_is_enough_to_refuse():
    with pytest.raises(PageRefusedError):
        await PublicRoute(names("93.184.216.34", "10.0.0.1")).target(httpx.URL("https://www.one.example/"))


GATEWAY = "http://127.0.0.1:8321"


async def test_in_the_sandbox_every_outside_url_goes_through_its_web_route():
    target = await GatewayRoute(GATEWAY).target(httpx.URL("https://www.one.example/a/b%20c?d=1"))
    assert str(target.url) == f"{GATEWAY}/web/https/www.one.example/a/b%20c?d=1"
    own = await GatewayRoute(GATEWAY).target(httpx.URL(f"{GATEWAY}/media/x.jpg?expires=1"))
    assert str(own.url) == f"{GATEWAY}/media/x.jpg?expires=1"


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://127.0.0.1:9/", "http://localhost/", "http://10.0.0.1/"]
)
async def test_the_sandbox_reaches_no_other_private_address(url):
    with pytest.raises(PageRefusedError):
        await GatewayRoute(GATEWAY).target(httpx.URL(url))


def test_a_gateway_outside_this_machine_is_refused():
    with pytest.raises(ValueError, match="loopback"):
        GatewayRoute("http://sandbox.example")
