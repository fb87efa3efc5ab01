"""The fetcher against servers that lie, on real sockets: private addresses, rebinding, bombs, drips (I-63)."""

import asyncio
import gzip
import socket
import ssl
import threading
import zlib
from dataclasses import replace

import httpx
import pytest
from open_internet import OTHER, SITE, always, answer, internet, redirect
from wire_answers import value_of

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.vendors import pages
from socialanalyzer_dagster.vendors.media_store import FolderStore
from socialanalyzer_dagster.vendors.name_lookup import look_up
from socialanalyzer_dagster.vendors.page_routes import PublicRoute
from socialanalyzer_dagster.vendors.pages import PageFetcher

PAGE = answer(b"<p>hello</p>")
PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.5.4", "192.168.0.1", "169.254.169.254", "100.64.0.1", "192.0.0.192", "0.1.2.3",
    "168.63.129.16", "255.255.255.255", "224.0.0.1", "::1", "::", "fe80::1", "fd00:ec2::254", "fec0::1", "ff02::1",
    "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:5db8:d822::1",
]  # fmt: skip
TRICKS = {
    "file:///etc/passwd": "scheme_not_allowed",
    "javascript:alert(1)": "scheme_not_allowed",
    "data:text/html,<p>x": "scheme_not_allowed",
    "ftp://a.example/": "scheme_not_allowed",
    "gopher://a.example:25/x": "scheme_not_allowed",
    "http:///etc/passwd": "scheme_not_allowed",
    "http:a.example": "scheme_not_allowed",
    "http://2130706433/": "malformed_host",
    "http://0x7f000001/": "malformed_host",
    "http://0x7f.1/": "malformed_host",
    "http://127.1/": "malformed_host",
    "http://0177.0.0.1/": "malformed_url",
    "http://127.0.0.1.0x/": "malformed_host",
    "http://127\u30020\u30020\u30021/": "address_not_public",
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/": "malformed_url",
    "http://\u24dbocalhost/": "malformed_url",
    "http://xn--a/": "host_not_found",
    "http://127.0.0.1./": "address_not_public",
    "http://[::ffff:7f00:1]/": "address_not_public",
    "http://[fe80::1%25eth0]/": "malformed_host",
    "http://[fe80::1%eth0]/": "malformed_host",
    "http://%31%32%37.0.0.1/": "malformed_host",
    "http://a..example/": "malformed_host",
    "http://.a.example/": "malformed_host",
    "http://a.example../": "malformed_host",
    f"http://{'a' * 64}.example/": "malformed_host",
    f"http://{'a.' * 127}example/": "malformed_host",
    "http://127.0.0.1\\.a.example/": "malformed_host",
    "http://a.example\\@127.0.0.1/": "credentials_in_url",
    "http://a.example@127.0.0.1/": "credentials_in_url",
    "http://a.example:80@127.0.0.1/": "credentials_in_url",
    "http://@127.0.0.1/": "address_not_public",
    "http://127.0.0.1#@a.example/": "address_not_public",
    "http://127.0.0.1?@a.example/": "address_not_public",
    "http://a.example\t/": "malformed_url",
    "http://a.example\r\nHost: x/": "malformed_url",
    "http://a.example/\x00": "malformed_url",
    "http://a.example/\ud800": "malformed_url",
    " http://a.example/": "scheme_not_allowed",
    "http://a.example:0/": "port_not_allowed",
    "http://a.example:22/": "port_not_allowed",
    "http://a.example:25/": "port_not_allowed",
    "http://a.example:6379/": "port_not_allowed",
    "http://a.example:99999/": "port_not_allowed",
    "http://a.example:x/": "malformed_url",
    f"http://a.example/{'x' * 8_192}": "url_too_long",
    "http://nowhere.example/": "host_not_found",
}


async def refusal(call) -> VendorError:
    with pytest.raises(VendorError) as caught:
        await call.send()
    return caught.value


async def code_of(serve, url="http://a.example/x") -> str:
    async with internet(serve) as world:
        return (await refusal(world.fetcher().page(url))).code


