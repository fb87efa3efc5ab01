"""Facts about the simulated HubSpot (contracts section 8)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from socialanalyzer_dagster.sandbox.config import PracticeSwitches, SandboxConfig
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.hubspot_earlier import earlier_contacts

CONTACTS = "/hubspot/crm/v3/objects/contacts"
PROPERTIES = "/hubspot/crm/v3/properties/contacts"
UID = {
    "name": "creator_uid",
    "label": "Creator UID",
    "type": "string",
    "fieldType": "text",
    "groupName": "contactinformation",
    "hasUniqueValue": True,
}
Row = dict[str, Any]


@pytest.fixture
async def crm(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A CRM that has the custom unique property and a score."""
    assert (await client.post(PROPERTIES, json=UID)).status_code == 201
    score = {**UID, "name": "lead_score", "type": "number", "fieldType": "number", "hasUniqueValue": False}
    assert (await client.post(PROPERTIES, json=score)).status_code == 201
    return client


def upsert(uid: str, **values: str) -> Row:
    return {"id": uid, "idProperty": "creator_uid", "objectWriteTraceId": f"row-{uid}", "properties": values}


async def post(client: httpx.AsyncClient, path: str, **body: object) -> httpx.Response:
    return await client.post(CONTACTS + path, json=body)


async def test_an_upsert_creates_once_and_then_updates(crm: httpx.AsyncClient) -> None:
    first = await post(crm, "/batch/upsert", inputs=[upsert("ld_1", email="Ada@trail.example", lead_score="0.72")])
    again = await post(crm, "/batch/upsert", inputs=[upsert("ld_1", lead_score="0.81")])
    [created], [updated] = first.json()["results"], again.json()["results"]
    assert (first.status_code, again.status_code) == (200, 200)
    assert (created["new"], updated["new"], created["id"]) == (True, False, updated["id"])
    assert created["objectWriteTraceId"] == "row-ld_1"
    read = await post(
        crm,
        "/batch/read",
        idProperty="email",
        inputs=[{"id": "ada@trail.example"}],
        properties=["lead_score", "creator_uid", "email"],
    )
    values = read.json()["results"][0]["properties"]
    assert (values["email"], values["lead_score"], values["creator_uid"]) == ("ada@trail.example", "0.81", "ld_1")
    assert values["hs_object_id"] == created["id"]


async def test_refused_records_stand_beside_the_written_ones(crm: httpx.AsyncClient) -> None:
    inputs = [
        upsert("a", email="a@trail.example"),
        upsert("b", email="not-an-email"),
        upsert("c", nosuch="1"),
        upsert("d", lead_score="high"),
        upsert("e", lifecyclestage="friend"),
    ]
    answer = await post(crm, "/batch/upsert", inputs=inputs)
    body = answer.json()
    assert answer.status_code == 207
    assert [row["objectWriteTraceId"] for row in body["results"]] == ["row-a"]
    assert body["numErrors"] == 4
    codes = {row["context"]["objectWriteTraceId"][0]: row["errors"][0]["code"] for row in body["errors"]}
    assert codes == {
        "row-b": "INVALID_EMAIL",
        "row-c": "PROPERTY_DOESNT_EXIST",
        "row-d": "INVALID_NUMBER",
        "row-e": "INVALID_OPTION",
    }
    assert {row["category"] for row in body["errors"]} == {"VALIDATION_ERROR"}


async def test_an_address_of_another_contact_is_a_conflict_that_names_it(crm: httpx.AsyncClient) -> None:
    first = await post(crm, "/batch/upsert", inputs=[upsert("a", email="a@trail.example")])
    other = await post(crm, "/batch/upsert", inputs=[upsert("b", email="a@trail.example")])
    [error] = other.json()["errors"]
    assert error["category"] == "CONFLICT"
    assert error["message"] == f"Contact already exists. Existing ID: {first.json()['results'][0]['id']}"


