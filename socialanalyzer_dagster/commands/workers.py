"""`batch work`: a worker that runs queued batches, one after another; any number of them share one database."""

import signal
import time
from typing import Annotated

import typer

from socialanalyzer_dagster.commands import batches
from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import AsJson, notes
from socialanalyzer_dagster.commands.system import interrupted_by
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, retry
from socialanalyzer_dagster.pipeline.batch_status import CANCELLED, BatchStatus
from socialanalyzer_dagster.pipeline.worker_claims import NothingToDo, next_batch

_LOOK_SECONDS = 15.0


def register(app: typer.Typer) -> None:
    """Put the command under `batch`."""
    app.command("work")(work)


def work(
    *,
    every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="How often to look while there is nothing to do.")
    ] = _LOOK_SECONDS,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when no batch may be run.")] = False,
    as_json: AsJson = False,
) -> int:
    """Run queued batches in this process, one after another; Ctrl-C or SIGTERM puts the batch at work back and ends."""
    worker = _Worker(as_json=as_json)
    with open_office(needs_vendors=True) as office, interrupted_by(signal.SIGINT, signal.SIGTERM):
        try:
            while worker.goes_on(office, until_idle=until_idle):
                if worker.rests:
                    time.sleep(every)
        except KeyboardInterrupt:
            notes.print("the worker ends")
    return worker.worst


class _Worker:
    """What a worker did: `worst` exit code of its batches, and whether it rests because there is nothing to do."""

    def __init__(self, *, as_json: bool) -> None:
        self.worst = 0
        self.rests = False
        self._as_json = as_json
        self._tried: set[str] = set()
        self._told = ""

    def goes_on(self, office: Office, *, until_idle: bool) -> bool:
        """Run the next batch; False when this worker is to end."""
        with next_batch(office.workplace(), self._tried) as found:
            self.rests = isinstance(found, NothingToDo)
            if isinstance(found, NothingToDo):
                self._tell(found.reason)
                return not until_idle
            self._tried.add(found.run_key)
            self._tell(f"batch {found.key}")
            code = batches.run(found.key, as_json=self._as_json)
            if _put_back(office, found.key):
                return False
            self.worst = max(self.worst, code)
            return True

    def _tell(self, sentence: str) -> None:
        if sentence != self._told:
            notes.print(sentence, markup=False)
        self._told = sentence


def _put_back(office: Office, key: str) -> bool:
    """True when the worker was told to end amid this batch, which is queued again for another one."""
    workplace = office.workplace()
    batch = find_batch(workplace, key)
    if (batch.status, batch.cause) != (BatchStatus.PAUSED, CANCELLED):
        return False
    retry(workplace, key, Deed(by="worker", reason="its worker was told to end", is_person=False))
    return True
