"""How an outside URL may be reached: at a checked public address, or through the sandbox's web route (I-63, I-70)."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from socialanalyzer_dagster.domain.public_addresses import Address, is_public
from socialanalyzer_dagster.vendors.name_lookup import LookUp, NameNotFoundError, look_up
from socialanalyzer_dagster.vendors.transport import is_loopback

MOST_URL_CHARS = 8_192
WEB_PORTS = frozenset({80, 443, 8080, 8443})
"""Where websites are served; everything else is some other service (mail, databases, administration)."""
_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMBER_AT_END = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)")


class PageRefusedError(Exception):
    """We do not read this URL; `code` says why and holds nothing of the URL."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


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


def parsed_url(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """The URL, seen from `base`, when it is http(s) with a host and without credentials; raises PageRefusedError.

    The host is a name in ASCII without a closing dot, or an address in its one usual form: numbers that a resolver
    would read as an address (`2130706433`, `0x7f.1`, `0177.0.0.1`) are no host.
    """
    if len(text) > MOST_URL_CHARS:
        raise PageRefusedError("url_too_long")
    try:
        url = httpx.URL(text) if base is None else base.join(text)
        host = url.raw_host.decode("ascii").removesuffix(".")
    except (httpx.InvalidURL, ValueError, TypeError):
        raise PageRefusedError("malformed_url") from None
    if url.scheme not in _PORTS or not host:
        raise PageRefusedError("scheme_not_allowed")
    if url.userinfo:
        raise PageRefusedError("credentials_in_url")
    if literal_address(host) is None and (not _NAME.fullmatch(host) or _NUMBER_AT_END.fullmatch(host)):
        raise PageRefusedError("malformed_host")
    return url if host == url.raw_host.decode("ascii") else url.copy_with(host=host)


def literal_address(host: str) -> Address | None:
    """The address when the host is written as one; None for a name."""
    try:
        return ipaddress.ip_address(host) if "%" not in host else None
    except ValueError:
        return None


def _web_port(url: httpx.URL) -> int:
    port = _PORTS[url.scheme] if url.port is None else url.port
    if port not in WEB_PORTS:
        raise PageRefusedError("port_not_allowed")
    return port


class PublicRoute:
    """Connects to the address that was checked, so that a second look-up cannot lead elsewhere."""

    loopback_only = False

    def __init__(self, names: LookUp = look_up) -> None:
        self._names = names

    async def target(self, url: httpx.URL) -> Target:
        """The URL with the address in place of the host; host name and certificate check stay those of the URL."""
        host, port = url.raw_host.decode("ascii"), _web_port(url)
        literal = literal_address(host)
        addresses = await self._names(host, port) if literal is None else [literal]
        if not addresses:
            raise NameNotFoundError
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
        if (url.scheme, url.netloc) == (self._gateway.scheme, self._gateway.netloc):
            return Target(url)
        host = url.raw_host.decode("ascii")
        literal = literal_address(host)
        if is_loopback(host) or (literal is not None and not is_public(literal)):
            raise PageRefusedError("address_not_public")
        _web_port(url)
        path = f"{self._gateway.path.rstrip('/')}/web/{url.scheme}/{url.netloc.decode('ascii')}"
        path += url.raw_path.decode("ascii")
        return Target(self._gateway.copy_with(raw_path=path.encode("ascii")))