async def test_a_batch_create_without_trace_ids_is_refused_whole(crm: httpx.AsyncClient) -> None:
    rows = [{"properties": {"email": "a@trail.example"}}, {"properties": {"email": "b@trail.example"}}]
    assert (await post(crm, "/batch/create", inputs=rows)).status_code == 201
    more = [{"properties": {"email": "c@trail.example"}}, *rows]
    refused = await post(crm, "/batch/create", inputs=more)
    assert refused.status_code == 409
    assert "Existing ID" in refused.json()["message"]
    found = await post(crm, "/batch/read", idProperty="email", inputs=[{"id": "c@trail.example"}])
    assert found.status_code == 207
    assert found.json()["results"] == []
    traced = [{**row, "objectWriteTraceId": str(number)} for number, row in enumerate(more)]
    partial = await post(crm, "/batch/create", inputs=traced)
    assert partial.status_code == 207
    assert [len(partial.json()[part]) for part in ("results", "errors")] == [1, 2]


@pytest.mark.parametrize(
    ("path", "inputs"),
    [
        ("/batch/upsert", [upsert(str(number)) for number in range(101)]),
        ("/batch/upsert", [upsert("same"), upsert("same")]),
        ("/batch/upsert", [{"id": "1", "idProperty": "firstname", "properties": {}} for _ in range(101)]),
        ("/batch/read", [{"id": str(number)} for number in range(101)]),
    ],
)
async def test_too_many_or_repeated_records_are_refused(crm: httpx.AsyncClient, path: str, inputs: list[Row]) -> None:
    answer = await post(crm, path, inputs=inputs)
    assert answer.status_code == 400
    assert answer.json()["category"] == "VALIDATION_ERROR"


async def test_the_lifecycle_stage_moves_forward_only(crm: httpx.AsyncClient) -> None:
    await post(crm, "/batch/upsert", inputs=[upsert("a", lifecyclestage="opportunity")])
    await post(crm, "/batch/upsert", inputs=[upsert("a", lifecyclestage="lead")])
    read = await crm.get(f"{CONTACTS}/a?idProperty=creator_uid&properties=lifecyclestage")
    assert read.json()["properties"]["lifecyclestage"] == "opportunity"


async def test_empty_text_clears_a_value(crm: httpx.AsyncClient) -> None:
    await post(crm, "/batch/upsert", inputs=[upsert("a", city="Boulder")])
    await crm.patch(f"{CONTACTS}/a?idProperty=creator_uid", json={"properties": {"city": ""}})
    read = await crm.get(f"{CONTACTS}/a?idProperty=creator_uid&properties=city")
    assert "city" not in read.json()["properties"]


async def test_a_switch_makes_upserts_blank_what_they_omit(
    client_of: Callable[[SandboxState], httpx.AsyncClient],
) -> None:
    switches = PracticeSwitches(hubspot_upsert_blanks_omitted=True)
    state = SandboxState(SandboxConfig(switches=switches))
    async with client_of(state) as client:
        await client.post(PROPERTIES, json=UID)
        await post(client, "/batch/upsert", inputs=[upsert("a", city="Boulder", email="a@trail.example")])
        await post(client, "/batch/upsert", inputs=[upsert("a", state="Colorado")])
        read = await client.get(f"{CONTACTS}/a?idProperty=creator_uid&properties=city,state,email")
    assert read.json()["properties"].items() >= {"state": "Colorado", "email": "a@trail.example"}.items()
    assert "city" not in read.json()["properties"]
    state.store.close()


async def test_archived_contacts_free_their_keys_and_deleted_ones_are_gone(crm: httpx.AsyncClient) -> None:
    made = (await crm.post(CONTACTS, json={"properties": {"email": "a@trail.example"}})).json()
    assert (await crm.delete(f"{CONTACTS}/{made['id']}")).status_code == 204
    assert (await crm.get(f"{CONTACTS}/{made['id']}")).status_code == 404
    again = (await crm.post(CONTACTS, json={"properties": {"email": "a@trail.example"}})).json()
    assert again["id"] != made["id"]
    deleted = await post(crm, "/gdpr-delete", objectId="a@trail.example", idProperty="email")
    assert deleted.status_code == 204
    assert (await crm.get(f"{CONTACTS}/{again['id']}")).status_code == 404


