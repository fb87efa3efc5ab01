"""Facts about the simulated MillionVerifier, Apollo, Slack and R2 (contracts sections 5, 6, 9 and 10)."""

from collections.abc import Callable
from itertools import islice

import httpx
import pytest

from socialanalyzer_dagster.sandbox.config import PracticeSwitches, SandboxConfig
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.slack import messages
from socialanalyzer_dagster.sandbox.world.models import Creator
from socialanalyzer_dagster.sandbox.world.queries import InstagramQuery

VERIFY = "/millionverifier/api/v3"
MATCH = "/apollo/api/v1/people/match"
APOLLO_KEY = {"x-api-key": "key"}
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=key/20261116/auto/s3/aws4_request, Signature=abc"}


def creators(state: SandboxState, count: int = 200) -> list[Creator]:
    return list(islice(state.world.search_instagram(InstagramQuery(requires_email=True)), count))


async def verify(client: httpx.AsyncClient, email: str, key: str = "key", **more: str) -> httpx.Response:
    return await client.get(VERIFY, params={"api": key, "email": email, **more})


# --- MillionVerifier


async def test_a_verification_tells_the_worlds_mailbox_and_is_billed(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    for creator in creators(state, 20):
        assert creator.contact.email is not None
        body = (await verify(client, creator.contact.email)).json()
        assert body["result"] == creator.truth.mailbox
        assert (body["error"], body["livemode"]) == ("", True)
    assert state.bill.total_micros("millionverifier") == 20 * 3_700


@pytest.mark.parametrize(
    ("suffix", "result"),
    [
        ("_OK", "ok"),
        ("_CATCH_ALL", "catch_all"),
        ("_INVALID", "invalid"),
        ("_UNKOWN", "unknown"),
        ("_DISPOSABLE", "disposable"),
        ("_UNVERIFIED", "unverified"),
    ],
)
async def test_test_keys_give_their_result_and_cost_nothing(
    client: httpx.AsyncClient, state: SandboxState, suffix: str, result: str
) -> None:
    body = (await verify(client, "ada@trail.example", f"API_KEY_FOR_TEST{suffix}")).json()
    assert (body["result"], body["livemode"]) == (result, False)
    assert state.bill.total_micros() == 0


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("", "No apikey specified"),
        ("invalid", "Apikey not found"),
        ("API_KEY_FOR_TEST_ERROR_INSUFFICIENT_CREDITS", "Insufficient credits"),
        ("API_KEY_FOR_TEST_ERROR_IP_ADDRESS_BLOCKED", "IP address blocked"),
        ("API_KEY_FOR_TEST_ERROR_INTERNAL_ERROR", "Internal error"),
    ],
)
async def test_every_error_of_the_verifier_is_a_200(client: httpx.AsyncClient, key: str, error: str) -> None:
    answer = await verify(client, "ada@trail.example", key)
    assert (answer.status_code, answer.json()["result"], answer.json()["error"]) == (200, "error", error)


