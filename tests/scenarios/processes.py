"""The real command line in processes of its own, which can be killed at a chosen instant; warm, so that it is quick."""

import contextlib
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import httpx

from socialanalyzer_dagster import cli
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.storage.database import Database

KILLED = -signal.SIGKILL
_WARM = [
    "tests.scenarios.processes",
    "tests.chaos.worker",
    "socialanalyzer_dagster.definitions",
    "socialanalyzer_dagster.commands.instance",
    "socialanalyzer_dagster.vendors.openai_channel",
    "alembic.command",
    "dagster._core.storage.sqlite_storage",
    "openai.resources.chat.completions",
    "openai.resources.audio",
    "PIL.JpegImagePlugin",
    "anyio._backends._asyncio",
    "dagster._core.execution.execute_in_process",
    "dagster._core.executor.in_process",
    "dagster._core.instance.factory",
    "dagster._core.secrets.env_file",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.root",
    "fsspec.implementations.local",
    "httpcore",
    "rich._emoji_codes",
    "upath.implementations.local",
    "tests.scenarios.warm",  # the last: it takes what is there by then from the collector
]
"""What processes of the tests would import on their way; a test process has one such server, whoever asks first."""
_SECONDS = 120


@dataclass(frozen=True)
class Kill:
    """Die in a stage at its n-th event: an answer that came (not yet booked), or a commit that is just done or due."""

    stage: Stage
    event: str
    number: int = 1


ANSWERED, COMMITTING, COMMITTED = "answered", "committing", "committed"


def warm_processes() -> ForkServerContext:
    """Processes that begin with everything imported; they come from one server per test process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_WARM)
    return context


@dataclass
class CommandLine:
    """Commands of one installation."""

    home: Path
    sandbox: str
    context: ForkServerContext = field(default_factory=warm_processes)

    def start(self, *arguments: str, kill: Kill | None = None) -> "Running":
        """A command at work."""
        output = self.home / f"output-{len(list(self.home.glob('output-*')))}"
        output.mkdir(parents=True)
        environment = {
            "SOCIALANALYZER_HOME": str(self.home),
            "SOCIALANALYZER_SANDBOX_URL": self.sandbox,
            "DATABASE_URL": os.environ.get("DATABASE_URL", ""),
        }
        process = self.context.Process(target=_command, args=(arguments, environment, output, kill))
        process.start()
        return Running(process, output)

    def run(self, *arguments: str, kill: Kill | None = None) -> "Ended":
        """A command's end."""
        return self.start(*arguments, kill=kill).end()

    def json(self, *arguments: str) -> Any:
        """What a command prints with --json."""
        ended = self.run(*arguments, "--json")
        assert ended.code == 0, ended.told
        return json.loads(ended.printed)


@dataclass
class Ended:
    """Exit code (-9 after a kill), standard output and standard error."""

    code: int | None
    printed: str
    told: str


@dataclass
class Running:
    process: Any
    output: Path

    @property
    def is_running(self) -> bool:
        return bool(self.process.is_alive())

    def send(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> Ended:
        self.process.join(_SECONDS)
        assert not self.process.is_alive(), "the command does not end"
        texts = [(self.output / name).read_text(encoding="utf-8") for name in ("out", "err")]
        return Ended(self.process.exitcode, *texts)


def _command(arguments: tuple[str, ...], environment: dict[str, str], output: Path, kill: Kill | None) -> None:
    os.environ.update(environment)
    for name, number in (("out", 1), ("err", 2)):
        os.dup2(os.open(output / name, os.O_WRONLY | os.O_CREAT, 0o600), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if kill is not None:
        _arm(kill)
    code = cli.run(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _arm(kill: Kill) -> None:
    """Let this process die at the chosen event."""
    now: dict[str, Any] = {"stage": None, "left": kill.number}
    begin, send = OpenBatch.begin, httpx.AsyncClient.send

    def event(name: str) -> None:
        if (now["stage"], name) == (kill.stage, kill.event):
            now["left"] -= 1
            if not now["left"]:
                os.kill(os.getpid(), signal.SIGKILL)

    def begun(batch: OpenBatch, stage: Stage) -> None:
        begin(batch, stage)
        now["stage"] = stage

    async def sent(client: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        answer = await send(client, request, **options)
        event(ANSWERED)
        return answer

    unwatched = Database.write

    @contextlib.contextmanager
    def write(database: Database) -> Iterator[Any]:
        with unwatched(database) as connection:
            yield connection
            event(COMMITTING)
        event(COMMITTED)

    OpenBatch.begin = begun  # type: ignore[method-assign]
    httpx.AsyncClient.send = sent  # type: ignore[method-assign]
    Database.write = write  # type: ignore[method-assign]