async def test_search_finds_by_operators_and_pages_with_a_cursor(crm: httpx.AsyncClient) -> None:
    rows = [upsert(f"u{number}", lead_score=str(number / 10), firstname=f"Ada {number}") for number in range(8)]
    await post(crm, "/batch/upsert", inputs=rows)
    above = [{"propertyName": "lead_score", "operator": "GTE", "value": "0.3"}]
    page = await post(
        crm,
        "/search",
        filterGroups=[{"filters": above}],
        sorts=["-lead_score"],
        limit=3,
        properties=["lead_score"],
    )
    assert page.json()["total"] == 5
    assert [row["properties"]["lead_score"] for row in page.json()["results"]] == ["0.7", "0.6", "0.5"]
    rest = await post(
        crm,
        "/search",
        filterGroups=[{"filters": above}],
        sorts=["-lead_score"],
        limit=3,
        after=page.json()["paging"]["next"]["after"],
    )
    assert len(rest.json()["results"]) == 2
    assert "paging" not in rest.json()
    among = [{"propertyName": "creator_uid", "operator": "IN", "values": ["u1", "u2", "nobody"]}]
    assert (await post(crm, "/search", filterGroups=[{"filters": among}])).json()["total"] == 2
    token = [
        {"propertyName": "firstname", "operator": "CONTAINS_TOKEN", "value": "Ada"},
        {"propertyName": "lead_score", "operator": "BETWEEN", "value": "0.1", "highValue": "0.2"},
    ]
    assert (await post(crm, "/search", filterGroups=[{"filters": token}])).json()["total"] == 2


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 200, "after": "9900"},
        {"filterGroups": [{"filters": []}] * 6},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "HAS_PROPERTY"}] * 7}]},
        {"filterGroups": [{"filters": [{"propertyName": "nosuch", "operator": "HAS_PROPERTY"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "LIKE", "value": "a"}]}]},
        {"sorts": ["email", "city"]},
        {"query": "x" * 3001},
    ],
)
async def test_search_refuses_what_hubspot_refuses(crm: httpx.AsyncClient, body: Row) -> None:
    assert (await crm.post(f"{CONTACTS}/search", json=body)).status_code == 400


async def test_search_lags_behind_writes_by_the_delay(client_of: Callable[[SandboxState], httpx.AsyncClient]) -> None:
    state = SandboxState(SandboxConfig(switches=PracticeSwitches(hubspot_search_delay_seconds=5)))
    named = [{"propertyName": "firstname", "operator": "EQ", "value": "Lag"}]
    async with client_of(state) as client:
        await client.post(CONTACTS, json={"properties": {"firstname": "Lag"}})
        assert (await post(client, "/search", filterGroups=[{"filters": named}])).json()["total"] == 0
        state.clock.advance(5)
        assert (await post(client, "/search", filterGroups=[{"filters": named}])).json()["total"] == 1
    state.store.close()


async def test_answers_carry_the_rate_headers_and_searches_do_not(crm: httpx.AsyncClient) -> None:
    listed = await crm.get(CONTACTS)
    assert {name for name in listed.headers if name.startswith("x-hubspot-ratelimit")} == {
        f"x-hubspot-ratelimit-{name}"
        for name in ("max", "remaining", "interval-milliseconds", "daily", "daily-remaining")
    }
    assert not [name for name in (await post(crm, "/search")).headers if name.startswith("x-hubspot")]


async def test_dated_paths_share_the_store(crm: httpx.AsyncClient) -> None:
    await crm.post("/hubspot/crm/objects/2026-03/contacts/batch/upsert", json={"inputs": [upsert("a", city="Taos")]})
    read = await crm.get(f"{CONTACTS}/a?idProperty=creator_uid&properties=city")
    assert read.json()["properties"]["city"] == "Taos"
    assert (await crm.get("/hubspot/crm/owners/2026-09")).json()["results"]
    names = [row["name"] for row in (await crm.get("/hubspot/crm/properties/2026-03/contacts")).json()["results"]]
    assert {"email", "creator_uid", "hs_legal_basis"} <= set(names)


