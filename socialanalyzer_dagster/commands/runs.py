"""Running stages of a batch through Dagster in this process, recorded in the home's instance, with progress bars."""

import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from socialanalyzer_dagster.commands.office import Office
from socialanalyzer_dagster.commands.output import notes, usd
from socialanalyzer_dagster.domain.types import BatchKey, Stage
from socialanalyzer_dagster.pipeline.launching import step_asset
from socialanalyzer_dagster.pipeline.run_outcomes import FailedRun, run_failed
from socialanalyzer_dagster.storage import batch_figures, batches

if TYPE_CHECKING:
    import dagster as dg

LOOK_SECONDS = 2.0
"""Counters are read at most so often (I-54)."""
REPOSITORY = {".dagster/repository": "__repository__@socialanalyzer"}
"""Lets the Dagster UI show these runs under their jobs."""
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Dagster's log goes to the instance, not to the terminal."""


class Step(StrEnum):
    """What `batch run` can start from and go to, in order."""

    DISCOVERED = "discovered"
    SCREENED = "screened"
    ENRICHED = "enriched"
    ANALYZED = "analyzed"
    SCORED = "scored"
    PLAN = "plan"
    SYNCED = "synced"


STEPS = tuple(Step)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended; `problem` is its sentence for people, None when every step succeeded."""

    run_id: str
    problem: str | None


def run_steps(office: Office, key: BatchKey, steps: Sequence[Step]) -> Ended:
    """Run these neighbouring steps: one Dagster run up to the plan, another for the sync; the first failure ends it."""
    to_plan = [step for step in steps if step is not Step.SYNCED]
    ended = Ended("", None)
    if to_plan:
        ended = _execute(office, key, "lead_batch_job", [step_asset(step) for step in to_plan])
    if Step.SYNCED in steps and ended.problem is None:
        ended = _execute(office, key, "crm_sync_job", None)
    return ended


def _execute(office: Office, key: BatchKey, job_name: str, assets: Sequence[str] | None) -> Ended:
    import dagster as dg

    from socialanalyzer_dagster.partitions import LEAD_BATCHES

    office.instance.add_dynamic_partitions(str(LEAD_BATCHES.name), [key])
    result = job_named(job_name).execute_in_process(
        partition_key=key,
        instance=office.instance,
        asset_selection=None if assets is None else [dg.AssetKey(name) for name in assets],
        run_config=QUIET,
        tags=REPOSITORY,
        raise_on_error=False,
    )
    if result.success:
        return Ended(result.run_id, None)
    run_failed(office.workplace(), key, _failed_run(result))
    return Ended(result.run_id, problem_of(result))


def job_named(name: str) -> "dg.JobDefinition":
    """A job of the code location."""
    import dagster as dg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # said to developers, not to those who run a batch
        from socialanalyzer_dagster.definitions import definitions

        return definitions.resolve_job_def(name)


def _failed_run(result: "dg.ExecuteInProcessResult") -> FailedRun:
    """What the end means for the batch; with nobody else to tell, the command writes it, as the sensors would."""
    from socialanalyzer_dagster.checks.check_groups import failed_steps

    return FailedRun(
        run_id=result.run_id, failed_steps=failed_steps(result.all_events), cancelled=is_interrupted(result)
    )


def _step_failures(result: "dg.ExecuteInProcessResult") -> "Sequence[dg.DagsterEvent]":
    import dagster as dg

    return result.filter_events(lambda each: each.event_type is dg.DagsterEventType.STEP_FAILURE)


def is_interrupted(result: "dg.ExecuteInProcessResult") -> bool:
    """True after Ctrl-C or a termination, wherever the run was."""
    import dagster as dg
    from dagster._core.events import RunFailureReason

    ends = result.filter_events(lambda each: each.event_type is dg.DagsterEventType.RUN_FAILURE)
    return any(end.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION for end in ends)


def problem_of(result: "dg.ExecuteInProcessResult") -> str:
    """The sentence of the first failure, else where to look."""
    from socialanalyzer_dagster.checks.check_groups import CHECK_FAILED

    if is_interrupted(result):
        return "stopped; run it again to go on where it was"
    for event in _step_failures(result):
        data = event.step_failure_data
        if data.user_failure_data is not None and data.user_failure_data.description:
            return data.user_failure_data.description
        if data.error is not None:
            cause = data.error.cause or data.error
            if cause.cls_name == CHECK_FAILED:
                return _failed_checks(result)
            return f"{event.step_key} failed: {cause.message.strip()}"
    return f"Dagster run {result.run_id} failed; its log is in the Dagster UI (`socialanalyzer dev`)"


def _failed_checks(result: "dg.ExecuteInProcessResult") -> str:
    """What the checks found that ended the run."""
    import dagster as dg

    found = [
        f"{each.asset_key.to_user_string()} {each.check_name}: {each.description}"
        for each in result.get_asset_check_evaluations()
        if each.blocking and not each.passed and each.severity is dg.AssetCheckSeverity.ERROR
    ]
    return "a check failed, so nothing after it was done: " + " ".join(found)


@contextmanager
def progress_of(office: Office, names: Mapping[BatchKey, str]) -> Iterator[None]:
    """Bars on stderr, one per stage and batch, while the block runs; each batch under the name it is given."""
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(bar_width=30), MofNCompleteColumn(),
        TextColumn("{task.fields[spent]}"), TextColumn("{task.fields[took]}"),
    )  # fmt: skip
    with Progress(*columns, console=notes, transient=False) as progress:
        bars = _Bars(office, names, progress)
        stop = threading.Event()
        looker = threading.Thread(target=_look, args=(bars, stop), name="progress", daemon=True)
        looker.start()
        try:
            yield
        finally:
            stop.set()
            looker.join()
            bars.look()


def _look(bars: "_Bars", stop: threading.Event) -> None:
    while not stop.wait(LOOK_SECONDS):
        bars.look()


class _Bars:
    def __init__(self, office: Office, names: Mapping[BatchKey, str], progress: Progress) -> None:
        self._office = office
        self._progress = progress
        width = max(map(len, names.values()), default=0)
        self._names = {key: name.ljust(width + 1 if width else 0) for key, name in names.items()}
        self._bars: dict[tuple[BatchKey, Stage], TaskID] = {}

    def look(self) -> None:
        """Read the counters and draw."""
        for key, name in self._names.items():
            with self._office.database.read() as connection:
                batch = batches.batch_by_key(connection, key)
                if batch is None:
                    continue
                found = batches.stage_progress(connection, batch.batch_id)
                spent = {stage: batch_figures.stage_money(connection, batch.batch_id, stage)[0] for stage in found}
            for stage in sorted(found, key=list(Stage).index):
                self._draw(key, name, found[stage], spent[stage])

    def _draw(self, key: BatchKey, name: str, reading: batches.StageProgress, spent: int) -> None:
        bar = self._bars.get((key, reading.stage))
        if bar is None:
            bar = self._progress.add_task(f"{name}{reading.stage.value:<10}", spent="", took="")
            self._bars[key, reading.stage] = bar
        seconds = ((reading.finished_at or self._office.clock.now()) - reading.started_at).total_seconds()
        self._progress.update(
            bar, total=max(reading.total, reading.done), completed=reading.done, spent=usd(spent),
            took=f"{seconds:.1f} s", refresh=True,
        )  # fmt: skip
