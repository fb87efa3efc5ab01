"""Running a sandbox: blocking, in a thread of this process, or as a child process that ends with its parent."""

import argparse
import ctypes
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import filelock
import httpx
import uvicorn

from socialanalyzer_dagster.sandbox.app import app_of
from socialanalyzer_dagster.sandbox.config import SandboxConfig, epoch_of_today
from socialanalyzer_dagster.sandbox.connection import ClosableProtocol
from socialanalyzer_dagster.sandbox.state import SandboxState, WorldMismatchError

_START_SECONDS, _STOP_SECONDS = 20.0, 5.0
_WATCH_SECONDS = 0.5
_POLL_SECONDS = 0.05
_KEEP_ALIVE_SECONDS = 75
_PR_SET_PDEATHSIG = 1
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""A sandbox is asked without encryption; to read the machine's certificates takes longer than its answer."""


class SandboxStartError(RuntimeError):
    """The sandbox could not be started; the message says why (port taken, home in use, another world in the home)."""


class SandboxServer:
    """One sandbox on one port; holds the lock of its home while it lives."""

    def __init__(self, config: SandboxConfig) -> None:
        self._config = config
        self._lock = _lock_home(config.home)
        try:
            self._socket = _listening_socket(config.host, config.port)
        except OSError as error:
            self._release()
            raise SandboxStartError(f"port {config.port} on {config.host} cannot be used: {error}") from error
        try:
            self.state = SandboxState(config)
        except WorldMismatchError as error:
            self._socket.close()
            self._release()
            raise SandboxStartError(str(error)) from error
        options = uvicorn.Config(
            app_of(self.state), http=ClosableProtocol, log_level="warning", access_log=False, lifespan="on",
            timeout_keep_alive=_KEEP_ALIVE_SECONDS, server_header=False, backlog=2048,
        )  # fmt: skip
        self._server = uvicorn.Server(options)

    @property
    def base_url(self) -> str:
        """Where the sandbox answers, without a trailing slash."""
        host, port = self._socket.getsockname()[:2]
        return f"http://{host}:{port}"

    def run(self) -> None:
        """Serve until the process is told to stop; then commit and release the home."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self.close()

    def close(self) -> None:
        """Commit, close the state and release the home."""
        self._socket.close()
        self.state.store.close()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> "SandboxServer":
        self._thread = threading.Thread(target=self.run, name="sandbox", daemon=True)
        self._thread.start()
        _wait_until(lambda: self._server.started, "the sandbox thread did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)


@contextmanager
def running_sandbox(config: SandboxConfig) -> Iterator[str]:
    """A sandbox in a thread of this process while the block runs; gives its base URL (port 0 = any free one)."""
    with SandboxServer(config) as server:
        yield server.base_url


@dataclass
class SandboxProcess:
    """A sandbox in a child process; ends with ``stop``, with the block, or with this process, however it ends."""

    base_url: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End the child and wait for it; its state is already committed."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def started_process(config: SandboxConfig) -> Iterator[SandboxProcess]:
    """A sandbox in a child process, answering when the block begins; SandboxStartError when it does not come up."""
    child = start_process(config)
    try:
        yield child
    finally:
        child.stop()


def start_process(config: SandboxConfig) -> SandboxProcess:
    """Start a child process and wait until its ``/_sandbox/state`` answers; the caller stops it."""
    port = config.port or _free_port(config.host)
    arguments = [
        sys.executable, "-m", "socialanalyzer_dagster.sandbox.serve", "--host", config.host, "--port", str(port),
        "--seed", str(config.seed), "--speed", config.speed, "--faults", config.faults, "--epoch",
        config.epoch.isoformat(),
        "--parent", str(os.getpid()),
    ]  # fmt: skip
    if config.home is not None:
        arguments += ["--home", str(config.home)]
    for limit in config.limits:
        arguments += ["--limit", limit]
    # a session of its own: Ctrl-C must not end the vendors while the parent still settles calls in flight
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    child = SandboxProcess(f"http://{config.host}:{port}", process)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        state = sandbox_state(child.base_url)
        if state is not None and state.get("pid") == process.pid:
            threading.Thread(target=_drain, args=(process,), name="sandbox-errors", daemon=True).start()
            return child
        time.sleep(_POLL_SECONDS)
    if process.poll() is None:
        process.kill()
    _, said = process.communicate()
    lines = said.decode(errors="replace").strip().splitlines()
    raise SandboxStartError(lines[-1] if lines else "the sandbox process did not answer in time")


def sandbox_state(base_url: str) -> dict[str, Any] | None:
    """What a sandbox at an address says of itself (``GET /_sandbox/state``), or None when none answers there."""
    found = _administration(base_url, "state")
    return found if found is not None and "seed" in found else None


def sandbox_bill(base_url: str) -> dict[str, Any] | None:
    """What the vendors of a sandbox charged so far (``GET /_sandbox/ledger``), or None when none answers there."""
    found = _administration(base_url, "ledger")
    return found if found is not None and "total_micros" in found else None


def _administration(base_url: str, path: str) -> dict[str, Any] | None:
    try:
        answer = httpx.get(f"{base_url}/_sandbox/{path}", timeout=2.0, trust_env=False, verify=_NO_CERTIFICATES)
        found = answer.json()
    except (httpx.HTTPError, ValueError):
        return None
    return found if answer.status_code == httpx.codes.OK and isinstance(found, dict) else None


def _drain(process: "subprocess.Popen[bytes]") -> None:
    """Pass the child's error output on, so that its pipe never fills."""
    if process.stderr is not None:
        with process.stderr as lines:
            for line in lines:
                sys.stderr.write(line.decode(errors="replace"))


