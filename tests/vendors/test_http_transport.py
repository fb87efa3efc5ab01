"""Facts about the shared transport: what was sent, what an error says, and what it never says."""

import asyncio
import logging
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from wire_answers import answering, connected, server

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.vendors.http import (
    Ask,
    Connection,
    VendorHttp,
    parse_json,
    retry_after_seconds,
    settle_class,
    status_error,
)
from socialanalyzer_dagster.vendors.openai_channel import OpenAIChannel
from socialanalyzer_dagster.vendors.transport import is_loopback, new_client

PAID, FREE = "apollo.people_match", "apollo.status"
SECRET = "very-secret-key"


def plain(status, headers, _body):
    return status_error("apollo", status, headers)


def http_to(connection: Connection) -> VendorHttp:
    return VendorHttp("apollo", connection, plain)


async def fault_of(connection: Connection, operation: str) -> VendorError:
    http = http_to(connection)
    with pytest.raises(VendorError) as caught:
        await http.ask(Ask(operation=operation, method="POST", path="/x", query={"api": SECRET}, body={"name": SECRET}))
    await http.aclose()
    return caught.value


def real_connection(base_url: str, read_seconds: float = 5) -> Connection:
    return Connection(base_url, new_client(read_seconds=read_seconds, loopback_only=True))


async def test_a_refused_connection_was_not_sent_and_may_be_repeated():
    async with server(lambda _r, w: _close(w)) as url:
        pass
    error = await fault_of(real_connection(url), PAID)
    assert (error.error_class, error.sent) == (ErrorClass.TRANSIENT, False)


