"""Facts about the Apollo client (vendor-contracts section 5)."""

import httpx
import pytest
from wire_answers import answering, connected, value_of

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.vendors.apollo import Apollo, PersonQuery, classify, decode_person

QUERY = PersonQuery(name="Ada Trail", domain="trailretreats.example", linkedin_url=" ")


@pytest.mark.parametrize("body", [{"person": None}, {}, {"person": {}}])
async def test_no_match_is_free_and_positive(body):
    reply = await Apollo(answering(200, body)).people_match(QUERY).send()
    assert reply.units == {}
    assert decode_person(reply.body) is None


async def test_a_person_found_costs_one_credit():
    person = {"id": "1", "first_name": "Ada", "email": "ada@trailretreats.example", "organization": None}
    call = Apollo(answering(200, {"person": person})).people_match(QUERY)
    reply = await call.send()
    assert reply.units == call.max_units == {"apollo.people_match": 1}
    assert call.decode(reply.body).email == "ada@trailretreats.example"


@pytest.mark.parametrize("email", ["email_not_unlocked@domain.com", "Email_Not_Unlocked@domain.com", "", None, 7])
async def test_the_placeholder_is_no_address(email):
    person = {"id": "1", "email": email, "phone_numbers": [{"raw_number": None}, {"raw_number": "+1 2"}]}
    found = await value_of(Apollo(answering(200, {"person": person})).people_match(QUERY))
    assert (found.email, found.phone) == (None, "+1 2")


async def test_the_facts_travel_in_the_query_and_personal_addresses_are_asked_for():
    sent = []

    def handler(request):
        sent.append((request.method, dict(request.url.params), request.content))
        return httpx.Response(200, json={})

    call = Apollo(connected(handler)).people_match(QUERY)
    await call.send()
    facts = {"name": "Ada Trail", "domain": "trailretreats.example"}
    assert sent == [("POST", {**facts, "reveal_personal_emails": "true"}, b"")]
    assert call.request == facts


def test_a_query_without_facts_is_never_described():
    with pytest.raises(ValueError, match="at least one fact"):
        Apollo(answering(200)).people_match(PersonQuery(name=" "))


@pytest.mark.parametrize(
    ("status", "body", "error_class"),
    [
        (401, "Invalid access credentials.", ErrorClass.PERMANENT_SERVICE),
        (403, {"error": "no", "error_code": "API_INACCESSIBLE"}, ErrorClass.PERMANENT_SERVICE),
        (400, {"error": "bad"}, ErrorClass.PERMANENT_ITEM),
        (422, {"error": "bad"}, ErrorClass.PERMANENT_ITEM),
        (429, {"message": "The maximum number of api calls allowed is 600 times per hour."}, ErrorClass.THROTTLED),
        (500, {}, ErrorClass.TRANSIENT),
        (503, "busy", ErrorClass.TRANSIENT),
        (200, {"error": "quota", "error_code": "API_INACCESSIBLE"}, ErrorClass.PERMANENT_SERVICE),
        (200, {"error": "?"}, ErrorClass.UNKNOWN),
        (200, "cut", ErrorClass.UNKNOWN),
    ],
)
async def test_the_error_table(status, body, error_class):
    with pytest.raises(VendorError) as caught:
        await Apollo(answering(status, body)).people_match(QUERY).send()
    assert caught.value.error_class is error_class


DATE = "Fri, 20 Nov 2026 12:59:30 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-minute-requests-left": "0", "x-hourly-requests-left": "5"}, 30),
        ({"x-minute-requests-left": "9", "x-hourly-requests-left": "0"}, 30),
        ({"x-rate-limit-24-hour": "600", "x-24-hour-usage": "600"}, 11 * 3600 + 30),
        ({"x-rate-limit-daily": "600", "x-daily-usage": "601"}, 11 * 3600 + 30),
        ({"x-minute-requests-left": "4"}, None),
        ({"retry-after": "5", "x-hourly-requests-left": "0"}, 5),
        ({}, None),
    ],
)
def test_a_429_waits_to_the_end_of_the_exhausted_window(headers, seconds):
    error = classify(429, {**headers, "date": DATE}, {})
    assert error.retry_after_seconds == seconds


@pytest.mark.parametrize("body", [None, [], {"person": "x"}])
def test_a_body_that_is_no_answer_is_refused(body):
    with pytest.raises(ValueError, match="not an object"):
        decode_person(body)
