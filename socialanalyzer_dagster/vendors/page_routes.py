"""How an outside URL may be reached: at a checked public address, or through the sandbox's web route (I-63, I-70)."""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from socialanalyzer_dagster.vendors.transport import is_loopback

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_PORTS = {"http": 80, "https": 443}


class PageRefusedError(Exception):
    """We do not read this URL; `code` says why and holds nothing of the URL."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NameNotFoundError(Exception):
    """The host has no address now."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is really connected to for a URL."""

    url: httpx.URL
    headers: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, str] = field(default_factory=dict)


class Route(Protocol):
    """Decides where to connect; raises PageRefusedError or NameNotFoundError."""

    loopback_only: bool

    async def target(self, url: httpx.URL) -> Target: ...


def parsed_url(text: str) -> httpx.URL:
    """The URL when it is http(s) with a host and without credentials; raises PageRefusedError."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise PageRefusedError("malformed_url") from None
    if url.scheme not in _PORTS or not url.host:
        raise PageRefusedError("scheme_not_allowed")
    if url.userinfo:
        raise PageRefusedError("credentials_in_url")
    return url


class PublicRoute:
    """Connects to the address that was checked, so that a second look-up cannot lead elsewhere."""

    loopback_only = False

    async def target(self, url: httpx.URL) -> Target:
        """The URL with the address in place of the host; host name and certificate check stay those of the URL."""
        host = url.raw_host.decode("ascii")
        addresses = await resolve(host, url.port or _PORTS[url.scheme])
        if not all(is_public(address) for address in addresses):
            raise PageRefusedError("address_not_public")
        pinned = url.copy_with(host=str(addresses[0]))
        return Target(pinned, {"Host": url.netloc.decode("ascii")}, {"sni_hostname": host})


class GatewayRoute:
    """Reads everything through the sandbox; its own origin is reached directly."""

    loopback_only = True

    def __init__(self, gateway_url: str) -> None:
        self._gateway = httpx.URL(gateway_url.rstrip("/"))
        if not is_loopback(self._gateway.host):
            raise ValueError("the sandbox's web route must be on a loopback address")

    async def target(self, url: httpx.URL) -> Target:
        """The gateway's path for the URL: `/web/<scheme>/<host>/<path>`."""
        if (url.scheme, url.host, url.port) == (self._gateway.scheme, self._gateway.host, self._gateway.port):
            return Target(url)
        if is_literal_private(url.host):
            raise PageRefusedError("address_not_public")
        host = url.netloc.decode("ascii")
        path = f"{self._gateway.path.rstrip('/')}/web/{url.scheme}/{host}{url.raw_path.decode('ascii')}"
        return Target(self._gateway.copy_with(raw_path=path.encode("ascii")))


async def resolve(host: str, port: int) -> list[Address]:
    """All addresses of a host; raises NameNotFoundError when there are none."""
    try:
        return [ipaddress.ip_address(host.strip("[]"))]
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NameNotFoundError from None
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not addresses:
        raise NameNotFoundError
    return addresses


def is_public(address: Address) -> bool:
    """True for addresses of the open internet; addresses that carry another one inside are judged by both."""
    inner = _embedded(address)
    if inner is not None and not is_public(inner):
        return False
    return address.is_global and not address.is_multicast


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def is_literal_private(host: str) -> bool:
    """True when the host is written as an address that is not public, or is `localhost`."""
    try:
        return not is_public(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return is_loopback(host)
