"""A write that the CRM refuses as a whole is halved until the bad record stands alone (spec 11.6)."""

from collections.abc import Awaitable, Callable, Sequence

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.vendors.hubspot_batches import WriteInput, WriteResult, WriteState

_NOT_FOUND, _NO_RECORD = 404, "object_not_found"
_REFUSALS = range(400, 500)


def is_refusal(error: VendorError) -> bool:
    """True when the CRM refused what was written, and did nothing; a 404 is about a record only where it says so."""
    is_elsewhere = error.status == _NOT_FOUND and error.code != _NO_RECORD
    return error.error_class is ErrorClass.PERMANENT_ITEM and error.status in _REFUSALS and not is_elsewhere


async def written_in_halves(
    send: Callable[[Sequence[WriteInput]], Awaitable[Sequence[WriteResult]]], inputs: Sequence[WriteInput]
) -> list[WriteResult]:
    """The result of every input: one that the CRM refuses never stops the others.

    Raises what `send` raises for any other cause, with the halves before it written.
    """
    try:
        return list(await send(inputs))
    except CallFailed as failure:
        if not is_refusal(failure.error):
            raise
        if len(inputs) == 1:
            state = WriteState.ABSENT if failure.error.status == _NOT_FOUND else WriteState.REFUSED
            return [WriteResult(trace_id=inputs[0].trace_id, state=state, message=failure.error.code)]
    middle = len(inputs) // 2
    return [*await written_in_halves(send, inputs[:middle]), *await written_in_halves(send, inputs[middle:])]
