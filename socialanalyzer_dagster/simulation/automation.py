"""What Dagster's daemon does, at simulated instants: schedules and sensors are evaluated, their requests are run."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.storage.tags import RUN_KEY_TAG
from dagster._utils.schedules import cron_string_iterator

from socialanalyzer_dagster.commands.runs import is_interrupted

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_ONE_ROUND = 50
"""Requests that one look at the sensors may lead to before the world moves on."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody who looks at the Dagster UI would have seen at a moment."""

    at: datetime
    where: str
    text: str


@dataclass
class Automation:
    """Evaluates every schedule and sensor of the definitions, each with its own cursor, and runs what they request."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    seen: list[Seen] = field(default_factory=list)
    runs: int = 0
    failed_runs: int = 0
    _looked: dict[str, datetime] = field(default_factory=dict)
    _cursors: dict[str, str | None] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)
    _run_keys: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._repository = self.definitions.get_repository_def()
        self._resources = dict(self.definitions.resources or {})
        self._schedules = [each for each in self._repository.schedule_defs if isinstance(each, dg.ScheduleDefinition)]
        self._sensors = self._repository.sensor_defs

    def schedule_ticks(self, since: datetime, until: datetime) -> list[tuple[datetime, dg.ScheduleDefinition]]:
        """The ticks of all schedules in (since, until], the earliest first."""
        found = [(moment, schedule) for schedule in self._schedules for moment in _ticks(schedule, since, until)]
        return sorted(found, key=lambda each: (each[0], each[1].name))

    def tick(self, schedule: dg.ScheduleDefinition, moment: datetime) -> None:
        """Evaluate a schedule as of a moment and run what it requests."""
        resources = self._needed(schedule.required_resource_keys)
        with (
            dg.build_resources(resources, instance=self.instance) as made,
            dg.build_schedule_context(
                instance=self.instance,
                scheduled_execution_time=moment,
                resources=resources,
                repository_def=self._repository,
            ) as context,
        ):
            # else it makes an instance for them, which takes longer than most ticks
            context._resources = made  # type: ignore[assignment]  # noqa: SLF001
            tick = schedule.evaluate_tick(context)
        for request in tick.run_requests or ():
            self._run(request, schedule.job_name)

    def look(self) -> bool:
        """Tick every sensor whose interval is over and run what they request; True when anything ran."""
        before = self.runs
        for sensor in self._sensors:
            now = datetime.now(UTC)
            last = self._looked.get(sensor.name)
            if last is not None and (now - last).total_seconds() < (sensor.minimum_interval_seconds or 0):
                continue
            self._looked[sensor.name] = now
            with (
                partition_loading_context(dynamic_partitions_store=self.instance),
                dg.build_sensor_context(
                    instance=self.instance,
                    cursor=self._cursors.get(sensor.name),
                    resources=self._needed(sensor.required_resource_keys),
                    definitions=self.definitions,
                    sensor_name=sensor.name,
                ) as context,
            ):
                tick = sensor.evaluate_tick(context)
            self._cursors[sensor.name] = tick.cursor
            self._tell(sensor.name, tick.skip_message or "")
            for request in tick.run_requests or ():
                self._run(request, request.job_name or sensor.job_name)
        return self.runs > before

    def settle(self) -> Iterator[None]:
        """Look until nothing is requested any more; the caller acts between two looks."""
        for _ in range(_ONE_ROUND):
            if not self.look():
                return
            yield

    def _needed(self, keys: AbstractSet[str]) -> dict[str, object]:
        """Only the resources that are asked for: to make all of them takes longer than most looks."""
        return {name: resource for name, resource in self._resources.items() if name in keys}

    def _run(self, request: dg.RunRequest, job_name: str | None) -> None:
        """Run what was requested, once per run key; raises KeyboardInterrupt when somebody stopped the run."""
        if job_name is None:
            raise ValueError("a run request names no job")
        if request.run_key is not None:
            if (job_name, request.run_key) in self._run_keys:
                return
            self._run_keys.add((job_name, request.run_key))
        result = self.definitions.resolve_job_def(job_name).execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            run_config={**request.run_config, **_QUIET},
            tags={**request.tags, **({RUN_KEY_TAG: request.run_key} if request.run_key else {})},
            raise_on_error=False,
        )
        if is_interrupted(result):
            raise KeyboardInterrupt
        self.runs += 1
        for check in result.get_asset_check_evaluations():
            if not check.passed:
                where = f"{check.asset_key.to_user_string()}: {check.check_name}"
                self._see(where, f"{request.partition_key or ''} {check.description or ''}".strip())
        if not result.success:
            self.failed_runs += 1

    def _tell(self, where: str, text: str) -> None:
        """A sensor's words count when they change."""
        if text and self._told.get(where) != text:
            self._told[where] = text
            self._see(where, text)

    def _see(self, where: str, text: str) -> None:
        self.seen.append(Seen(datetime.now(UTC), where, text))


def _ticks(schedule: dg.ScheduleDefinition, since: datetime, until: datetime) -> Iterable[datetime]:
    for moment in cron_string_iterator(
        since.timestamp() + 1e-3, str(schedule.cron_schedule), schedule.execution_timezone
    ):
        if moment > until:
            return
        yield moment
