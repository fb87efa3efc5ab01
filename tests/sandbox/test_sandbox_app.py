"""The sandbox's frame: faults, limits, unknown paths, the bill, the control path, media and pages."""

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from socialanalyzer_dagster.sandbox import wire
from socialanalyzer_dagster.sandbox.app import app_of
from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.faults import LEVELS, Fault, FaultBoard
from socialanalyzer_dagster.sandbox.limits import Limits, parse_limit
from socialanalyzer_dagster.sandbox.media import (
    avatar_path,
    movie_seconds,
    picture,
    read_mark,
    signed_url,
    size_of_picture,
    video,
)
from socialanalyzer_dagster.sandbox.state import SandboxState

BASE = "http://sandbox.test"
KEY = {"Authorization": "Bearer key"}
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
Client = httpx.AsyncClient


@pytest.fixture
def state() -> Iterator[SandboxState]:
    made = SandboxState(SandboxConfig(seed=7))
    yield made
    made.store.close()


@pytest.fixture
def client(state: SandboxState) -> Client:
    return Client(transport=httpx.ASGITransport(app_of(state)), base_url=BASE, headers=KEY)


async def chat(client: Client, **changes: Any) -> httpx.Response:
    return await client.post("/openai/v1/chat/completions", json=CHAT | changes)


async def test_a_path_works_with_and_without_its_last_slash(client: Client) -> None:
    assert (await client.get("/openai/v1/models")).json() == (await client.get("/openai/v1/models/")).json()


async def test_gzipped_bodies_are_unpacked(client: Client) -> None:
    packed = gzip.compress(json.dumps(CHAT).encode())
    answer = await client.post("/openai/v1/chat/completions", content=packed, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 200


async def test_unknown_paths_answer_in_the_vendors_shape_and_are_counted(client: Client) -> None:
    answer = await client.get("/openai/v1/chat/completion")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")
    assert (await client.delete("/openai/v1/embeddings")).status_code == 405
    seen = (await client.get("/_sandbox/state")).json()["unknown_paths"]
    assert seen == {"GET /openai/v1/chat/completion": 1, "DELETE /openai/v1/embeddings": 1}


async def test_a_place_where_no_vendor_is_is_404(client: Client) -> None:
    assert (await client.get("/nobody/here")).status_code == 404


async def test_equal_requests_have_equal_answers_whatever_else_was_asked(client: Client, state: SandboxState) -> None:
    first = (await chat(client)).json()
    state.reset()
    await chat(client, model="gpt-4.1")
    assert (await chat(client)).json() == first


async def test_the_bill_adds_up_to_the_micro(state: SandboxState) -> None:
    bill = state.bill
    bill.charge("openai", "chat_completions", {"openai.gpt-4o.input": 3, "openai.gpt-4o.output": 1})
    bill.charge("openai", "chat_completions", {"openai.gpt-4o-mini.input": 1})
    bill.charge("insightiq", "contents_fetch", {"insightiq.contents_fetch": 1})
    bill.charge("openai", "transcriptions", {"openai.whisper-1": Fraction("10") / 60})
    assert [row["micros"] for row in bill.rows(limit=10)] == [8, 10, 1, 40_000, 1_000]
    assert bill.total_micros() == 41_019
    assert bill.summary()["vendors"]["openai"]["micros"] == 1_019
    assert bill.quote({"openai.gpt-4o.input": 3}, factor=Fraction(1, 2)) == 4


async def test_a_price_nobody_charges_is_an_error(state: SandboxState) -> None:
    with pytest.raises(KeyError):
        state.bill.charge("openai", "chat_completions", {"openai.gpt-9.input": 1})


async def test_the_ledger_tells_calls_units_and_money(client: Client, state: SandboxState) -> None:
    usage = (await chat(client)).json()["usage"]
    ledger = (await client.get("/_sandbox/ledger?rows=5")).json()
    keys = ledger["vendors"]["openai"]["price_keys"]
    assert keys["openai.gpt-4o.input"]["units"] == usage["prompt_tokens"]
    assert ledger["total_micros"] == sum(row["micros"] for row in ledger["rows"]) == state.bill.total_micros()
    assert ledger["requests"] == {"openai.chat_completions": 1}


async def test_the_truth_of_a_creator_can_be_read(client: Client, state: SandboxState) -> None:
    creator = state.world.instagram(8)
    told = (await client.get(f"/_sandbox/truth/instagram/{creator.handle}")).json()
    assert told["truth"]["niche"] == creator.niche
    assert (await client.get("/_sandbox/truth/instagram/nobody")).status_code == 404


async def test_the_clock_stands_still_until_it_is_moved(client: Client, state: SandboxState) -> None:
    before = (await client.get("/_sandbox/state")).json()["clock"]
    assert before == "2026-11-16T12:00:00+00:00"
    moved = await client.put("/_sandbox/state", json={"advance_seconds": 90})
    assert moved.json()["clock"] == "2026-11-16T12:01:30+00:00"
    assert (await client.put("/_sandbox/state", json={"clock": "yesterday"})).status_code == 400
    assert (await chat(client)).json()["created"] == state.clock.timestamp()


async def test_a_reset_forgets_bill_and_clock_but_not_the_world(client: Client, state: SandboxState) -> None:
    await chat(client)
    await client.put("/_sandbox/state", json={"advance_seconds": 90})
    told = (await client.post("/_sandbox/reset")).json()
    assert (told["seed"], told["clock"], told["requests"]) == (7, "2026-11-16T12:00:00+00:00", {})
    assert state.bill.total_micros() == 0


async def test_fault_switches_are_set_listed_and_removed(client: Client) -> None:
    switch = {"vendor": "openai", "operation": "models", "kind": "error_503"}
    assert (await client.post("/_sandbox/faults", json=switch)).status_code == 201
    assert (await client.get("/openai/v1/models")).status_code == 503
    assert (await client.get("/_sandbox/faults")).json()["shown"] == {"openai.models.error_503": 1}
    assert (await client.put("/_sandbox/faults", json=[])).json()["switches"] == []
    assert (await client.get("/openai/v1/models")).status_code == 200
    await client.delete("/_sandbox/faults")
    assert (await client.put("/_sandbox/faults", json={"no": "list"})).status_code == 400
    assert (await client.post("/_sandbox/faults", json={"vendor": "x", "kind": "y", "often": 1})).status_code == 400


async def test_a_429_carries_retry_after_only_when_asked_to(client: Client, state: SandboxState) -> None:
    state.faults.add(Fault("openai", "*", "rate_limited", seconds=3))
    assert (await chat(client)).headers["retry-after"] == "3"
    state.faults.add(Fault("openai", "*", "rate_limited_bare"))
    answer = await chat(client)
    assert (answer.status_code, "retry-after" in answer.headers) == (429, False)


async def test_a_connection_closed_before_the_work_is_not_billed(client: Client, state: SandboxState) -> None:
    state.faults.add(Fault("openai", "*", "closed_before"))
    with pytest.raises(httpx.RemoteProtocolError):
        await chat(client)
    assert state.bill.total_micros() == 0


async def test_a_lost_answer_is_billed(client: Client, state: SandboxState) -> None:
    state.faults.add(Fault("openai", "*", "closed_after"))
    with pytest.raises(httpx.RemoteProtocolError):
        await chat(client)
    assert state.bill.total_micros() > 0


@pytest.mark.parametrize("kind", ["truncated", "malformed"])
async def test_damaged_answers_are_not_json(client: Client, state: SandboxState, kind: str) -> None:
    state.faults.add(Fault("openai", "*", kind))
    answer = await chat(client)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"."):
        answer.json()