async def text_from(serve, url="http://a.example/x") -> str:
    async with internet(serve) as world:
        return (await value_of(world.fetcher().page(url))).text


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_leads_to_a_private_address_is_not_dialled(address):
    async with internet(always(PAGE)) as world:
        world.names["inside.example"] = [[address]]
        world.names["mixed.example"] = [[SITE, address]]
        for host in ("inside.example", "mixed.example"):
            error = await refusal(world.fetcher().page(f"http://{host}/"))
            assert (error.code, error.error_class) == ("address_not_public", ErrorClass.PERMANENT_ITEM)
        assert world.dialled == []


@pytest.mark.parametrize(("url", "code"), TRICKS.items())
async def test_an_odd_url_is_refused_and_nothing_is_dialled(url, code):
    async with internet(always(PAGE)) as world:
        error = await refusal(world.fetcher().page(url))
        assert (error.code, error.error_class) == (code, ErrorClass.PERMANENT_ITEM)
        assert world.dialled == []


@pytest.mark.parametrize(
    ("url", "code"), [each for each in TRICKS.items() if each[0].isprintable() and each[0][0] != " "]
)
async def test_an_odd_url_is_refused_as_the_target_of_a_redirect_too(url, code):
    async with internet(always(redirect(url))) as world:
        error = await refusal(world.fetcher().page("http://a.example/"))
        relative = url.startswith(("http:///", "http:a"))
        assert error.code == ("too_many_redirects" if relative else code)
        assert {host for host, _ in world.dialled} == {SITE}


async def test_a_name_that_changes_between_check_and_connection_gains_nothing():
    async with internet(always(PAGE)) as world:
        world.names["a.example"] = [[SITE], [SITE], ["127.0.0.1"]]
        client = world.fetcher()
        assert (await value_of(client.page("http://a.example/x"))).text == "<p>hello</p>"
        assert world.dialled == [(SITE, 80), (SITE, 80)], (
            "robots.txt and the page, each at the address that was checked"
        )
        assert world.asked == ["a.example", "a.example"], "one look-up for each connection"
        assert (await refusal(client.page("http://a.example/x"))).code == "address_not_public"
        assert len(world.dialled) == 2


async def test_the_pinned_connection_carries_the_urls_own_name():
    async with internet(always(PAGE)) as world:
        for url in ("http://a.example./x", "http://a.example:8080/x"):
            await value_of(world.fetcher().page(url))
        hosts = [line for head in world.heads for line in head.split(b"\r\n") if line.lower().startswith(b"host:")]
        assert hosts == [b"Host: a.example"] * 2 + [b"Host: a.example:8080"] * 2
        assert not any(head.lower().count(b"\nhost:") != 1 or b"referer" in head.lower() for head in world.heads)
        await refusal(world.fetcher().page("https://a.example/x"))
        assert b"a.example" in world.heads[-1], "the name a certificate is asked for"
        assert SITE.encode() not in world.heads[-1]


async def test_a_redirect_to_another_site_is_looked_up_and_checked_again():
    async def serve(head, writer):
        writer.write(redirect("http://b.example/y") if b"a.example" in head else PAGE)

    async with internet(serve) as world:
        found = await value_of(world.fetcher().page("http://a.example/x"))
        assert (found.url, {host for host, _ in world.dialled}) == ("http://b.example/y", {SITE, OTHER})
        world.names["b.example"] = [["169.254.169.254"]]
        assert (await refusal(world.fetcher().page("http://a.example/x"))).code == "address_not_public"


async def test_a_redirect_in_a_circle_ends():
    assert await code_of(always(redirect("/x"))) == "too_many_redirects"


def test_a_redirect_may_not_leave_encryption_behind():
    async def read():
        network = httpx.MockTransport(lambda _: httpx.Response(302, headers={"location": "http://a.example/"}))
        async with internet(always(PAGE)) as world:
            client = PageFetcher(PublicRoute(world.look_up), inner=network)
            with pytest.raises(VendorError, match="https_downgrade"):
                await client.read_media("https://a.example/")

    asyncio.run(read())