def _lock_home(home: Path | None) -> filelock.FileLock | None:
    if home is None:
        return None
    folder = home / "sandbox"
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / "sandbox.lock", timeout=0, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise SandboxStartError(f"another sandbox already runs on {folder.resolve()}") from error
    return lock


def _listening_socket(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening


def _free_port(host: str) -> int:
    with _listening_socket(host, 0) as probe:
        return int(probe.getsockname()[1])


def _wait_until(is_done: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise SandboxStartError(complaint)
        time.sleep(_POLL_SECONDS / 5)


def _end_with_parent(parent: int) -> None:
    """Make this process end when its parent does: by the kernel's signal on Linux, by its closed pipe everywhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    threading.Thread(target=_watch_parent, args=(parent,), name="parent-watch", daemon=True).start()


def _watch_parent(parent: int) -> None:
    """The parent keeps our standard input open; its end, or another parent process id, means that it is gone."""
    threading.Thread(target=_stop_at_end_of_input, name="parent-pipe", daemon=True).start()
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _stop_at_end_of_input() -> None:
    while os.read(sys.stdin.fileno(), 1):
        continue
    os.kill(os.getpid(), signal.SIGTERM)


def _arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve the vendor sandbox.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8321)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--speed", choices=("instant", "realistic"), default="instant")
    parser.add_argument("--faults", choices=("none", "flaky", "hostile"), default="none")
    parser.add_argument("--limit", action="append", default=[])
    parser.add_argument("--home", type=Path)
    parser.add_argument("--epoch", type=datetime.fromisoformat, default=epoch_of_today())
    parser.add_argument("--parent", type=int, help="end when this process is no longer the parent")
    return parser.parse_args(given)


def main(given: list[str]) -> int:
    """Serve with command-line options; 0 after a stop, 2 when the sandbox cannot be started."""
    options = _arguments(given)
    if options.parent is not None:
        _end_with_parent(options.parent)
    config = SandboxConfig(
        seed=options.seed, speed=options.speed, faults=options.faults, home=options.home, host=options.host,
        port=options.port, epoch=options.epoch, limits=tuple(options.limit),
    )  # fmt: skip
    try:
        SandboxServer(config).run()
    except SandboxStartError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