async def test_the_nth_call_alone_fails(client: Client, state: SandboxState) -> None:
    state.faults.add(Fault("openai", "models", "error_500", "nth", 2))
    statuses = [(await client.get("/openai/v1/models")).status_code for _ in range(3)]
    assert statuses == [200, 500, 200]


def test_who_is_hit_by_a_probable_fault_does_not_depend_on_other_traffic() -> None:
    hits = []
    for noise in (0, 5):
        board = FaultBoard(7, "flaky")
        for number in range(noise):
            board.pick("openai", "models", fingerprint=f"noise{number}", ordinal=1)
        picked = [board.pick("openai", "chat", fingerprint=f"call{number}", ordinal=1) for number in range(400)]
        hits.append([fault.kind if fault else None for fault in picked])
    assert hits[0] == hits[1]
    assert 0.01 < sum(kind is not None for kind in hits[0]) / 400 < 0.10


def test_the_levels_are_graded() -> None:
    kinds = {level: {switch.kind for switch in switches} for level, switches in LEVELS.items()}
    assert kinds["none"] == set()
    assert kinds["flaky"] == {"rate_limited", "error_500", "error_503", "closed_before", "hangs_before"}
    assert kinds["flaky"] < kinds["hostile"]


def test_limits_apply_at_realistic_speed_only() -> None:
    instant, realistic = Limits("instant"), Limits("realistic")
    assert instant.take("insightiq", "search") == []
    assert instant.latency_seconds("openai", "chat_completions") == 0
    usages = [realistic.take("insightiq", "search")[0] for _ in range(11)]
    assert [usage.is_over for usage in usages] == [False] * 10 + [True]
    assert realistic.latency_seconds("openai", "chat_completions") > 0


