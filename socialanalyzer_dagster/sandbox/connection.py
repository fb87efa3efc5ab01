"""Closing a client's connection without an answer, over a real socket and in process alike."""

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
    while (await receive())["type"] != "http.disconnect":
        continue
