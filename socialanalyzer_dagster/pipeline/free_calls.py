"""Free calls outside any batch, for commands and nightly work: as every call, but for nobody's money (spec 3.3)."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorCall, VendorError
from socialanalyzer_dagster.domain.operations import OPERATIONS, Operation
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_money import RetriesPolicy
from socialanalyzer_dagster.domain.ports import CallFailed, Clock
from socialanalyzer_dagster.pipeline.gate_calls import free_answer, unwell
from socialanalyzer_dagster.pipeline.gate_doors import DoorParts, Doors, PermitLapsed, doors_of
from socialanalyzer_dagster.pipeline.limits import Limits
from socialanalyzer_dagster.pipeline.retries import Tries
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.database import Database

T = TypeVar("T")


class _Sender(ABC):
    def __init__(self, retries: RetriesPolicy) -> None:
        self._retries = retries

    async def send(self, call: VendorCall[T]) -> T:
        """The typed answer.

        Raises ValueError for an operation that can cost money: only the gate sends those. CallFailed when the vendor
        gave no usable answer, and what keeps the call from going out.
        """
        operation = OPERATIONS[call.operation]
        if operation.spends:
            raise ValueError(f"{operation.key} can cost money and goes through the gate of a batch")
        tries = Tries(self._retries)
        while True:
            try:
                return await self._sent(operation, call)
            except VendorError as error:
                wait = tries.wait_before_next(operation, error)
                if wait is None:
                    raise CallFailed(error) from error
                await asyncio.sleep(wait)

    @abstractmethod
    async def _sent(self, operation: Operation, call: VendorCall[T]) -> T:
        """One sending; raises VendorError, and CallFailed for an answer that nobody can read."""


class FreeCalls(_Sender):
    """Sends past the limits and breakers of all processes; made by `free_calls`.

    `send` raises ProviderUnavailable when the vendor is away, or the next call further off than anybody may wait.
    """

    def __init__(self, doors: Doors, retries: RetriesPolicy) -> None:
        super().__init__(retries)
        self._doors = doors

    async def _sent(self, operation: Operation, call: VendorCall[T]) -> T:
        while True:
            async with await self._doors.passage(operation, None, _nobody_stops) as passage:
                try:
                    passage.sent()
                except PermitLapsed:
                    passage.not_made()
                    continue
                try:
                    answer = await free_answer(call)
                except CallFailed as unreadable:
                    passage.failed(unwell(unreadable))
                    raise
                except VendorError as error:
                    passage.failed(error)
                    if error.error_class is ErrorClass.THROTTLED and error.retry_after_seconds:
                        self._doors.limits.pause(operation.bucket, error.retry_after_seconds)
                    raise
                passage.answered(answer.quotas)
                return answer.value


class Knocks(_Sender):
    """Looks whether vendors answer, for whoever sets things up: also without a database, and whatever breakers say.

    A breaker that waits for a person would hide from that person that the vendor is well again. `send` raises
    LimitTooFar when the next call is further off than anybody may wait.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy.retries)
        self._limits = Limits(policy.limits)

    async def _sent(self, operation: Operation, call: VendorCall[T]) -> T:
        longest = self._retries.longest_wait_seconds
        async with await self._limits.acquire(operation.bucket, longest_wait_seconds=longest):
            return (await free_answer(call)).value


@asynccontextmanager
async def free_calls(database: Database, policy: Policy, clock: Clock) -> AsyncIterator[FreeCalls]:
    """Free calls under a policy, for one event loop."""
    async with GroupWriter(database) as writer:
        doors = doors_of(DoorParts(database=database, writer=writer, policy=policy, clock=clock))
        try:
            yield FreeCalls(doors, policy.retries)
        finally:
            await doors.close()


async def _nobody_stops() -> None:
    """A call of no batch is wanted as long as somebody waits for it."""
