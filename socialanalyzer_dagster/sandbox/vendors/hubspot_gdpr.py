"""The simulated erase call: the contact is gone for good, and an address named to it is never taken again."""

from starlette.responses import Response

from socialanalyzer_dagster.sandbox.vendors.hubspot_contacts import ContactBook
from socialanalyzer_dagster.sandbox.vendors.hubspot_properties import invalid
from socialanalyzer_dagster.sandbox.vendors.hubspot_wire import body_object
from socialanalyzer_dagster.sandbox.wire import Call


def gdpr_delete(call: Call, contacts: ContactBook) -> Response:
    """Answer the call: 204 whether there was such a contact or not."""
    body = body_object(call)
    wanted, by = body.get("objectId"), body.get("idProperty")
    if not isinstance(wanted, str):
        raise invalid("objectId is required", about="objectId")
    found = contacts.find(wanted, by) or contacts.find_archived(wanted)
    if by == "email":
        contacts.block(wanted)
    if found is not None:
        contacts.forget(found)
    return Response(status_code=204)
