"""A measurement in a process of its own, so that its peak memory is its own."""

import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.engines import Engine


@dataclass(slots=True)
class Measured:
    """What a block cost: wall and processor seconds (this process and the database's), and bytes written."""

    seconds: float = 0.0
    own_seconds: float = 0.0
    server_seconds: float = 0.0
    bytes_written: int = 0


@contextmanager
def measured(engine: Engine, into: Measured) -> Iterator[None]:
    """Measure the block; several add up."""
    server, written = engine.server_seconds(), engine.bytes_written()
    own, started = time.process_time(), time.perf_counter()
    yield
    into.seconds += time.perf_counter() - started
    into.own_seconds += time.process_time() - own
    into.server_seconds += engine.server_seconds() - server
    into.bytes_written += engine.bytes_written() - written


def in_child(function: str, **arguments: Any) -> dict[str, Any]:
    """What `module:function` returns when it is called with `folder` and these arguments in a new process.

    The result is a JSON object; `peak_mb` is added to it.
    """
    command = [sys.executable, "-m", "benchmarks.children", function, json.dumps(arguments)]
    quiet = os.environ | {"DAGSTER_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(command, env=quiet, check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own command
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(function: str, arguments: str) -> None:
    """The child: print the result as JSON."""
    module, _, name = function.partition(":")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        found = getattr(importlib.import_module(module), name)(Path(folder), **json.loads(arguments))
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
