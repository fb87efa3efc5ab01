"""The socket level of every vendor client: no proxies from outside, no wire logs, loopback only in the sandbox."""

import ipaddress
import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpx

CONNECT_SECONDS = 5.0
_OPEN_CONNECTIONS = 200
_WIRE_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "openai",
    "openai._base_client",
)


_NETWORK: ContextVar[httpx.AsyncBaseTransport | None] = ContextVar("network", default=None)


class HostRefused(httpx.TransportError):
    """The host is outside of what this client may reach; nothing was sent (I-70)."""


class _Progress:
    """Notes how much of a request left the machine."""

    def __init__(self) -> None:
        self.began = False
        self.complete = False

    async def __call__(self, event: str, _info: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.began = True
        elif event.endswith("send_request_body.complete"):
            self.complete = True


class WatchedTransport(httpx.AsyncBaseTransport):
    """Passes requests on, refuses hosts that are not allowed and notes on failure whether the whole request left."""

    def __init__(self, inner: httpx.AsyncBaseTransport, *, loopback_only: bool) -> None:
        self._inner = inner
        self._loopback_only = loopback_only

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send; a failed request carries `was_sent` in its extensions."""
        if self._loopback_only and not is_loopback(request.url.host):
            raise HostRefused("a sandbox client reaches loopback addresses only", request=request)
        progress = _Progress()
        request.extensions = {**request.extensions, "trace": progress}
        try:
            return await self._inner.handle_async_request(request)
        except httpx.RequestError as error:
            never_left = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
            cut_off = progress.began and not progress.complete
            request.extensions = {**request.extensions, "was_sent": not (never_left or cut_off)}
            raise

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def is_loopback(host: str) -> bool:
    """True for `localhost` and loopback addresses; names are not resolved."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def was_sent(error: httpx.RequestError) -> bool:
    """False when the vendor certainly did not get the whole request."""
    if isinstance(error, HostRefused | httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return False
    try:
        return bool(error.request.extensions.get("was_sent", True))
    except RuntimeError:
        return True


@contextmanager
def answered_by(network: httpx.AsyncBaseTransport) -> Iterator[None]:
    """Clients that are made while the block runs reach this instead of the network: a simulation's vendors."""
    token = _NETWORK.set(network)
    try:
        yield
    finally:
        _NETWORK.reset(token)


def silence_wire_logs() -> None:
    """Switch off the library loggers that would write URLs, headers or bodies (I-61)."""
    for name in _WIRE_LOGGERS:
        logging.getLogger(name).disabled = True


@cache
def _trust() -> ssl.SSLContext:
    """The certificates this process trusts: reading them takes longer than a call, so all clients share one reading."""
    return httpx.create_ssl_context(trust_env=False)


def new_transport(
    *, loopback_only: bool, inner: httpx.AsyncBaseTransport | None = None, keep_alive: bool = True
) -> WatchedTransport:
    """The network, which reads nothing from the environment and writes no log.

    `inner` replaces it, e.g. by an ASGI app, and so does `answered_by`; without `keep_alive` every request gets its own
    connection.
    """
    silence_wire_logs()
    kept = _OPEN_CONNECTIONS if keep_alive else 0
    limits = httpx.Limits(max_connections=_OPEN_CONNECTIONS, max_keepalive_connections=kept)
    network = inner or _NETWORK.get() or httpx.AsyncHTTPTransport(verify=_trust(), limits=limits, trust_env=False)
    return WatchedTransport(network, loopback_only=loopback_only)


def new_client(
    *,
    read_seconds: float,
    loopback_only: bool,
    headers: Mapping[str, str] | None = None,
    inner: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """A client that follows no redirect, keeps no cookies and reads nothing from the environment."""
    client = httpx.AsyncClient(
        transport=new_transport(loopback_only=loopback_only, inner=inner),
        timeout=httpx.Timeout(read_seconds, connect=CONNECT_SECONDS),
        headers=dict(headers or {}),
        follow_redirects=False,
        trust_env=False,
    )
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client
