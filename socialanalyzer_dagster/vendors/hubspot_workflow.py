"""The trigger of a HubSpot workflow: flat JSON to a secret address, which only says whether it took it (8.4)."""

from collections.abc import Mapping

import httpx

from socialanalyzer_dagster.domain.calls import ErrorClass, Reply, VendorCall, VendorError
from socialanalyzer_dagster.vendors.http import Connection, fault_error
from socialanalyzer_dagster.vendors.hubspot_errors import VENDOR

_OPERATION = "hubspot.webhook"


class Workflow:
    """Describes calls of one trigger. There is no idempotency: what may have arrived is never sent again."""

    def __init__(self, connection: Connection) -> None:
        self._url = connection.base_url
        self._client = connection.client

    def tell(self, facts: Mapping[str, str]) -> VendorCall[int]:
        """Tell the workflow; the answer is the HTTP status, always a 2xx. Anything else is a failure."""

        async def send() -> Reply:
            try:
                response = await self._client.post(self._url, json=dict(facts))
            except httpx.RequestError as error:
                fault = fault_error(VENDOR, _OPERATION, error)
                raise VendorError(
                    VENDOR, ErrorClass.UNKNOWN if fault.sent else fault.error_class, fault.code, sent=fault.sent
                ) from None
            status = response.status_code
            if not response.is_success:
                raise VendorError(VENDOR, _class_of(status), f"http_{status}", status=status)
            return Reply(body=status)

        return VendorCall(
            operation=_OPERATION, request={"webhook": dict(facts)}, max_units={}, send=send, decode=_status
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _class_of(status: int) -> ErrorClass:
    """Throttling was surely not accepted; a server error may have come after the work (8.4)."""
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return ErrorClass.THROTTLED
    return ErrorClass.UNKNOWN if status >= httpx.codes.INTERNAL_SERVER_ERROR else ErrorClass.PERMANENT_ITEM


def _status(body: object) -> int:
    if not isinstance(body, int):
        raise ValueError("the trigger's answer is a status")  # noqa: TRY004 - what decode raises by contract
    return body
