"""What worlds over SQLite come to: a state that the same steps have made before is laid under a world again."""

import hashlib
import os
import pickle
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from socialanalyzer_dagster.sandbox.state import SandboxState

if TYPE_CHECKING:
    from crm_world import CrmWorld

_STORED = {table: f"SELECT * FROM {table}" for table in ("docs", "blobs", "counters", "bill")}  # noqa: S608 - constants
_STORED["docs"] += " WHERE kind <> 'sandbox.meta'"


@dataclass
class KnownStates:
    """States by the steps that led to them, shared by the processes of a test run.

    A step is taken from here only if everything is as the steps before it left it: the database, the CRM, what the
    vendor and the world are told to do, and the clock. Anything else that a test has done makes it go the long way.
    """

    folder: Path
    path: str = ""
    """The digest of the steps so far."""
    left: str | None = None
    """What the database and the CRM looked like after them; None when a step went the long way."""

    def begin(self, world: "CrmWorld") -> None:
        """A new world without any batch."""
        self.path, self.left = _digest(_told(world)), _look(world)

    async def reach(self, world: "CrmWorld", step: str, make: Callable[[], Awaitable[str]]) -> str:
        """The key of the batch that a step makes, once the world is where the step leads."""
        if self.left is None or self.left != _look(world) or _acts_otherwise(world):
            self.left = None
            return await make()
        path = _digest([self.path, step, _told(world)])
        file = self.folder / path
        if file.exists():
            key = _lay(world, pickle.loads(file.read_bytes()))  # noqa: S301 - written by this very run
        else:
            key = await make()
            _keep(file, _state(world, key))
        self.path, self.left = path, _look(world)
        return key


def with_known_states(world: "CrmWorld", request: pytest.FixtureRequest) -> "CrmWorld":
    """Shorter ways for the tests of SQLite that change nothing of the program itself."""
    if world.database.is_sqlite and "monkeypatch" not in request.fixturenames:
        session = request.getfixturevalue("tmp_path_factory").getbasetemp()
        folder = (session.parent if "PYTEST_XDIST_WORKER" in os.environ else session) / "known-states"
        folder.mkdir(exist_ok=True)
        world.known = KnownStates(folder)
        world.known.begin(world)
    return world


def _acts_otherwise(world: "CrmWorld") -> bool:
    """Something fails, waits or listens: a step is then more than the state it leads to."""
    vendor, sandbox = world.vendor, _sandbox(world)
    acts = vendor.errors or vendor.bugs or vendor.hold or world.when_asleep or sandbox.faults.switches
    return bool(acts) or not sandbox._memory.keys() <= {"hubspot.crm"}


def _told(world: "CrmWorld") -> list[Any]:
    """What decides about the next step besides the stored rows."""
    vendor = {name: value for name, value in vars(world.vendor).items() if name != "arrived"}
    sandbox = _sandbox(world)
    times = [str(at) for at in (world.clock.at, sandbox.clock.now(), sandbox.world.epoch)]
    return [times, world.policy.digest, world.suppression_key, type(world.vendor).__qualname__, sorted(vendor.items())]


def _look(world: "CrmWorld") -> str:
    """The bytes of the database and the rows of the CRM, in short."""
    return _digest(_rows(_sandbox(world)), *(file.read_bytes() for file in _files(world)))


def _state(world: "CrmWorld", key: str) -> dict[str, Any]:
    """All that the steps so far have made."""
    world.database.dispose()  # its last connection moves the log into the file
    sandbox, (file,) = _sandbox(world), _files(world)
    return {
        "key": key, "database": file.read_bytes(), "rows": _rows(sandbox), "calls": sandbox.calls,
        "requests": sandbox._requests, "at": world.clock.at, "names": world.vendor.names,
        "asked": world.vendor.asked, "sleeps": world.sleeps,
    }  # fmt: skip


def _keep(file: Path, state: dict[str, Any]) -> None:
    """Written whole or not at all: other processes read it."""
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_bytes(pickle.dumps(state))
    draft.replace(file)


def _lay(world: "CrmWorld", state: dict[str, Any]) -> str:
    """Bring a world to a state and return its batch."""
    world.database.dispose()
    first, *others = _files(world)
    for old in others:
        old.unlink()
    first.write_bytes(state["database"])
    _lay_rows(_sandbox(world), state)
    world.clock.at, world.vendor.names, world.vendor.asked = state["at"], state["names"], state["asked"]
    world.sleeps[:] = state["sleeps"]
    key: str = state["key"]
    return key


def _lay_rows(sandbox: SandboxState, state: dict[str, Any]) -> None:
    sandbox.reset()
    for table, rows in state["rows"].items():
        for row in rows:
            sandbox.store.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - our own tables
    sandbox.store.commit()
    sandbox.calls.update(state["calls"])
    sandbox._requests.update(state["requests"])


def _rows(sandbox: SandboxState) -> dict[str, list[tuple[Any, ...]]]:
    """What is stored in the simulated CRM."""
    return {table: sandbox.store.select(query) for table, query in _STORED.items()}


def _files(world: "CrmWorld") -> list[Path]:
    """The database's file and the log beside it, if it has one."""
    path = Path(world.database.url.database or "")
    return [path, *sorted(path.parent.glob(f"{path.name}-wal"))]


def _sandbox(world: "CrmWorld") -> SandboxState:
    assert world.server is not None
    return world.server.state


def _digest(part: Any, *files: bytes) -> str:
    whole = hashlib.sha256(repr(part).encode())
    for file in files:
        whole.update(hashlib.sha256(file).digest())
    return whole.hexdigest()
