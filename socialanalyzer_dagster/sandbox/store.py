"""The sandbox's durable rows (bill, CRM, jobs, objects, messages) in one SQLite file."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""JSON data as ``json.loads`` gives it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS docs (
  n INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (kind, key)
);
CREATE TABLE IF NOT EXISTS blobs (kind TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, key));
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS bill (
  n INTEGER PRIMARY KEY, call INTEGER NOT NULL, vendor TEXT NOT NULL, operation TEXT NOT NULL, price_key TEXT NOT NULL,
  units TEXT NOT NULL, micros INTEGER NOT NULL, reference TEXT NOT NULL, at TEXT NOT NULL
);
"""
_TABLES = ("docs", "blobs", "counters", "bill")
_KEPT_KIND = "sandbox.meta"


class Store:
    """JSON documents, blobs and counters by kind and key, in insertion order.

    Writes gather in one transaction until ``commit``; the wire wrapper commits before every answer, so a vendor module
    never has to. With ``home`` None everything is in memory.
    """

    def __init__(self, home: Path | None) -> None:
        if home is None:
            location = ":memory:"
        else:
            folder = home / "sandbox"
            folder.mkdir(parents=True, exist_ok=True)
            location = str(folder / "sandbox.sqlite")
        self._db = sqlite3.connect(location, check_same_thread=False, isolation_level=None, timeout=30)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run one writing statement inside the open transaction (opened when there is none)."""
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")
        return self._db.execute(statement, parameters)

    def select(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of one reading statement, uncommitted writes included."""
        return self._db.execute(statement, parameters).fetchall()

    def put(self, kind: str, key: str, body: Json) -> None:
        """Insert or replace one JSON document; a replaced document keeps its place in the order."""
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        self.execute(
            "INSERT INTO docs (kind, key, body) VALUES (?, ?, ?) "
            "ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
            (kind, key, text),
        )

    def get(self, kind: str, key: str) -> Json | None:
        """The document, or None when there is none."""
        rows = self.select("SELECT body FROM docs WHERE kind = ? AND key = ?", (kind, key))
        return json.loads(rows[0][0]) if rows else None

    def items(self, kind: str) -> Iterator[tuple[str, Json]]:
        """Every (key, document) of a kind in the order of first insertion."""
        for key, body in self.select("SELECT key, body FROM docs WHERE kind = ? ORDER BY n", (kind,)):
            yield key, json.loads(body)

    def count(self, kind: str) -> int:
        """How many documents a kind has."""
        return int(self.select("SELECT COUNT(*) FROM docs WHERE kind = ?", (kind,))[0][0])

    def delete(self, kind: str, key: str) -> bool:
        """Remove one document; True when it was there."""
        return self.execute("DELETE FROM docs WHERE kind = ? AND key = ?", (kind, key)).rowcount > 0

    def put_blob(self, kind: str, key: str, body: bytes) -> None:
        """Insert or replace one binary object."""
        self.execute("INSERT OR REPLACE INTO blobs (kind, key, body) VALUES (?, ?, ?)", (kind, key, body))

    def get_blob(self, kind: str, key: str) -> bytes | None:
        """The object's bytes, or None when there is none."""
        rows = self.select("SELECT body FROM blobs WHERE kind = ? AND key = ?", (kind, key))
        return bytes(rows[0][0]) if rows else None

    def delete_blob(self, kind: str, key: str) -> bool:
        """Remove one binary object; True when it was there."""
        return self.execute("DELETE FROM blobs WHERE kind = ? AND key = ?", (kind, key)).rowcount > 0

    def increment(self, name: str) -> int:
        """The next value (1, 2, 3, ...) of a counter that survives restarts."""
        cursor = self.execute(
            "INSERT INTO counters (name, value) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 "
            "RETURNING value",
            (name,),
        )
        return int(cursor.fetchone()[0])

    def commit(self) -> None:
        """Make everything written so far durable against the death of this process."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")

    def reset(self) -> None:
        """Forget every row except the description of the world itself."""
        for table in _TABLES:
            condition = f" WHERE kind <> '{_KEPT_KIND}'" if table == "docs" else ""
            self.execute(f"DELETE FROM {table}{condition}")  # noqa: S608 - both parts are constants of this module
        self.commit()

    def close(self) -> None:
        """Commit and close the file."""
        self.commit()
        self._db.close()