@pytest.mark.parametrize(("operation", "error_class"), [(PAID, ErrorClass.UNKNOWN), (FREE, ErrorClass.TRANSIENT)])
async def test_a_connection_closed_after_the_request_loses_the_answer(operation, error_class):
    async def read_and_close(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await reader.read(10)
        writer.close()

    async with server(read_and_close) as url:
        error = await fault_of(real_connection(url), operation)
    assert (error.error_class, error.sent, error.code) == (error_class, True, "connection_broken")


@pytest.mark.parametrize(("operation", "error_class"), [(PAID, ErrorClass.UNKNOWN), (FREE, ErrorClass.TRANSIENT)])
async def test_a_read_timeout_loses_the_answer(operation, error_class):
    silent = asyncio.Event()

    async def never_answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await silent.wait()
        writer.close()

    async with server(never_answer) as url:
        error = await fault_of(real_connection(url, read_seconds=0.05), operation)
        silent.set()
    assert (error.error_class, error.code) == (error_class, "timeout")


@asynccontextmanager
async def dripping():
    """A server whose answers never pause for long and never end."""
    is_over = asyncio.Event()

    async def drip(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
        while not reader.at_eof() and reader.exception() is None:
            writer.write(b" ")
            await asyncio.sleep(0.01)
        writer.close()
        is_over.set()

    async with server(drip) as url:
        yield url
        await is_over.wait()


@pytest.mark.parametrize(("operation", "error_class"), [(PAID, ErrorClass.UNKNOWN), (FREE, ErrorClass.TRANSIENT)])
async def test_an_answer_that_drips_is_cut_at_the_requests_timeout(operation, error_class):
    async with dripping() as url:
        error = await fault_of(real_connection(url, read_seconds=0.1), operation)
    assert (error.error_class, error.code) == (error_class, "timeout")


async def test_a_dripping_model_is_a_lost_answer():
    async with dripping() as url:
        channel = OpenAIChannel(real_connection(url, read_seconds=0.1), "key")
        with pytest.raises(VendorError) as caught:
            await channel.chat({"model": "gpt-4o", "messages": []})
        await channel.aclose()
    assert (caught.value.error_class, caught.value.code) == (ErrorClass.UNKNOWN, "timeout")


async def test_an_answer_cut_in_the_middle_of_a_paid_call_is_lost():
    async def half(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a":')
        await writer.drain()
        writer.close()

    async with server(half) as url:
        error = await fault_of(real_connection(url), PAID)
    assert error.error_class is ErrorClass.UNKNOWN


@pytest.mark.parametrize("body", ["<html>busy</html>", "", '{"a": ', '{"a": NaN}', b"\xff\xfe"])
async def test_a_success_without_json_is_a_lost_answer_of_a_paid_call_and_passing_for_a_free_one(body):
    assert (await fault_of(answering(200, body), PAID)).error_class is ErrorClass.UNKNOWN
    assert (await fault_of(answering(200, body), FREE)).error_class is ErrorClass.TRANSIENT


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (301, ErrorClass.PERMANENT_SERVICE),
        (400, ErrorClass.PERMANENT_ITEM),
        (401, ErrorClass.PERMANENT_SERVICE),
        (402, ErrorClass.PERMANENT_SERVICE),
        (403, ErrorClass.PERMANENT_SERVICE),
        (404, ErrorClass.PERMANENT_ITEM),
        (408, ErrorClass.TRANSIENT),
        (422, ErrorClass.PERMANENT_ITEM),
        (429, ErrorClass.THROTTLED),
        (500, ErrorClass.TRANSIENT),
        (502, ErrorClass.TRANSIENT),
        (503, ErrorClass.TRANSIENT),
        (504, ErrorClass.TRANSIENT),
    ],
)
async def test_every_status_that_is_no_success_has_a_class(status, error_class):
    error = await fault_of(answering(status, {"error": SECRET}), FREE)
    assert (error.error_class, error.status) == (error_class, status)


def test_an_answered_5xx_is_unknown_where_the_contract_does_not_say_that_it_is_free():
    busy = VendorError("insightiq", ErrorClass.TRANSIENT, "http_503", status=503)
    assert settle_class(busy, "insightiq.contents_fetch").error_class is ErrorClass.UNKNOWN
    assert settle_class(busy, "insightiq.search_export_page").error_class is ErrorClass.TRANSIENT
    assert settle_class(busy, "openai.chat").error_class is ErrorClass.TRANSIENT


async def test_errors_and_logs_hold_no_key_no_query_and_no_body(caplog):
    caplog.set_level(logging.DEBUG)
    error = await fault_of(answering(400, {"error": {"message": SECRET, "type": SECRET}}), PAID)
    ok = http_to(answering(200, {"fine": SECRET}))
    await ok.ask(Ask(operation=PAID, path="/x", query={"api": SECRET}))
    await ok.aclose()
    assert SECRET not in f"{error} {error!r} {vars(error)}"
    assert error.__cause__ is None
    assert SECRET not in caplog.text


def test_retry_after_is_read_as_seconds_and_as_a_date():
    now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    later = format_datetime(now + timedelta(seconds=90), usegmt=True)
    assert retry_after_seconds({"retry-after": "7"}) == 7
    assert retry_after_seconds({"retry-after": "0.5"}) == 0.5
    assert retry_after_seconds({"retry-after": later, "date": format_datetime(now, usegmt=True)}) == 90
    assert retry_after_seconds({"retry-after": "-3"}) == 0
    assert retry_after_seconds({"retry-after": "soon"}) is None
    assert retry_after_seconds({"retry-after": "inf"}) is None
    assert retry_after_seconds({}) is None


async def test_a_throttled_answer_carries_its_wait():
    error = await fault_of(answering(429, {}, {"Retry-After": "12"}), PAID)
    assert error.retry_after_seconds == 12


async def test_redirects_are_not_followed():
    asked = []

    def redirect(request):
        asked.append(request.url.host)
        return httpx.Response(307, headers={"location": "http://elsewhere.invalid/"})

    await fault_of(connected(redirect), PAID)
    assert asked == ["vendor.invalid"]


async def test_a_sandbox_client_refuses_every_host_outside_this_machine():
    client = new_client(read_seconds=1, loopback_only=True)
    error = await fault_of(Connection("https://api.openai.com/v1", client), PAID)
    assert (error.error_class, error.code, error.sent) == (ErrorClass.PERMANENT_SERVICE, "host_not_allowed", False)


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("127.0.0.1.evil.example", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - an address to refuse
        ("example.com", False),
    ],
)
def test_loopback_is_told_without_looking_names_up(host, answer):
    assert is_loopback(host) is answer


async def test_cookies_are_not_kept():
    seen = []

    def handler(request):
        seen.append(request.headers.get("cookie"))
        return httpx.Response(200, json={}, headers={"set-cookie": "a=1; Path=/"})

    http = http_to(connected(handler))
    for _ in range(2):
        await http.ask(Ask(operation=FREE, path="/x"))
    await http.aclose()
    assert seen == [None, None]


def test_json_text_that_is_no_json_is_told_apart_from_null():
    assert parse_json(b"null") == (None, True)
    assert parse_json(b"[1]") == ([1], True)
    assert parse_json(b"Infinity") == (None, False)
    assert parse_json(b"[" * 100_000) == (None, False)


async def _close(writer):
    writer.close()
