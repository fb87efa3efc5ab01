"""Cancelling a call in flight: it may settle for a while, because money that is out must be accounted for."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Flight:
    """Shared by a call and the one who waits for it: an abandoned call is not sent any more."""

    abandoned: bool = False

    def raise_if_abandoned(self) -> None:
        """Raises CancelledError when nobody wants the answer."""
        if self.abandoned:
            raise asyncio.CancelledError


async def let_settle(work: Callable[[Flight], Coroutine[Any, Any, T]], settle_seconds: float) -> T:
    """The result of `work`; when the caller is cancelled, work gets this long to end by itself, then is cancelled too.

    The cancellation is always raised again.
    """
    flight = Flight()
    task = asyncio.create_task(work(flight))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        flight.abandoned = True
        if not task.done():
            await asyncio.wait({task}, timeout=settle_seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen, so that it is not reported as forgotten
        raise
