"""Facts about the HubSpot client (vendor-contracts section 8)."""

import json

import httpx
import pytest
from wire_answers import answering, connected, value_of

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.vendors.hubspot import HubSpot, PropertyDefinition
from socialanalyzer_dagster.vendors.hubspot_batches import WriteInput, WriteState, read_result, write_results
from socialanalyzer_dagster.vendors.hubspot_errors import classify
from socialanalyzer_dagster.vendors.hubspot_paths import Paths

INPUTS = tuple(
    WriteInput(trace_id=f"row-{n}", id=f"uid-{n}", properties={"creator_uid": f"uid-{n}", "email": f"{n}@x.example"})
    for n in range(3)
)


def result(n: int, **change):
    facts = {"id": f"10{n}", "new": True, "properties": {"creator_uid": f"uid-{n}"}, "objectWriteTraceId": f"row-{n}"}
    return {**facts, **change}


def states(body, inputs=INPUTS):
    return [one.state for one in write_results(body, inputs)]


@pytest.mark.parametrize(
    ("status", "body", "headers", "error_class", "wait"),
    [
        (400, {"category": "VALIDATION_ERROR"}, {}, ErrorClass.PERMANENT_ITEM, None),
        (401, {"category": "INVALID_AUTHENTICATION"}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (401, {"category": "EXPIRED_AUTHENTICATION"}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (403, {"category": "MISSING_SCOPES"}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (404, {}, {}, ErrorClass.PERMANENT_ITEM, None),
        (409, {"category": "CONFLICT"}, {}, ErrorClass.PERMANENT_ITEM, None),
        (414, {}, {}, ErrorClass.PERMANENT_ITEM, None),
        (423, {}, {}, ErrorClass.THROTTLED, 2),
        (423, {}, {"retry-after": "1"}, ErrorClass.THROTTLED, 2),
        (423, {}, {"retry-after": "9"}, ErrorClass.THROTTLED, 9),
        (429, {"policyName": "TEN_SECONDLY_ROLLING"}, {}, ErrorClass.THROTTLED, 10),
        (429, {"policyName": "SECONDLY"}, {}, ErrorClass.THROTTLED, 1),
        (429, {"policyName": "DAILY"}, {}, ErrorClass.THROTTLED, 3600),
        (429, {"errorType": "RATE_LIMIT"}, {}, ErrorClass.THROTTLED, 10),
        (477, {}, {"retry-after": "3600"}, ErrorClass.THROTTLED, 3600),
        (500, {}, {}, ErrorClass.TRANSIENT, None),
        (502, {}, {}, ErrorClass.TRANSIENT, None),
        (503, {}, {}, ErrorClass.TRANSIENT, None),
        (504, {}, {}, ErrorClass.TRANSIENT, None),
        (521, {}, {}, ErrorClass.TRANSIENT, None),
        (523, {}, {}, ErrorClass.TRANSIENT, None),
        (524, {}, {}, ErrorClass.TRANSIENT, None),
        (522, {}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (525, {}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (526, {}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (200, {"status": "error", "category": "VALIDATION_ERROR"}, {}, ErrorClass.PERMANENT_ITEM, None),
        (200, {"status": "error", "category": "RATE_LIMITS"}, {}, ErrorClass.THROTTLED, None),
        (200, {"status": "error", "category": "EXPIRED_AUTHENTICATION"}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (200, {"status": "error", "message": "internal"}, {}, ErrorClass.TRANSIENT, None),
    ],
)
async def test_the_error_table(status, body, headers, error_class, wait):
    with pytest.raises(VendorError) as caught:
        await HubSpot(answering(status, body, headers)).batch_upsert(id_property="creator_uid", inputs=INPUTS).send()
    assert (caught.value.error_class, caught.value.retry_after_seconds) == (error_class, wait)


def test_a_partial_success_is_no_error():
    assert classify(207, {}, {"status": "COMPLETE", "numErrors": 1, "errors": [{}]}) is None


def test_every_record_of_a_full_success_has_its_result():
    body = {"status": "COMPLETE", "results": [result(1, new=False), result(0), result(2)]}
    assert states(body) == [WriteState.CREATED, WriteState.UPDATED, WriteState.CREATED]


def test_results_without_trace_ids_are_matched_by_their_own_id():
    rows = [{key: value for key, value in result(n).items() if key != "objectWriteTraceId"} for n in (2, 0, 1)]
    found = write_results({"status": "COMPLETE", "results": rows}, INPUTS)
    assert [one.contact_id for one in found] == ["100", "101", "102"]


def test_a_refused_record_names_its_properties_and_the_others_stand():
    error = {
        "status": "error",
        "category": "VALIDATION_ERROR",
        "message": "Property values were not valid",
        "context": {"objectWriteTraceId": ["row-1"]},
        "errors": [{"message": "Email address is invalid", "code": "INVALID_EMAIL", "in": "email"}],
    }
    body = {"status": "COMPLETE", "results": [result(0), result(2)], "errors": [error], "numErrors": 1}
    found = write_results(body, INPUTS)
    assert [one.state for one in found] == [WriteState.CREATED, WriteState.REFUSED, WriteState.CREATED]
    assert found[1].property_names == ("email",)
    assert found[1].message == "Property values were not valid"


def test_a_conflict_gives_the_existing_contact():
    error = {
        "category": "CONFLICT",
        "message": "Contact already exists. Existing ID: 4711",
        "context": {"ids": ["uid-1"]},
    }
    found = write_results({"status": "COMPLETE", "results": [result(0), result(2)], "errors": [error]}, INPUTS)
    assert (found[1].state, found[1].contact_id) == (WriteState.CONFLICT, "4711")


@pytest.mark.parametrize(
    ("category", "state"),
    [
        ("OBJECT_NOT_FOUND", WriteState.ABSENT),
        ("RATE_LIMITS", WriteState.RETRY),
        ("CONFLICT", WriteState.CONFLICT),
        ("VALIDATION_ERROR", WriteState.REFUSED),
        ("SOMETHING", WriteState.RETRY),
        (None, WriteState.RETRY),
    ],
)
def test_one_nameless_error_belongs_to_the_one_record_left(category, state):
    body = {"status": "COMPLETE", "results": [result(0), result(2)], "errors": [{"category": category}]}
    assert states(body) == [WriteState.CREATED, state, WriteState.CREATED]


def test_a_record_whose_property_is_named_is_refused_whatever_the_category():
    error = {"context": {"ids": ["uid-1"]}, "errors": [{"in": "email"}]}
    body = {"status": "COMPLETE", "results": [result(0), result(2)], "errors": [error]}
    assert states(body) == [WriteState.CREATED, WriteState.REFUSED, WriteState.CREATED]


def test_a_record_in_neither_list_is_unknown():
    assert states({"status": "COMPLETE", "results": [result(0)]}) == [
        WriteState.CREATED,
        WriteState.UNKNOWN,
        WriteState.UNKNOWN,
    ]


@pytest.mark.parametrize("word", ["PENDING", "PROCESSING"])
def test_an_unfinished_batch_leaves_what_it_does_not_name_unknown(word):
    body = {"status": word, "results": [result(0), result(2)], "errors": [{"category": "X"}]}
    assert states(body) == [WriteState.CREATED, WriteState.UNKNOWN, WriteState.CREATED]


def test_a_batch_answer_without_results_does_not_fit():
    with pytest.raises(ValueError, match="no list of results"):
        write_results({"status": "COMPLETE"}, INPUTS)


async def test_an_upsert_sends_trace_ids_and_the_unique_property():
    sent = []

    def handler(request):
        sent.append((request.method, request.url.path, json.loads(request.content)))
        return httpx.Response(200, json={"status": "COMPLETE", "results": [result(0)]})

    await HubSpot(connected(handler)).batch_upsert(id_property="creator_uid", inputs=INPUTS[:1]).send()
    assert sent == [
        (
            "POST",
            "/api/crm/v3/objects/contacts/batch/upsert",
            {"inputs": [{"id": "uid-0", "idProperty": "creator_uid", "objectWriteTraceId": "row-0",
                         "properties": {"creator_uid": "uid-0", "email": "0@x.example"}}]},
        )
    ]  # fmt: skip


def test_batches_hubspot_would_refuse_are_never_described():
    client = HubSpot(answering(200))
    many = [WriteInput(trace_id=str(n), id=str(n), properties={}) for n in range(101)]
    with pytest.raises(ValueError, match="1 to 100"):
        client.batch_update(many)
    with pytest.raises(ValueError, match="1 to 100"):
        client.batch_read(id_property=None, ids=[], properties=[])
    with pytest.raises(ValueError, match="never the upsert key"):
        client.batch_upsert(id_property="email", inputs=INPUTS)
    with pytest.raises(ValueError, match="unique"):
        client.batch_update([INPUTS[0], INPUTS[0]])


def contact(number: str, email: str):
    return {"id": number, "properties": {"email": email}}


def absent(*ids: str):
    return {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "x", "context": {"ids": list(ids)}}


def test_found_missing_and_unknown_are_three_lists():
    body = {
        "status": "COMPLETE",
        "results": [contact("1", "A@x.example")],
        "numErrors": 1,
        "errors": [absent("b@x.example")],
    }
    found = read_result(body, id_property="email", ids=("a@X.example", "B@x.example", "c@x.example"))
    assert list(found.found) == ["a@X.example"]
    assert found.missing == ("B@x.example",)
    assert found.unknown == ("c@x.example",)


def test_a_contact_found_by_its_second_address_is_matched_by_elimination():
    body = {"status": "COMPLETE", "results": [contact("1", "a@x.example"), contact("2", "main@x.example")]}
    found = read_result(body, id_property="email", ids=("a@x.example", "second@x.example"))
    assert found.found["second@x.example"].id == "2"
    assert (found.missing, found.unknown) == ((), ())


def test_errors_that_only_count_the_absent_ones_are_enough_when_the_numbers_agree():
    nameless = {"category": "OBJECT_NOT_FOUND", "message": "Could not get some CONTACT objects"}
    body = {"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [nameless]}
    assert read_result(body, id_property="email", ids=("a@x.example",)).missing == ("a@x.example",)
    two = read_result(body, id_property="email", ids=("a@x.example", "b@x.example"))
    assert two.unknown == ("a@x.example", "b@x.example")


def test_contacts_are_read_by_their_own_id_too():
    body = {"status": "COMPLETE", "results": [{"id": "7", "properties": {"firstname": None}}]}
    found = read_result(body, id_property=None, ids=("7",))
    assert found.found["7"].properties == {"firstname": None}


async def test_cursors_are_handed_on_as_they_came():
    page = {"total": 3, "results": [contact("1", "a@x.example")], "paging": {"next": {"after": "abc"}}}
    found = await value_of(HubSpot(answering(200, page)).search(filters=[], properties=["email"]))
    assert (found.total, found.after, [one.id for one in found.contacts]) == (3, "abc", ["1"])
    last = await value_of(HubSpot(answering(200, {"results": []})).owners(after="abc"))
    assert (last.owners, last.after) == ((), None)


async def test_existing_properties_are_not_among_the_created():
    body = {
        "status": "COMPLETE",
        "results": [{"name": "creator_uid"}],
        "errors": [{"category": "OBJECT_ALREADY_EXISTS"}],
    }
    definition = PropertyDefinition(name="creator_uid", label="Creator", type="string", field_type="text")
    assert await value_of(HubSpot(answering(207, body)).create_properties([definition])) == ("creator_uid",)


def test_both_versions_have_their_paths():
    assert Paths.of("v3") == Paths("/crm/v3/objects/contacts", "/crm/v3/owners", "/crm/v3/properties/contacts")
    assert Paths.of("2026-03") == Paths(
        "/crm/objects/2026-03/contacts", "/crm/owners/2026-03", "/crm/properties/2026-03/contacts"
    )
    for wrong in ("v4", "2026-13", "", "2026-03/../x"):
        with pytest.raises(ValueError, match="API version"):
            Paths.of(wrong)
