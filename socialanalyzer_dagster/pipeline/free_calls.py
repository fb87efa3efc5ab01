"""Free calls outside any batch, for set-up and status: paced and repeated as the policy says, never paid (spec 3.3)."""

import asyncio
from typing import TypeVar

from socialanalyzer_dagster.domain.calls import VendorCall, VendorError
from socialanalyzer_dagster.domain.operations import OPERATIONS
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.pipeline.gate_calls import decoded
from socialanalyzer_dagster.pipeline.limits import Limits
from socialanalyzer_dagster.pipeline.retries import Tries

T = TypeVar("T")


class FreeCalls:
    """Sends free calls for one command; belongs to one event loop."""

    def __init__(self, policy: Policy) -> None:
        self._retries = policy.retries
        self._limits = Limits(policy.limits)

    async def send(self, call: VendorCall[T]) -> T:
        """The typed answer.

        Raises ValueError for an operation that can cost money: only the gate sends those. CallFailed when the vendor
        gave no usable answer, LimitTooFar when the next call is further away than the policy lets anybody wait.
        """
        operation = OPERATIONS[call.operation]
        if operation.spends:
            raise ValueError(f"{operation.key} can cost money and goes through the gate of a batch")
        tries = Tries(self._retries)
        longest = self._retries.longest_wait_seconds
        while True:
            async with await self._limits.acquire(operation.bucket, longest_wait_seconds=longest):
                try:
                    reply = await call.send()
                except VendorError as error:
                    wait = tries.wait_before_next(operation, error)
                    if wait is None:
                        raise CallFailed(error) from error
                else:
                    return decoded(call.decode, operation.vendor, reply.body)
            await asyncio.sleep(wait)
