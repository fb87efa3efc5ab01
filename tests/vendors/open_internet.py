"""An internet on one machine: raw servers on loopback that stand at public addresses, and a name server that lies."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpcore
import httpx

from socialanalyzer_dagster.vendors.name_lookup import NameNotFoundError
from socialanalyzer_dagster.vendors.page_routes import PublicRoute
from socialanalyzer_dagster.vendors.pages import PageFetcher

SITE, OTHER = "93.184.216.34", "93.184.216.35"
Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Internet(httpcore.AsyncNetworkBackend):
    """Sockets reach only the addresses that have a server here; who was dialled is written down."""

    ports: dict[str, int] = field(default_factory=dict)
    names: dict[str, list[list[str]]] = field(default_factory=dict)
    """Host -> what the name server answers the first time, the second time, and from then on."""
    dialled: list[tuple[str, int]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)

    async def connect_tcp(self, host: str, port: int, **options: Any) -> httpcore.AsyncNetworkStream:
        self.dialled.append((host, port))
        if host not in self.ports:
            raise httpcore.ConnectError("nothing listens there")
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self.ports[host], **options)

    async def connect_unix_socket(self, path: str, **_options: Any) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError(path)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def look_up(self, host: str, _port: int) -> list[Any]:
        self.asked.append(host)
        answers = self.names.get(host)
        if not answers:
            raise NameNotFoundError
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [ipaddress.ip_address(address) for address in found]

    def fetcher(self) -> PageFetcher:
        """The real fetcher over the real route; only names and sockets are ours."""
        network = httpx.AsyncHTTPTransport(verify=False, trust_env=False)
        pool = network._pool
        network._pool = httpcore.AsyncConnectionPool(
            ssl_context=pool._ssl_context, network_backend=self, max_keepalive_connections=0
        )
        return PageFetcher(PublicRoute(self.look_up), inner=network)


@asynccontextmanager
async def internet(serve: Serve) -> AsyncIterator[Internet]:
    """`a.example` and `b.example` at two public addresses, both served by `serve`, which gets the head as sent."""
    made = Internet(names={"a.example": [[SITE]], "b.example": [[OTHER]]})

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.read(65_536)
            made.heads.append(head)
            await serve(head, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    made.ports = dict.fromkeys((SITE, OTHER), server.sockets[0].getsockname()[1])
    try:
        yield made
    finally:
        server.close()


def always(answer: bytes, *, robots: bytes = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n") -> Serve:
    """The same bytes to everybody, but for robots.txt."""

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(robots if b" /robots.txt " in head else answer)
        await writer.drain()

    return serve


def answer(body: bytes, *headers: str, status: str = "200 OK", content_type: str = "text/html") -> bytes:
    """A complete HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"content-type: {content_type}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(location: str) -> bytes:
    return answer(b"", f"location: {location}", status="302 Found")