async def test_a_name_server_that_never_answers_costs_the_time_limit_and_blocks_nobody(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: release.wait(5) and [])
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    with pytest.raises(VendorError, match="timeout"):
        await PageFetcher(PublicRoute(look_up)).read_media("http://a.example/", seconds=0.05)
    release.set()
    ticking.cancel()
    assert ticks > 10
    names = [thread.name for thread in threading.enumerate() if not thread.daemon]
    assert "name look-up" not in names, "the end of the process waits for no name server"


@pytest.mark.parametrize("part", ["head", "body"])
async def test_a_drip_ends_at_the_limit_for_the_whole(part):
    async def serve(head, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n" + (b"content-length: 9999999\r\n\r\n" if part == "body" else b""))
        while True:
            writer.write(b"x: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.005)

    async with internet(serve) as world:
        with pytest.raises(VendorError, match="timeout"):
            await world.fetcher().read_media("http://a.example/", seconds=0.05)


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n",
     b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 99999999999\r\n\r\n"],
)  # fmt: skip
async def test_a_body_without_end_is_cut_off_at_the_limit(head, monkeypatch):
    monkeypatch.setattr(pages, "PAGE", replace(pages.PAGE, most_bytes=50_000))

    async def serve(asked, writer):
        if b"/robots.txt" in asked:
            writer.write(answer(b"", status="404 Not Found"))
            return
        writer.write(head)
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    assert await code_of(serve) == "too_large"


@pytest.mark.parametrize(
    "raw",
    [
        PAGE.replace(b"content-length: 12", b"content-length: 99"),
        b"",
        b"\x00\x01\x02",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
)
async def test_an_answer_that_is_no_http_is_a_broken_connection(raw):
    async with internet(always(raw)) as world:
        error = await refusal(world.fetcher().page("http://a.example/x"))
        assert (error.code, error.error_class) == ("connection_broken", ErrorClass.TRANSIENT)


async def test_a_length_that_is_too_small_gives_no_more_than_it_says():
    assert await text_from(always(PAGE.replace(b"content-length: 12", b"content-length: 8"))) == "<p>hello"


def packed(body: bytes, encoding: str = "gzip") -> bytes:
    return answer(body, f"content-encoding: {encoding}")


HELLO, AGAIN = gzip.compress(b"hello ", mtime=0), gzip.compress(b"again", mtime=0)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (packed(HELLO), "hello "),
        (packed(HELLO + AGAIN), "hello again"),
        (packed(HELLO + b"\0" * 600), "hello "),
        (packed(HELLO + b"\0\0" + AGAIN), "hello again"),
        (packed(zlib.compress(b"hello"), "deflate"), "hello"),
        (packed(b""), ""),
        (packed(b"plain", "identity"), "plain"),
    ],
)
async def test_every_member_of_a_packed_page_is_read(raw, text):
    assert await text_from(always(raw)) == text


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (packed(HELLO[:-4]), "damaged_content"),
        (packed(HELLO[:12]), "damaged_content"),
        (packed(HELLO + AGAIN[:-9]), "damaged_content"),
        (packed(HELLO + b"rest"), "damaged_content"),
        (packed(HELLO[:-8] + b"\0" * 8), "damaged_content"),
        (packed(gzip.compress(HELLO, mtime=0), "gzip, gzip"), "encoding_not_allowed"),
        (answer(HELLO, "content-encoding: gzip", "content-encoding: gzip"), "encoding_not_allowed"),
        (packed(b"x", "br"), "encoding_not_allowed"),
        (packed(gzip.compress(b"\0" * 6_000_000, mtime=0)), "too_large"),
        (packed(gzip.compress(b"\0" * 2_000_000, mtime=0) * 3), "too_large"),
    ],
)
async def test_a_damaged_or_exploding_packing_is_refused(raw, code):
    assert await code_of(always(raw)) == code


