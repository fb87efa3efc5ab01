"""Looking up the addresses of a host: in a thread of its own, so that a slow name server holds up nothing else."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from socialanalyzer_dagster.domain.public_addresses import Address

LookUp = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Host (ASCII, no brackets) and port -> every address; raises NameNotFoundError."""


class NameNotFoundError(Exception):
    """The host has no address now."""


async def look_up(host: str, port: int) -> Sequence[Address]:
    """All addresses of a host as the system knows them; raises NameNotFoundError when there are none.

    Whoever waits can be cancelled at once: the thread is left behind and does not keep the process alive, whereas the
    event loop's own threads are few, shared with the media store, and waited for at the end of a run.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Address]] = loop.create_future()

    def ask() -> None:
        found = _addresses(host, port)
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(_deliver, answer, found)

    threading.Thread(target=ask, name="name look-up", daemon=True).start()
    addresses = await answer
    if not addresses:
        raise NameNotFoundError
    return addresses


def _deliver(answer: "asyncio.Future[list[Address]]", found: list[Address]) -> None:
    if not answer.done():
        answer.set_result(found)


def _addresses(host: str, port: int) -> list[Address]:
    """No address where the look-up fails, whatever its reason: a name that is no name, no server, no entry."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError):
        return []
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