def test_an_account_has_the_limits_it_is_given() -> None:
    limits = Limits("realistic", dict([parse_limit("insightiq=2/1"), parse_limit("openai.tokens=1000/60")]))
    assert [limits.take("insightiq", "search")[0].is_over for _ in range(3)] == [False, False, True]
    (first,), (second,), (other,) = [limits.take_tokens(model, 600) for model in ("a", "a", "b")]
    assert (first.is_over, first.left) == (False, 400)
    assert second.is_over, "tokens are counted by model"
    assert 59 < second.resets_in_seconds <= 60
    assert not other.is_over
    assert limits.tokens == {"a": 600, "b": 600}, "what is refused is not counted"


@pytest.mark.parametrize("text", ["openai", "openai=0/60", "openai=5", "nobody=5/60", "openai.tokens=many/60"])
def test_a_limit_nobody_has_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no limit"):
        parse_limit(text)


async def test_a_full_window_is_refused_in_the_vendors_shape() -> None:
    state = SandboxState(SandboxConfig(speed="realistic"))
    vendor = wire.VendorWire(
        key="slack",
        prefix="/x",
        authorize=lambda call: None,
        refuse=lambda call, refusal: PlainTextResponse(refusal.kind, refusal.status),
    )
    route = wire.endpoint(state, vendor, operation="post", path="/y", handler=lambda call: PlainTextResponse("ok"))
    state.limits.latency_seconds = lambda vendor, operation: 0.0  # type: ignore[method-assign]
    async with Client(transport=httpx.ASGITransport(route.app), base_url=BASE) as caller:
        answers = [await caller.get("/x/y") for _ in range(2)]
    assert [answer.text for answer in answers] == ["ok", "rate_limited"]
    state.store.close()


def a_call(state: SandboxState) -> wire.Call:
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"host", b"sandbox.test")],
             "scheme": "http", "server": ("sandbox.test", 80), "root_path": ""}  # fmt: skip
    return wire.Call(state, wire.Request(scope), b"", "f", 1)


async def test_media_are_real_files_that_expire(client: Client, state: SandboxState) -> None:
    posts = [
        post for index in range(5) for post in state.world.instagram_posts(state.world.instagram(index).handle) or []
    ]
    moving = next(post for post in posts if post.format == "VIDEO")
    still = next(post for post in posts if post.format == "IMAGE")
    call = a_call(state)
    addresses = [signed_url(call, moving.media_path()), signed_url(call, still.media_path())]
    addresses.append(signed_url(call, moving.thumbnail_path()))
    addresses.append(signed_url(call, avatar_path(state.world.instagram(0))))
    answers = [await client.get(address) for address in addresses]
    types = [answer.headers["content-type"] for answer in answers]
    assert types == ["video/mp4", "image/jpeg", "image/jpeg", "image/jpeg"]
    assert movie_seconds(answers[0].content) == pytest.approx(moving.duration_seconds, abs=0.001)
    assert size_of_picture(answers[2].content) == (320, 400)
    state.clock.advance(timedelta(days=2).total_seconds())
    assert (await client.get(addresses[0])).status_code == 403


async def test_unsigned_media_are_refused_and_unknown_ones_not_found(client: Client, state: SandboxState) -> None:
    assert (await client.get("/media/instagram/nobody/x/thumb.jpg")).status_code == 403
    assert (await client.get(signed_url(a_call(state), "/media/instagram/nobody/x/thumb.jpg"))).status_code == 404


@pytest.mark.parametrize(
    ("kind", "status"), [("expired_media", 403), ("private_redirect", 302), ("wrong_content_type", 200)]
)
async def test_media_can_be_faulty(client: Client, state: SandboxState, kind: str, status: int) -> None:
    state.faults.add(Fault("media", "media", kind))
    answer = await client.get(signed_url(a_call(state), avatar_path(state.world.instagram(0))))
    assert answer.status_code == status
    assert ("169.254" in answer.headers.get("location", "")) == (kind == "private_redirect")
    assert answer.headers.get("content-type", "").startswith("text/html") == (kind == "wrong_content_type")


def test_pictures_of_two_items_differ_and_uploads_are_recognised() -> None:
    first, second = picture((32, 40), "instagram", "a", "1"), picture((32, 40), "instagram", "a", "2")
    assert first != second
    mark = read_mark(b"junk" + video("instagram", "a.b", "c9", 12.25) + b"junk")
    assert mark is not None
    assert (mark.handle, mark.code, mark.seconds) == ("a.b", "c9", 12.25)
    assert read_mark(b"anything") is None
    assert movie_seconds(b"anything") is None


async def test_pages_answer_through_the_web_path(client: Client, state: SandboxState) -> None:
    creator = next(found for found in map(state.world.patreon, range(50)) if found.domain is not None)
    redirect = await client.get(f"/web/https/{creator.domain}/about")
    assert (redirect.status_code, redirect.headers["location"]) == (301, f"https://www.{creator.domain}/about")
    page = await client.get(f"/web/https/www.{creator.domain}/about")
    assert page.status_code in (200, 503)
    assert page.headers["content-type"].startswith("text/html")
    assert (await client.get("/web/https/www.nowhere-at-all.org")).status_code == 404
