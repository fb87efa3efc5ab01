"""Letting a client's request hang, and closing its connection without an answer: over a socket and in process alike."""

import asyncio
from contextlib import suppress

import httpx
from starlette.types import Receive, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TRANSPORT_KEY = "sandbox.transport"


class ClosableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol that lets an application reach the connection's transport through the scope."""

    def on_message_begin(self) -> None:
        """Start a request and note its transport."""
        super().on_message_begin()
        self.scope[_TRANSPORT_KEY] = self.transport  # type: ignore[literal-required]


async def close_connection(scope: Scope, receive: Receive) -> None:
    """Drop the connection of this request; in process raise what an HTTP client would see instead."""
    transport = scope.get(_TRANSPORT_KEY)
    if transport is None:
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
    transport.abort()
    await _client_leaves(receive)


async def hold_connection(scope: Scope, receive: Receive, seconds: float) -> None:
    """Answer nothing until the client gives up; whoever is still there after `seconds` is disconnected.

    In process, where no client watches the time, raise after `seconds` what it would see instead.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await _client_leaves(receive)
            return
    if scope.get(_TRANSPORT_KEY) is None:
        raise httpx.ReadTimeout("The server did not answer in time.")
    await close_connection(scope, receive)


async def _client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