async def test_a_property_is_made_once_and_a_bad_one_never(client: httpx.AsyncClient) -> None:
    assert (await client.post(PROPERTIES, json=UID)).status_code == 201
    assert (await client.post(PROPERTIES, json=UID)).status_code == 409
    assert (await client.post(PROPERTIES, json={**UID, "name": "x", "type": "enumeration"})).status_code == 400
    assert (await client.get(f"{PROPERTIES}/nosuch")).status_code == 404
    made = await client.post(f"{PROPERTIES}/batch/create", json={"inputs": [{**UID, "name": "other_uid"}, UID]})
    assert made.status_code == 207
    assert [row["name"] for row in made.json()["results"]] == ["other_uid"]
    assert made.json()["errors"][0]["context"] == {"name": ["creator_uid"]}


async def test_no_more_than_ten_unique_properties(client: httpx.AsyncClient) -> None:
    statuses = [(await client.post(PROPERTIES, json={**UID, "name": f"uid_{n}"})).status_code for n in range(11)]
    assert statuses == [201] * 10 + [400]


async def test_about_one_creator_in_seventy_is_a_contact_already(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    earlier = earlier_contacts(7, state.world.epoch)
    assert 1_000 < len(earlier) < 2_500
    named = {"idProperty": "email", "inputs": [{"id": earlier[0].properties["email"]}]}
    read = await client.post(
        f"{CONTACTS}/batch/read", json={**named, "properties": ["hubspot_owner_id", "creator_uid"]}
    )
    [found] = read.json()["results"]
    assert found["id"] == earlier[0].id
    assert "creator_uid" not in found["properties"]
    conflict = await client.post(CONTACTS, json={"properties": {"email": earlier[0].properties["email"]}})
    assert conflict.status_code == 409


async def test_contacts_and_properties_survive_a_restart(
    tmp_path: Path, client_of: Callable[[SandboxState], httpx.AsyncClient]
) -> None:
    ids = []
    for _ in range(2):
        state = SandboxState(SandboxConfig(home=tmp_path))
        async with client_of(state) as client:
            await client.post(PROPERTIES, json=UID)
            answer = await post(client, "/batch/upsert", inputs=[upsert("a", email="a@trail.example")])
            ids.append((answer.json()["results"][0]["id"], answer.json()["results"][0]["new"]))
        state.store.close()
    assert ids[0] == (ids[1][0], True)
    assert ids[1][1] is False


async def test_ids_do_not_depend_on_the_order_of_requests(
    client_of: Callable[[SandboxState], httpx.AsyncClient],
) -> None:
    found = []
    for order in (("a", "b"), ("b", "a")):
        state = SandboxState(SandboxConfig())
        async with client_of(state) as client:
            await client.post(PROPERTIES, json=UID)
            answers = {uid: await post(client, "/batch/upsert", inputs=[upsert(uid)]) for uid in order}
        found.append({uid: answer.json()["results"][0]["id"] for uid, answer in answers.items()})
        state.store.close()
    assert found[0] == found[1]


async def test_a_missing_token_is_refused_in_hubspots_shape(client: httpx.AsyncClient) -> None:
    answer = await client.get(CONTACTS, headers={"Authorization": ""})
    assert answer.status_code == 401
    assert answer.json()["category"] == "INVALID_AUTHENTICATION"
    assert answer.json()["status"] == "error"


@pytest.mark.parametrize(
    ("kind", "status", "category"),
    [("locked", 423, "LOCKED"), ("migrating", 477, "MIGRATION_IN_PROGRESS"), ("conflict", 409, "CONFLICT")],
)
async def test_hubspots_own_faults_write_nothing(
    crm: httpx.AsyncClient, state: SandboxState, kind: str, status: int, category: str
) -> None:
    state.faults.add(Fault("hubspot", "batch_upsert", kind))
    answer = await post(crm, "/batch/upsert", inputs=[upsert("a")])
    assert (answer.status_code, answer.json()["category"]) == (status, category)
    assert ("retry-after" in answer.headers) == (kind == "migrating")
    assert (await crm.get(f"{CONTACTS}/a?idProperty=creator_uid")).status_code == 404


@pytest.mark.parametrize(
    ("kind", "policy"),
    [("ten_secondly_limit", "TEN_SECONDLY_ROLLING"), ("secondly_limit", "SECONDLY"), ("daily_limit", "DAILY")],
)
async def test_the_three_throttlings_name_their_policy_and_no_category(
    crm: httpx.AsyncClient, state: SandboxState, kind: str, policy: str
) -> None:
    state.faults.add(Fault("hubspot", "*", kind))
    answer = await crm.get(CONTACTS)
    assert (answer.status_code, answer.json()["policyName"]) == (429, policy)
    assert "category" not in answer.json()
    assert "retry-after" not in answer.headers


async def test_a_missing_record_was_written_and_a_put_off_one_was_not(
    crm: httpx.AsyncClient, state: SandboxState
) -> None:
    state.faults.add(Fault("hubspot", "batch_upsert", "missing_record", "nth", 1))
    lost = await post(crm, "/batch/upsert", inputs=[upsert("a"), upsert("b")])
    assert [row["objectWriteTraceId"] for row in lost.json()["results"]] == ["row-a"]
    assert "errors" not in lost.json()
    assert (await crm.get(f"{CONTACTS}/b?idProperty=creator_uid")).status_code == 200
    state.faults.set([Fault("hubspot", "batch_upsert", "partial", "nth", 1)])
    partial = await post(crm, "/batch/upsert", inputs=[upsert("c"), upsert("d")])
    assert partial.status_code == 207
    assert partial.json()["errors"][0]["category"] == "RATE_LIMITS"
    assert (await crm.get(f"{CONTACTS}/c?idProperty=creator_uid")).status_code == 404


async def test_merged_contacts_are_one_that_answers_for_both_ids(crm: httpx.AsyncClient) -> None:
    made = await post(
        crm, "/batch/upsert",
        inputs=[upsert("ld_1", email="a@trail.example", lead_score="0.5"), upsert("ld_2", email="b@trail.example")],
    )  # fmt: skip
    other, primary = (each["id"] for each in made.json()["results"])
    merged = await post(crm, "/merge", primaryObjectId=primary, objectIdToMerge=other)
    assert (merged.status_code, merged.json()["id"]) == (200, primary)
    wanted = {"properties": ["creator_uid", "email", "lead_score", "hs_merged_object_ids"]}
    read = (await post(crm, "/batch/read", inputs=[{"id": other}], **wanted)).json()["results"][0]
    assert read["id"] == primary
    values = read["properties"]
    assert (values["creator_uid"], values["email"], values["lead_score"]) == ("ld_2", "b@trail.example", "0.5")
    assert values["hs_merged_object_ids"] == other
    gone = await post(crm, "/batch/read", idProperty="creator_uid", inputs=[{"id": "ld_1"}], properties=[])
    assert gone.status_code == 207
    assert (await post(crm, "/merge", primaryObjectId=primary, objectIdToMerge=primary)).status_code == 400
    assert (await post(crm, "/merge", primaryObjectId=primary, objectIdToMerge="1")).status_code == 404


async def test_a_batch_refused_as_a_whole_does_nothing(crm: httpx.AsyncClient, state: SandboxState) -> None:
    state.faults.set([Fault("hubspot", "batch_upsert", "whole_refusal")])
    inputs = [upsert("ld_1", email="a@trail.example"), upsert("ld_2", email="no address")]
    answer = await post(crm, "/batch/upsert", inputs=inputs)
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")
    assert [each["in"] for each in answer.json()["errors"]] == ["email"]
    found = await post(crm, "/batch/read", idProperty="creator_uid", inputs=[{"id": "ld_1"}], properties=[])
    assert found.json()["results"] == []
    assert (await post(crm, "/batch/upsert", inputs=inputs[:1])).status_code == 200
