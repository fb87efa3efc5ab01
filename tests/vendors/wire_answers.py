"""Transports that give bodies written down from the contract's tables, and what the gate does with a call."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from socialanalyzer_dagster.domain.calls import VendorCall, VendorJob
from socialanalyzer_dagster.vendors.http import Connection
from socialanalyzer_dagster.vendors.transport import new_client

BASE = "http://vendor.invalid/api"


def answering(status: int, body: Any = None, headers: dict[str, str] | None = None, base: str = BASE) -> Connection:
    """A connection to a vendor that gives one answer to everything; a body of bytes or text is sent as it is."""
    content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    if body is None:
        content = b""
    return connected(lambda _request: httpx.Response(status, content=content, headers=headers), base)


def connected(handler: Callable[[httpx.Request], httpx.Response], base: str = BASE) -> Connection:
    """A connection to a vendor written as a function of the request."""
    client = new_client(read_seconds=5, loopback_only=False, inner=httpx.MockTransport(handler))
    return Connection(base, client)


async def value_of(call: VendorCall[Any]) -> Any:
    """Send and decode, as the gate does."""
    return call.decode((await call.send()).body)


async def finished_job(job: VendorJob[Any], budget_micros: int = 5_000_000) -> tuple[Any, Any]:
    """Start a job, poll it to its end, read all pages; the last status and the decoded value."""
    status = await job.start(budget_micros)
    for _ in range(20):
        if status.state != "running":
            break
        status = await job.poll(status.job_id)
    items: list[Any] = []
    offset: int | None = 0
    while offset is not None:
        page = await job.page(status, offset)
        items += page.items
        offset = page.next_offset
    return status, job.decode(items)


@asynccontextmanager
async def server(serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """A TCP server that treats every connection as told; gives its base URL."""
    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        await listening.wait_closed()
