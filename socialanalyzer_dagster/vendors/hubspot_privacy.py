"""HubSpot's erase call: a contact and everything attached to it is gone for good (vendor-contracts 8.1, spec 19.4)."""

from socialanalyzer_dagster.domain.calls import Reply, VendorCall, VendorError
from socialanalyzer_dagster.domain.types import JsonValue
from socialanalyzer_dagster.vendors.http import Ask
from socialanalyzer_dagster.vendors.hubspot import HubSpot

_OPERATION = "hubspot.gdpr_delete"
_DONE = 204


class PrivacyHubSpot(HubSpot):
    """The client of privacy requests: all reads of the CRM, and the erase call that nothing else may make."""

    def gdpr_delete(self, object_id: str, *, id_property: str | None = None) -> VendorCall[None]:
        """Erase a contact by its id, or by address with `id_property="email"`; safe to repeat, also when it is gone.

        By address HubSpot also refuses to take the address again, whether a contact had it or not.
        """
        body: dict[str, JsonValue] = {"objectId": object_id, **({"idProperty": id_property} if id_property else {})}
        ask = Ask(operation=_OPERATION, method="POST", path=f"{self._paths.contacts}/gdpr-delete", body=body)

        async def send() -> Reply:
            try:
                await self._http.ask(ask)
            except VendorError as error:
                if error.status != _DONE:  # its success has no body, which any other call must have
                    raise
            return Reply(body=None)

        return VendorCall(operation=_OPERATION, request=body, max_units={}, send=send, decode=_nothing)


def _nothing(_body: JsonValue) -> None:
    """The call answers by its status alone."""