async def test_a_timeout_out_of_bounds_is_refused_and_not_billed(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    for seconds in ("1", "61", "long"):
        assert (await verify(client, "ada@trail.example", timeout=seconds)).json()["error"]
    assert state.bill.total_micros() == 0


async def test_credits_go_down_with_use(client: httpx.AsyncClient, state: SandboxState) -> None:
    before = (await client.get(f"{VERIFY}/credits?api=key")).json()["credits"]
    await verify(client, "ada@trail.example")
    assert (await client.get(f"{VERIFY}/credits?api=key")).json()["credits"] == before - 1
    state.faults.add(Fault("millionverifier", "single", "out_of_credits"))
    assert (await verify(client, "eve@trail.example")).json()["error"] == "insufficient_credits"


async def test_a_bulk_file_is_polled_and_comes_back_in_another_order(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    emails = [f"person{number}@trail-{number}.example" for number in range(30)]
    text = "name,email\n" + "".join(f"N{number},{email}\n" for number, email in enumerate([*emails, emails[0].upper()]))
    bulk = "/millionverifier/bulkapi/v2"
    record = (await client.post(f"{bulk}/upload?key=key", files={"file_contents": ("leads.csv", text)})).json()
    assert (record["status"], record["unique_emails"], record["total_rows"]) == ("in_progress", "30", "31")
    assert state.bill.total_micros() == 30 * 3_700
    query = f"key=key&file_id={record['file_id']}"
    assert (await client.get(f"{bulk}/fileinfo?{query}")).json()["status"] == "in_progress"
    info = (await client.get(f"{bulk}/fileinfo?{query}")).json()
    assert (info["status"], info["verified"]) == ("finished", "30")
    lines = (await client.get(f"{bulk}/download?{query}&filter=all")).text.splitlines()
    assert lines[0] == "name,email,quality,result,free,role"
    assert sorted(line.split(",")[0] for line in lines[1:]) == sorted(f"N{number}" for number in range(31))
    assert [line.split(",")[0] for line in lines[1:]] != [f"N{number}" for number in range(31)]
    good = (await client.get(f"{bulk}/download?{query}&filter=ok")).text.splitlines()[1:]
    assert {line.split(",")[3] for line in good} == {"ok"}
    assert (await client.get(f"{bulk}/filelist?key=key")).json()["total"] == "1"
    assert (await client.get(f"{bulk}/delete?{query}")).json() == {"error": ""}
    assert (await client.get(f"{bulk}/fileinfo?{query}")).json() == {"error": "file_not_found"}


# --- Apollo


def known_and_unknown(state: SandboxState) -> tuple[Creator, Creator]:
    found = [creator for creator in creators(state) if creator.domain]
    return (
        next(creator for creator in found if creator.truth.apollo_knows),
        next(creator for creator in found if not creator.truth.apollo_knows),
    )


async def test_only_a_found_person_is_billed(client: httpx.AsyncClient, state: SandboxState) -> None:
    known, unknown = known_and_unknown(state)
    miss = await client.post(MATCH, params={"domain": str(unknown.domain)}, headers=APOLLO_KEY)
    assert miss.json() == {"person": None}
    assert state.bill.total_micros() == 0
    params = {"name": f"{known.contact.first_name} {known.contact.last_name}", "domain": f"https://www.{known.domain}/"}
    hit = await client.post(MATCH, params=params, headers=APOLLO_KEY)
    assert hit.json()["person"]["organization"]["primary_domain"] == known.domain
    assert state.bill.total_micros() == 25_000
    same = await client.post(MATCH, json=params, headers=APOLLO_KEY)
    assert same.json() == hit.json()


async def test_no_match_is_an_empty_object_by_switch(client_of: Callable[[SandboxState], httpx.AsyncClient]) -> None:
    state = SandboxState(SandboxConfig(switches=PracticeSwitches(apollo_empty_object=True)))
    async with client_of(state) as client:
        assert (await client.post(MATCH, params={"domain": "nobody.example"}, headers=APOLLO_KEY)).json() == {}
    state.store.close()


async def test_bulk_matches_keep_the_order_and_bill_the_found(client: httpx.AsyncClient, state: SandboxState) -> None:
    known, unknown = known_and_unknown(state)
    details = [{"domain": unknown.domain}, {"domain": known.domain}]
    path = "/apollo/api/v1/people/bulk_match"
    body = (await client.post(path, json={"details": details}, headers=APOLLO_KEY)).json()
    assert body["matches"][0] is None
    assert body["matches"][1]["first_name"] == known.contact.first_name
    assert (body["credits_consumed"], body["missing_records"]) == (1, 1)
    assert state.bill.total_micros() == 25_000
    assert (await client.post(path, json={"details": details * 6}, headers=APOLLO_KEY)).status_code == 422


async def test_apollo_refuses_a_key_in_plain_text_and_shows_its_windows(client: httpx.AsyncClient) -> None:
    refused = await client.post(
        MATCH, params={"domain": "a.example"}, headers={"x-api-key": "invalid", "Authorization": ""}
    )
    assert (refused.status_code, refused.text) == (401, "Invalid access credentials.")
    answer = await client.post(MATCH, params={"domain": "a.example"}, headers=APOLLO_KEY)
    assert answer.headers["x-rate-limit-hourly"] == "600"
    assert answer.headers["x-hourly-requests-left"] == "599"
    assert (await client.post(MATCH, headers=APOLLO_KEY)).status_code == 422
    phone = {"domain": "a.example", "reveal_phone_number": "true"}
    assert (await client.post(MATCH, params=phone, headers=APOLLO_KEY)).status_code == 400


async def test_a_locked_address_is_the_placeholder_and_still_billed(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    known, _unknown = known_and_unknown(state)
    state.faults.add(Fault("apollo", "people_match", "placeholder_email"))
    person = (await client.post(MATCH, params={"domain": str(known.domain)}, headers=APOLLO_KEY)).json()["person"]
    assert (person["email"], person["email_status"]) == ("email_not_unlocked@domain.com", None)
    assert state.bill.total_micros() == 25_000
    state.faults.set([Fault("apollo", "people_match", "hour_limit")])
    limited = await client.post(MATCH, params={"domain": str(known.domain)}, headers=APOLLO_KEY)
    assert (limited.status_code, limited.headers["x-hourly-requests-left"]) == (429, "0")
    assert limited.headers["x-minute-requests-left"] != "0"
    assert "600 times per hour" in limited.json()["message"]


# --- Slack


async def test_slack_answers_ok_as_text_and_keeps_the_message(client: httpx.AsyncClient, state: SandboxState) -> None:
    answer = await client.post("/slack/services/T/B/secret", json={"text": "done", "blocks": [{"type": "divider"}]})
    assert (answer.text, answer.headers["content-type"]) == ("ok", "text/plain; charset=utf-8")
    assert [row["payload"]["text"] for row in messages(state)] == ["done"]


@pytest.mark.parametrize(
    ("body", "text"),
    [({}, "no_text"), ({"blocks": [{}] * 51}, "invalid_blocks"), ({"attachments": [{}] * 101}, "too_many_attachments")],
)
async def test_slack_refuses_bad_messages(client: httpx.AsyncClient, body: dict[str, object], text: str) -> None:
    answer = await client.post("/slack/services/T/B/secret", json=body)
    assert (answer.status_code, answer.text) == (400, text)


async def test_a_wrong_webhook_secret_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/slack/services/T/B/invalid", json={"text": "x"})
    assert (answer.status_code, answer.text) == (403, "invalid_token")


# --- R2


async def test_an_object_is_written_once_when_asked_so(client: httpx.AsyncClient) -> None:
    path, headers = "/r2/media/social/a%20b.jpg", {**SIGNED, "If-None-Match": "*", "Content-Type": "image/jpeg"}
    assert (await client.put(path, content=b"first", headers=headers)).status_code == 200
    second = await client.put(path, content=b"second", headers=headers)
    assert second.status_code == 412
    assert "<Code>PreconditionFailed</Code>" in second.text
    read = await client.get(path, headers=SIGNED)
    assert (read.content, read.headers["content-type"]) == (b"first", "image/jpeg")
    assert read.headers["etag"] == '"8b04d5e3775d298e78455efc5ca404d5"'


async def test_a_chunked_upload_is_put_together(client: httpx.AsyncClient) -> None:
    body = b"5;chunk-signature=x\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    headers = {
        **SIGNED,
        "Content-Encoding": "aws-chunked",
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    }
    await client.put("/r2/media/a", content=body, headers=headers)
    assert (await client.get("/r2/media/a", headers=SIGNED)).content == b"hello world"
    part = await client.get("/r2/media/a", headers={**SIGNED, "Range": "bytes=6-"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"world", "bytes 6-10/11")
    assert (await client.delete("/r2/media/a", headers=SIGNED)).status_code == 204
    gone = await client.get("/r2/media/a", headers=SIGNED)
    assert (gone.status_code, "<Code>NoSuchKey</Code>" in gone.text) == (404, True)


async def test_a_request_needs_a_signature_and_a_bucket(client: httpx.AsyncClient) -> None:
    unsigned = await client.get("/r2/media/a", headers={"Authorization": ""})
    assert (unsigned.status_code, "<Code>AccessDenied</Code>" in unsigned.text) == (403, True)
    presigned = await client.get("/r2/media/a?X-Amz-Signature=1&X-Amz-Expires=60", headers={"Authorization": ""})
    assert presigned.status_code == 404
    too_long = await client.get("/r2/media/a?X-Amz-Signature=1&X-Amz-Expires=604801", headers={"Authorization": ""})
    assert too_long.status_code == 400
    missing = await client.put("/r2/no-such-bucket/a", content=b"x", headers=SIGNED)
    assert (missing.status_code, "<Code>NoSuchBucket</Code>" in missing.text) == (404, True)
