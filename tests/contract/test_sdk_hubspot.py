"""The official hubspot-api-client works against the sandbox."""

from typing import Any

import pytest
from hubspot import HubSpot
from hubspot.crm.contacts import (
    BatchInputSimplePublicObjectBatchInputForCreate,
    BatchInputSimplePublicObjectBatchInputUpsert,
    BatchReadInputSimplePublicObjectId,
    PublicObjectSearchRequest,
    SimplePublicObjectBatchInputForCreate,
    SimplePublicObjectBatchInputUpsert,
    SimplePublicObjectId,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.contacts.exceptions import ApiException
from hubspot.crm.properties import PropertyCreate

from socialanalyzer_dagster.sandbox.state import SandboxState


@pytest.fixture
def crm(base_url: str, state: SandboxState) -> Any:
    client = HubSpot(access_token="key")
    client.config["host"] = f"{base_url}/hubspot"
    uid = PropertyCreate(
        name="creator_uid",
        label="Creator UID",
        type="string",
        field_type="text",
        group_name="contactinformation",
        has_unique_value=True,
    )
    assert client.crm.properties.core_api.create(object_type="contacts", property_create=uid).has_unique_value
    return client.crm


def row(uid: str, **values: str) -> Any:
    return SimplePublicObjectBatchInputUpsert(
        id=uid, id_property="creator_uid", object_write_trace_id=f"row-{uid}", properties=values
    )


def upsert(crm: Any, *rows: Any) -> Any:
    batch = BatchInputSimplePublicObjectBatchInputUpsert(inputs=list(rows))
    return crm.contacts.batch_api.upsert(batch_input_simple_public_object_batch_input_upsert=batch)


def test_upserts_create_update_and_report_refused_records(crm: Any) -> None:
    first = upsert(crm, row("a", email="a@trail.example"))
    assert (first.status, first.results[0].new) == ("COMPLETE", True)
    again = upsert(crm, row("a", city="Taos"), row("b", email="nonsense"))
    assert [(one.id, one.new) for one in again.results] == [(first.results[0].id, False)]
    assert again.errors[0].category == "VALIDATION_ERROR"
    assert again.errors[0].context == {"objectWriteTraceId": ["row-b"]}


def test_batch_read_and_search_find_what_was_written(crm: Any) -> None:
    upsert(crm, row("a", email="a@trail.example"), row("b", email="b@trail.example"))
    wanted = BatchReadInputSimplePublicObjectId(
        id_property="email",
        properties=["creator_uid"],
        properties_with_history=[],
        inputs=[SimplePublicObjectId(id="a@trail.example"), SimplePublicObjectId(id="x@trail.example")],
    )
    read = crm.contacts.batch_api.read(batch_read_input_simple_public_object_id=wanted)
    assert [one.properties["creator_uid"] for one in read.results] == ["a"]
    assert read.errors[0].context == {"ids": ["x@trail.example"]}
    filters = [{"filters": [{"propertyName": "creator_uid", "operator": "IN", "values": ["a", "b"]}]}]
    asked = PublicObjectSearchRequest(filter_groups=filters, properties=["email"], limit=1, after="0", sorts=[])
    page = crm.contacts.search_api.do_search(public_object_search_request=asked)
    assert (page.total, len(page.results), page.paging.next.after) == (2, 1, "1")


def test_single_contacts_are_made_read_changed_and_archived(crm: Any) -> None:
    given = SimplePublicObjectInputForCreate(properties={"email": "a@trail.example"}, associations=[])
    made = crm.contacts.basic_api.create(simple_public_object_input_for_create=given)
    change = SimplePublicObjectInput(properties={"city": "Moab"})
    crm.contacts.basic_api.update(made.id, simple_public_object_input=change)
    assert crm.contacts.basic_api.get_by_id(made.id, properties=["city"]).properties["city"] == "Moab"
    crm.contacts.basic_api.archive(made.id)
    with pytest.raises(ApiException) as gone:
        crm.contacts.basic_api.get_by_id(made.id)
    assert gone.value.status == 404


def test_duplicates_refuse_a_whole_batch_create(crm: Any) -> None:
    rows = [SimplePublicObjectBatchInputForCreate(properties={"email": "a@trail.example"}, associations=[])]
    batch = BatchInputSimplePublicObjectBatchInputForCreate(inputs=rows)
    crm.contacts.batch_api.create(batch_input_simple_public_object_batch_input_for_create=batch)
    with pytest.raises(ApiException) as conflict:
        crm.contacts.batch_api.create(batch_input_simple_public_object_batch_input_for_create=batch)
    assert conflict.value.status == 409
    assert "Existing ID" in conflict.value.body


def test_owners_and_properties_are_listed(crm: Any) -> None:
    owners = crm.owners.owners_api.get_page(limit=3)
    assert len(owners.results) == 3
    assert owners.paging.next.after == "3"
    names = {one.name for one in crm.properties.core_api.get_all(object_type="contacts").results}
    assert {"creator_uid", "email", "lifecyclestage"} <= names