@pytest.mark.parametrize(
    ("charset", "body", "text"),
    [
        ("text/html; charset=punycode", b"abc-xyz", "abc-xyz"),
        ("text/html; charset=idna", b"xn--", "xn--"),
        ("text/html; charset=unicode_escape", b"\\ud800\\x00", "\\ud800\\x00"),
        ("text/html; charset=utf-7", b"+ADw-script", "+ADw-script"),
        ("text/html; charset=undefined", b"x", "x"),
        ("text/html; charset=zlib", b"x", "x"),
        ("text/html; charset=../../etc/passwd", b"x", "x"),
        ("text/html; charset=utf-8", b"caf\xe9", "caf\ufffd"),
        ("text/html; charset='windows-1252'", b"\x80", "\u20ac"),
        ("text/html; charset=latin-1", b"\xef\xbb\xbfcaf\xc3\xa9", "caf\xe9"),
        ("text/html; charset=utf-8", "\u65c5\u884c".encode("utf-16"), "\u65c5\u884c"),
        ("text/html", b"caf\xc3\xa9", "caf\xe9"),
    ],
)
async def test_a_charset_that_lies_harms_nothing(charset, body, text):
    assert await text_from(always(answer(body, content_type=charset))) == text


@pytest.mark.parametrize("kind", ["application/pdf", "image/png", "application/octet-stream", "", "text/html,x"])
async def test_a_page_of_another_type_is_refused(kind):
    assert await code_of(always(answer(b"<p>", content_type=kind))) == "content_type_not_allowed"


@pytest.mark.parametrize(
    "body",
    [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<?xml version='1.0'?><svg/>", b"<html>", b"%PDF-1.4", b"MZ", b""],
)
async def test_bytes_that_are_no_medium_are_not_stored_whatever_they_are_called(body, tmp_path):
    async with internet(always(answer(body, content_type="image/png"))) as world:

        async def keep(data, _content_type):
            await FolderStore(tmp_path).put("media/x", data, "image/png")
            return "media/x"

        error = await refusal(world.fetcher().media("http://a.example/x.png", keep=keep))
        assert (error.code, list(tmp_path.iterdir())) == ("content_type_not_allowed", [])


class BrokenTls(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request):
        raise ssl.SSLError("a record that makes no sense")


async def test_a_tls_record_that_makes_no_sense_is_a_broken_connection():
    async with internet(always(PAGE)) as world:
        client = PageFetcher(PublicRoute(world.look_up), inner=BrokenTls())
        with pytest.raises(VendorError, match="connection_broken"):
            await client.read_media("https://a.example/")


GONE, DOWN, BUSY = (answer(b"", status=status) for status in ("404 Not Found", "503 Down", "429 Slow"))


@pytest.mark.parametrize(
    ("robots", "code"),
    [
        (GONE, None),
        (answer(b"", status="403 No"), None),
        (answer(b"", status="204 Empty").replace(b"content-length: 0\r\n", b""), None),
        (answer(b"\xef\xbb\xbfUser-agent: *\nDisallow: /", content_type="text/plain"), "robots_disallow"),
        (packed(gzip.compress(b"User-agent: *\nDisallow: /*x", mtime=0)), "robots_disallow"),
        (redirect("http://b.example/robots.txt"), "robots_disallow"),
        (redirect("/robots.txt"), "too_many_redirects"),
        (redirect("file:///etc/passwd"), "scheme_not_allowed"),
        (redirect("http://127.0.0.1/robots.txt"), "address_not_public"),
        (DOWN, "http_503"),
        (BUSY, "http_429"),
        (b"", "connection_broken"),
        (answer(b"#" * 500_001), "too_large"),
    ],
)
async def test_what_robots_txt_says_or_fails_to_say_decides_about_the_page(robots, code):
    async def serve(head, writer):
        elsewhere = answer(b"User-agent: *\nDisallow: /") if b"b.example" in head else robots
        writer.write(elsewhere if b" /robots.txt " in head else PAGE)
        await writer.drain()

    if code is None:
        assert await text_from(serve) == "<p>hello</p>"
    else:
        assert await code_of(serve) == code


async def test_the_time_for_robots_txt_counts_in_the_time_of_the_page(monkeypatch):
    monkeypatch.setattr(pages, "PAGE", replace(pages.PAGE, seconds=0.05))

    async def serve(_head, _writer):
        await asyncio.sleep(5)

    assert await code_of(serve) == "timeout"
