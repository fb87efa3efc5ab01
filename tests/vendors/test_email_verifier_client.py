"""Facts about the MillionVerifier client (vendor-contracts section 6)."""

import httpx
import pytest
from wire_answers import answering, connected, value_of

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.vendors.email_verifier import EmailStatus, EmailVerifier, decode_verification

KEY = "the-key"


def verifier(*answer) -> EmailVerifier:
    return EmailVerifier(answering(*answer), KEY)


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ("ok", EmailStatus.VALID),
        ("catch_all", EmailStatus.CATCH_ALL),
        ("unknown", EmailStatus.UNKNOWN),
        ("invalid", EmailStatus.INVALID),
        ("disposable", EmailStatus.DISPOSABLE),
        ("error", EmailStatus.UNVERIFIED),
        ("unverified", EmailStatus.UNVERIFIED),
        ("brand new", EmailStatus.UNVERIFIED),
        (None, EmailStatus.UNVERIFIED),
    ],
)
async def test_the_result_alone_decides(result, status):
    body = {"result": result, "quality": "good", "resultcode": 1, "free": False, "role": True, "error": ""}
    found = await value_of(verifier(200, body).verify("ada@trailretreats.example"))
    assert (found.status, found.role) == (status, True)


@pytest.mark.parametrize(
    ("text", "error_class"),
    [
        ("Apikey not found", ErrorClass.PERMANENT_SERVICE),
        ("No apikey specified", ErrorClass.PERMANENT_SERVICE),
        ("invalid_api_key", ErrorClass.PERMANENT_SERVICE),
        ("empty_api_key", ErrorClass.PERMANENT_SERVICE),
        ("IP address blocked", ErrorClass.PERMANENT_SERVICE),
        ("insufficient_credits", ErrorClass.PERMANENT_SERVICE),
        ("Insufficient credits", ErrorClass.PERMANENT_SERVICE),
        ("file_not_found", ErrorClass.PERMANENT_ITEM),
        ("No email specified", ErrorClass.PERMANENT_ITEM),
        ("Internal error", ErrorClass.TRANSIENT),
        ("something else", ErrorClass.UNKNOWN),
    ],
)
async def test_an_error_inside_a_200_is_an_error(text, error_class):
    body = {"result": "error", "resultcode": 4, "error": text}
    with pytest.raises(VendorError) as caught:
        await verifier(200, body).verify("ada@trailretreats.example").send()
    assert caught.value.error_class is error_class
    assert "ada" not in str(caught.value)


@pytest.mark.parametrize(("status", "error_class"), [(500, ErrorClass.TRANSIENT), (429, ErrorClass.THROTTLED)])
async def test_statuses_count_as_well(status, error_class):
    with pytest.raises(VendorError) as caught:
        await verifier(status, {}).verify("ada@trailretreats.example").send()
    assert caught.value.error_class is error_class


async def test_the_key_is_in_the_query_and_nowhere_in_the_call():
    sent = []

    def handler(request):
        sent.append(dict(request.url.params))
        return httpx.Response(200, json={"result": "ok", "error": ""})

    call = EmailVerifier(connected(handler), KEY).verify(" Ada@TrailRetreats.example ")
    reply = await call.send()
    assert sent == [{"api": KEY, "email": "Ada@TrailRetreats.example", "timeout": "15"}]
    assert call.request == {"email": "ada@trailretreats.example"}
    assert reply.units == call.max_units == {"email_verifier.single": 1}


async def test_credits_are_a_free_status():
    call = verifier(200, {"credits": 7, "plan": None}).credits()
    assert (await value_of(call)).detail == "credits left: 7"
    assert call.max_units == {}


def test_nothing_is_no_address_and_another_body_is_no_verdict():
    with pytest.raises(ValueError, match="no address"):
        verifier(200, {}).verify("  ")
    with pytest.raises(ValueError, match="no result"):
        decode_verification({"quality": "good"})
