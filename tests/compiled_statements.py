"""Statements put together once per test process: each test opens databases of its own, and a new engine knows none.

A pipeline keeps one engine for its life. The SQL is the same for every database of a kind; what a dialect adds to it,
and how it writes JSON, tells kinds apart.
"""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.engine import Compiled
from sqlalchemy.util import LRUCache

_MOST = 5_000


class _OfAllEngines(LRUCache[Any, Compiled]):
    """Compiled statements under the key of an engine's own cache, whose first part is that engine's dialect."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_shared(key), default)

    def __setitem__(self, key: Any, compiled: Compiled) -> None:
        super().__setitem__(_shared(key), compiled)


_compiled = _OfAllEngines(_MOST)


def keep_compiled() -> None:
    """From now on in this process, for every engine of it."""
    Engine._compiled_cache = property(lambda engine: _compiled, lambda engine, own: None)  # type: ignore[assignment]


def _shared(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *statement = key
    version, json = dialect.server_version_info, (dialect._json_serializer, dialect._json_deserializer)
    return type(dialect), version, *json, *statement
